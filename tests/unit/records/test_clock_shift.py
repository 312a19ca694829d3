"""Clocks that are wrong by a zone."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.clock_shift import HOUR, MINUTE, hour_blocks, zone_cause, zone_shift

SECOND = 10**9


@pytest.mark.parametrize(
    ("ahead", "shift"),
    [
        ([HOUR - 3 * SECOND] * 9 + [0], HOUR),
        ([2 * HOUR - 3 * MINUTE] * 5, 2 * HOUR),
        ([-HOUR - SECOND] * 5, -HOUR),
        ([5 * HOUR + 30 * MINUTE] * 5, 5 * HOUR + 30 * MINUTE),
        ([HOUR, 0, HOUR, 0], None),
        ([40 * MINUTE] * 5, None),
        ([0, SECOND], None),
        ([20 * HOUR] * 5, None),
        ([], None),
    ],
)
def test_a_zone(ahead: list[int], shift: int | None) -> None:
    assert zone_shift(np.array(ahead, np.int64)) == shift


def test_the_cause_in_a_sentence() -> None:
    assert zone_cause(np.full(3, HOUR - 5 * SECOND)) == (
        "1 h ahead of the clock: are they local times without a zone? set format.time_zone"
    )
    assert (zone_cause(np.full(3, -330 * MINUTE)) or "").startswith("5 h 30 min behind the clock")
    assert zone_cause(np.full(3, 5 * SECOND)) is None


@pytest.mark.parametrize("step", [1, 10, 300, 1200])
@pytest.mark.parametrize("jitter", [0, 0.1])
def test_clocks_that_were_put_back(step: int, jitter: float) -> None:
    count = 4 * 3600 // step
    time = np.arange(count) * step * SECOND
    time[count // 2 :] -= HOUR
    time += np.random.default_rng(0).integers(0, int(jitter * step * SECOND) + 1, count)

    ((row, rows),) = hour_blocks(time)

    assert row == count // 2
    assert 3600 // step - 1 <= rows <= 3600 // step + 1


def test_other_jumps_are_no_hour() -> None:
    time = np.arange(2000) * 10 * SECOND
    for jump in (0, 50 * MINUTE, HOUR + MINUTE, 2 * HOUR, -HOUR):
        moved = time.copy()
        moved[1000:] -= jump
        assert hour_blocks(moved) == []
    once = time.copy()
    once[1000] -= HOUR
    assert hour_blocks(once) == []
    assert hour_blocks(time[:1]) == hour_blocks(time[::-1]) == []
