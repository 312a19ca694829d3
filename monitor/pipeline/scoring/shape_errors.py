"""How unusual the shape of a window is: its error against those of the stream's clean windows.

A detector's error is measured on a log scale, in standard deviations above the centre of the clean windows': those that
were held out from the training at first, then the last `MEMORY` that were no more surprising than `LEARNED` nor the
limit. The standard deviation counts for `FLOOR` at least, as a minute of held-out heartbeats says no more. It becomes
surprise, 2 log2(1 + z / 2), which companions add to.

Noise makes errors, too. Where it is more than `QUIET` times what is usual of the stream, what it adds is expected:
`GAIN` times its level. So a beat in a noisy moment must be so much stranger.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from monitor.pipeline.scoring.compiled import compiled
from monitor.pipeline.scoring.false_alarms import TINY, log_scores
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.scoring.surprise import MOST_SCORE
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Bool, Float32, Float64, Int32, Int64

MEMORY = 1000.0  # windows
FEWEST = 16.0  # of which something must be known; the training's are more
LEARNED = 3.5  # surprise
FLOOR = 0.3  # of logs
QUIET, GAIN = 3.0, 0.45
FOLLOW, CLIP = 300.0, 0.5  # beats after which the usual noise is another, and logs by which one of them may move it


class Errors(NamedTuple):
    """Errors of windows (m,), sorted by stream and time; NaN = not known.

    `beside` is the surprise that companions add, and `noise` its level, in the unit of the readings.
    """

    stream: Int32
    error: Float32
    beside: Float32
    noise: Float64


class _Past(NamedTuple):
    """What is known of every stream."""

    known: Float64  # how many clean errors
    mean: Float64  # of their logs
    squares: Float64  # sum of those of their deviations from it
    scale: Float32  # by which the detector divides readings
    noise: Float64  # log of what is usual
    heard: Int64  # beats that it is known from


class ShapeErrors:
    """The clean errors of every stream."""

    def __init__(self) -> None:
        zero = (np.float64, (), 0.0)
        self.columns = Columns(
            {
                "known": zero,
                "mean": zero,
                "squares": zero,
                "scale": (np.float32, (), 1.0),
                "noise": zero,
                "heard": (np.int64, (), 0),
            }
        )

    def seed(self, code: int, profile: Profile) -> None:
        """Begin with the errors of the training."""
        logs, count = log_scores(profile.score_mean, profile.score_std), min(float(profile.score_count), MEMORY)
        columns = self.columns
        columns["known"][code], columns["mean"][code] = count, logs.centre
        columns["squares"][code] = count * logs.spread**2
        columns["scale"][code] = np.nanmin(profile.scale)

    def known(self, stream: Int32) -> Bool:
        """Of which of these streams enough is known."""
        return np.asarray(self.columns["known"][stream] >= FEWEST)

    def surprise(self, errors: Errors, limit: float) -> Float32:
        """Surprise (m,) by the errors; NaN where too little is known. `limit` is that of the sum with `beside`.

        Each window is judged by those before it, and then learned from.
        """
        out = np.full(len(errors.stream), np.nan, np.float32)
        past = _Past(*(self.columns[name] for name in _Past._fields))
        _follow(errors, min(limit, LEARNED), past, out)
        return out


@compiled
def _follow(errors: Errors, most: float, past: _Past, out: Float32) -> None:
    for row in range(len(errors.stream)):
        of, error, level = errors.stream[row], errors.error[row], errors.noise[row]
        if not np.isnan(error):
            log = math.log(min(max(np.float64(error), TINY), MOST_SCORE) / _expected(past, of, level))
            if past.known[of] >= FEWEST:
                spread = math.sqrt(past.squares[of] / past.known[of])
                away = max((log - past.mean[of]) / max(spread, FLOOR), 0.0)
                out[row] = 2 * math.log2(1 + away / 2)
            added = 0.0 if np.isnan(errors.beside[row]) else errors.beside[row]
            if past.known[of] < FEWEST or out[row] + added <= most:
                _learn(past, of, log)
        if level > 0:
            _hear(past, of, math.log(level))


@compiled
def _expected(past: _Past, of: int, level: float) -> float:
    """How many times larger the error of a clean window is for noise of this level."""
    usual = math.exp(past.noise[of])
    if past.heard[of] == 0 or not level > QUIET * usual:
        return 1.0
    added = GAIN * math.sqrt(level**2 - (QUIET * usual) ** 2) / past.scale[of] / math.exp(past.mean[of])
    return math.sqrt(1 + added**2)


@compiled
def _learn(past: _Past, of: int, log: float) -> None:
    """Take in a clean error; the oldest ones are forgotten little by little."""
    if past.known[of] >= MEMORY:
        past.squares[of] *= 1 - 1 / MEMORY
        past.known[of] = MEMORY - 1
    past.known[of] += 1
    away = log - past.mean[of]
    past.mean[of] += away / past.known[of]
    past.squares[of] += away * (log - past.mean[of])


@compiled
def _hear(past: _Past, of: int, log: float) -> None:
    """Take in the noise around a beat."""
    past.heard[of] += 1
    if past.heard[of] == 1:
        past.noise[of] = log
    step = min(max(log - past.noise[of], -CLIP), CLIP)
    past.noise[of] += step / min(past.heard[of], FOLLOW)
