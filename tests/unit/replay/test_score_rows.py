"""What `score` works out beside the pipeline: intervals, anomaly scores, refusals of `replay`."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.batches import Poll, Readings
from monitor.replay.row_judge import anomaly_score
from monitor.replay.score_rows import common_interval
from monitor.replay.time_range import Between, TimeRange

SECOND = 10**9


def test_the_interval_is_the_step_of_most_readings() -> None:
    time = np.arange(100, dtype=np.int64) * 300 * SECOND
    assert common_interval(time) == 300 * SECOND
    assert common_interval(np.delete(time, [3, 4, 50])) == 300 * SECOND
    assert common_interval(np.sort(np.concatenate([time, time[:9]]))) == 300 * SECOND


def test_irregular_times_have_no_interval() -> None:
    rng = np.random.default_rng(0)
    assert common_interval(np.sort(rng.integers(0, 10**12, 100))) is None
    assert common_interval(np.zeros(5, np.int64)) is None
    assert common_interval(np.zeros(1, np.int64)) is None
    half = np.cumsum(np.where(np.arange(400) % 3 == 0, SECOND // 4, SECOND))  # a grid of 1 s would drop many
    assert common_interval(half.astype(np.int64)) is None


def test_the_anomaly_score_rises_with_the_ratio_within_0_and_1() -> None:
    ratio = np.array([0, 0.5, 1, 2, 1e3, 1e6], np.float32)
    score = anomaly_score(ratio)
    assert score[2] == 0.5
    assert (np.diff(score) > 0).all()
    assert score.min() >= 0
    assert score.max() < 1
    assert np.isnan(anomaly_score(np.array([np.nan], np.float32))).all()


class Listed:
    """A source with one poll."""

    def __init__(self, time: list[int]) -> None:
        self._time = np.array(time, np.int64)

    def poll(self, timeout: float) -> Poll:
        none = np.zeros(len(self._time), np.int32)
        readings = Readings(none, self._time, none[:, None].astype(np.float32), none, none.astype(np.int64))
        return Poll({"f": readings}, records=len(none), finished=True)

    def commit(self, positions: object) -> None: ...

    def hold(self, seconds: float) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("start", "end", "kept"),
    [(None, None, [1, 2, 3]), (2, None, [2, 3]), (None, 3, [1, 2]), (2, 3, [2])],
)
def test_a_time_range_takes_its_start_and_leaves_its_end(start: int | None, end: int | None, kept: list[int]) -> None:
    span = TimeRange(start, end)
    poll = Between(Listed([1, 2, 3]), span).poll(0)
    assert poll.readings["f"].time.tolist() == kept
    assert poll.records == 3
    assert (span.inside, span.outside) == (len(kept), 3 - len(kept))
    assert (span.first, span.last) == (1, 3)
