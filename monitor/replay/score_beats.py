"""Score a file of ECG samples beat by beat: train on its first rows, run all of them through the live pipeline."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.config.families import FEWEST_WINDOWS
from monitor.errors import ModelError
from monitor.pipeline import loop
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.ports.source import Source
from monitor.records.batches import Int64, Poll, Readings, Scores, State
from monitor.replay.learn_rows import MODEL
from monitor.replay.row_judge import Columns
from monitor.replay.score_rows import Summary
from monitor.training import fit

RECENT = 10**10  # ns before the newest sample in which an R-peak may still be found

Write = Callable[[Int64, Int64, Columns], None]


def score_beats(
    source: Source,
    first: Poll,
    pipeline: Pipeline,
    create: Callable[[], fit.Trainable],
    normal: fit.NormalScores,
    write: Write,
) -> Summary:
    """Find and judge the beats of a file's one stream; `first` holds the training rows, and is not the last poll.

    `create` makes an untrained detector, and `normal` says which scores of the training rows the limit starts from:
    five minutes of a sick heart hold many beats that are not normal.

    `write` is called with the row and the time (ns) of each R-peak and its columns: `rr`, seconds since the beat
    before; `latency`, seconds from the R-peak to the sample with which it was found (a beat is judged 0.45 s after
    its R-peak, an early one with the next one, the last one earlier); `score`, `limit`, `ratio`, `state`. Training
    beats have a score of the bootstrap detector.
    """
    summary, rows, history = Summary(training_rows=first.records), _Rows(), list[fit.Named]()
    for _, steps in loop.run(source, {pipeline.name: pipeline}, first):
        for step in steps:
            if step.readings is not None:
                rows.add(step.readings)
            scores = step.outcome.scores
            columns = _columns(pipeline, scores)
            summary.add(columns, step.outcome.facts)
            write(rows.of(scores.end), scores.end, columns)
            if pipeline.scorer is None:
                history += [(pipeline.index.name(code), block) for code, block in step.outcome.history]
        if pipeline.scorer is None:
            detector, profiles = _learn(pipeline, history, create, normal, summary.rows)
            summary.garbage = sum(profile.garbage for profile in profiles.values())
            pipeline.adopt(MODEL, detector, profiles)
    return summary


class _Rows:
    """The row of each time, for the newest samples."""

    def __init__(self) -> None:
        self._time, self._row = np.zeros((2, 0), np.int64)

    def add(self, readings: Readings) -> None:
        time = np.concatenate([self._time, readings.time])
        row = np.concatenate([self._row, readings.offset])
        known = self._time[-1] if len(self._time) else time.min(initial=0)
        recent = time >= known - RECENT
        order = np.argsort(time[recent], kind="stable")  # of equal times the first one counted
        self._time, self._row = time[recent][order], row[recent][order]

    def of(self, time: Int64) -> Int64:
        """Row of the sample at each time, or of the nearest one before it."""
        return np.asarray(self._row[np.searchsorted(self._time, time)])


def _columns(pipeline: Pipeline, scores: Scores) -> Columns:
    beats = pipeline.window_facts
    names = np.array([state.name.lower() for state in sorted(State)], dtype=object)
    return {
        "rr": beats["rr_s"], "latency": beats["latency_s"], "score": scores.score, "limit": scores.limit,
        "ratio": scores.ratio, "state": names[scores.state],
    }  # fmt: skip


def _learn(
    pipeline: Pipeline,
    history: list[fit.Named],
    create: Callable[[], fit.Trainable],
    normal: fit.NormalScores,
    beats: int,
) -> tuple[fit.Trainable, dict[str, Profile]]:
    try:
        return fit.train(pipeline.family, history, create, normal)
    except ModelError:
        raise ModelError(
            f"the training rows hold {beats} heartbeats, and learning takes {FEWEST_WINDOWS} of them "
            "without gaps; raise --train-rows, and check --rate and --values"
        ) from None
