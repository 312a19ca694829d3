"""How unusual the shape of a window is: its error against those of the stream's clean windows.

A detector's error is measured on a log scale, in standard deviations above the centre of the clean windows': those that
were held out from the training at first, then the last `MEMORY` that were no more surprising than `LEARNED` nor the
limit. The standard deviation counts for `FLOOR` at least, as a minute of held-out heartbeats says no more. It becomes
surprise, 2 log2(1 + z / 2), which companions add to.

Noise makes errors, too. So what is clean is known for each of `CLASSES` levels of noise: usual, louder, much louder.
A louder one begins with a guess from the one below it, and is then learned; the clean errors of quiet stretches are not
touched by it, and a beat in a noisy moment must be so much stranger than others there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from monitor.pipeline.scoring.companions.usual_noise import LOUD
from monitor.pipeline.scoring.false_alarms import TINY, log_scores
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.scoring.surprise import MOST_SCORE
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Bool, Float32, Float64, Int32
from monitor.records.compiled import compiled

MEMORY = 1000.0  # windows
FEWEST = 16.0  # of which something must be known; the training's are more
LEARNED = 3.5  # surprise
FLOOR = 0.3  # of logs
CLASSES, LOUDER = 3, 2.0  # levels of noise: up to `LOUD` times the usual one, up to `LOUDER` times as much, above
GUESS, GUESSED = 0.35, 30.0  # logs by which errors in the next class are larger, and how many errors that guess weighs
NOISY_FLOOR, NOISY_MEMORY = 0.4, 200.0  # in the louder classes
IN_TIME = 1.6  # what companions may add to a window that is learned from


class Errors(NamedTuple):
    """Errors of windows (m,), sorted by stream and time; NaN = not known.

    `beside` is the surprise that companions add, and `noise` how many times the usual level noise has.
    """

    stream: Int32
    error: Float32
    beside: Float32
    noise: Float64


class _Past(NamedTuple):
    """What is known of every stream, by class of noise."""

    known: Float64  # how many clean errors
    mean: Float64  # of their logs
    squares: Float64  # sum of those of their deviations from it


class ShapeErrors:
    """The clean errors of every stream."""

    def __init__(self) -> None:
        self.columns = Columns(dict.fromkeys(_Past._fields, (np.float64, (CLASSES,), 0.0)))

    def seed(self, code: int, profile: Profile) -> None:
        """Begin with the errors of the training."""
        logs, count = log_scores(profile.score_mean, profile.score_std), min(float(profile.score_count), MEMORY)
        quiet = (count, logs.centre, count * logs.spread**2)
        for name, value in zip(_Past._fields, quiet, strict=True):
            self.columns[name][code] = 0.0
            self.columns[name][code, 0] = value

    def known(self, stream: Int32) -> Bool:
        """Of which of these streams enough is known."""
        return np.asarray(self.columns["known"][stream, 0] >= FEWEST)

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
        of, error = errors.stream[row], errors.error[row]
        if np.isnan(error):
            continue
        class_ = _class(past, of, errors.noise[row])
        log = math.log(min(max(np.float64(error), TINY), MOST_SCORE))
        known = past.known[of, class_]
        if known >= FEWEST:
            spread = math.sqrt(past.squares[of, class_] / known)
            away = max((log - past.mean[of, class_]) / max(spread, NOISY_FLOOR if class_ else FLOOR), 0.0)
            out[row] = 2 * math.log2(1 + away / 2)
        added = 0.0 if np.isnan(errors.beside[row]) else errors.beside[row]
        if added <= IN_TIME and (known < FEWEST or out[row] + added <= most):
            _learn(past, of, class_, log)


@compiled
def _class(past: _Past, of: int, noise: float) -> int:
    """The class of this noise; it is begun by a guess, class by class, once the quiet one is known."""
    if not noise > LOUD or past.known[of, 0] < FEWEST:
        return 0
    class_ = 1 if noise <= LOUD * LOUDER else 2
    for louder in range(1, class_ + 1):
        if past.known[of, louder] == 0:
            past.known[of, louder], past.mean[of, louder] = GUESSED, past.mean[of, louder - 1] + GUESS
            past.squares[of, louder] = GUESSED * NOISY_FLOOR**2
    return class_


@compiled
def _learn(past: _Past, of: int, class_: int, log: float) -> None:
    """Take in a clean error; the oldest ones are forgotten little by little."""
    memory = NOISY_MEMORY if class_ else MEMORY
    if past.known[of, class_] >= memory:
        past.squares[of, class_] *= 1 - 1 / memory
        past.known[of, class_] = memory - 1
    past.known[of, class_] += 1
    away = log - past.mean[of, class_]
    past.mean[of, class_] += away / past.known[of, class_]
    past.squares[of, class_] += away * (log - past.mean[of, class_])
