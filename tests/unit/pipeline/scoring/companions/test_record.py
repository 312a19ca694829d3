"""Records, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.pipeline.scoring.companions.record import FEWEST, Record
from monitor.records.batches import Float32, Windows


def scores(rows: list[list[float]]) -> Float32:
    """Of readings (n, channels) of one stream."""
    values = np.array(rows, np.float32)
    record = Record(values.shape[1])
    record.grow(1)
    none, time = np.zeros(len(values), np.int32), np.arange(len(values))
    return record.score(Windows(none, time, time, values[:, None], none.astype(np.float32)))


PAST = [[0.0], [2.0]] * (FEWEST // 2)  # mean 1, lowest 0, highest 2


def test_a_record_counts_by_its_distance_in_those_of_the_past() -> None:
    beyond = scores([*PAST, [2.1]])[-1]  # a tenth of the distance from 1 to 2

    assert beyond == pytest.approx(2 * math.log10(0.1 / 0.01) / 1.5, abs=1e-3)
    assert scores([*PAST, [-0.1]])[-1] == pytest.approx(beyond, abs=1e-3)


def test_the_slightest_record_counts_nothing_and_none_counts_more_than_3() -> None:
    assert scores([*PAST, [2.009]])[-1] == 0
    assert scores([*PAST, [2.0]])[-1] == 0
    assert scores([*PAST, [1e30]])[-1] == 3


def test_there_is_no_record_before_there_is_a_past() -> None:
    assert np.isnan(scores([*PAST[:-1], [100.0]])).all()


def test_a_record_is_the_past_at_once() -> None:
    found = scores([*PAST, [4.0], [4.0]])

    assert found[-2] > 0
    assert found[-1] == 0


def test_an_absurd_number_does_not_hide_the_next_record() -> None:
    """It moves the highest reading by ten ranges: 2 + 20."""
    assert scores([*PAST, [1e30], [21.9]])[-1] == 0
    assert scores([*PAST, [1e30], [200.0]])[-1] == 3


def test_the_furthest_channel_counts_and_missing_ones_do_not() -> None:
    past = [[low, low] for (low,) in PAST]

    assert scores([*past, [2.1, math.nan]])[-1] == pytest.approx(scores([*PAST, [2.1]])[-1])
    assert scores([*past, [1.0, 2.1]])[-1] == pytest.approx(scores([*PAST, [2.1]])[-1])
    assert np.isnan(scores([*past, [math.nan, math.inf]])[-1])


def test_a_channel_at_rest_needs_more_than_its_last_digit() -> None:
    rest = [[1000.0]] * FEWEST

    assert scores([*rest, [1000.00006]])[-1] == 0
    assert scores([*rest, [1001.0]])[-1] == 3
