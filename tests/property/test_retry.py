"""The schedule of retries."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.notify.retry_schedule import JITTER, TRIES, wait

SECOND = 10**9
ATTEMPTS = st.integers(1, len(TRIES) - 1)
CHANCE = st.floats(0, 1, exclude_max=True)


def middle(attempts: int) -> int:
    delay = wait(attempts, 0.5)
    assert delay is not None
    return delay


def test_the_tries_are_those_of_the_design() -> None:
    moments = [0, *accumulate(middle(n) // SECOND for n in range(1, len(TRIES)))]

    assert moments[:11] == [0, 5, 15, 30, 60, 120, 300, 900, 3600, 7200, 10800]
    assert moments[-1] == 72 * 3600


@given(ATTEMPTS, ATTEMPTS)
def test_later_tries_never_wait_less(one: int, other: int) -> None:
    first, second = sorted((one, other))

    assert middle(first) <= middle(second)


@given(ATTEMPTS, CHANCE)
def test_jitter_stays_in_its_band(attempts: int, chance: float) -> None:
    delay = wait(attempts, chance)

    assert delay is not None
    assert (1 - JITTER) * middle(attempts) - 1 <= delay <= (1 + JITTER) * middle(attempts) + 1


@given(ATTEMPTS, CHANCE, CHANCE)
def test_jitter_grows_with_chance(attempts: int, one: float, other: float) -> None:
    delays = [wait(attempts, chance) or 0 for chance in sorted((one, other))]

    assert delays == sorted(delays)


@given(ATTEMPTS, CHANCE)
def test_no_wait_is_longer_than_an_hour_and_its_jitter(attempts: int, chance: float) -> None:
    assert 0 < (wait(attempts, chance) or 0) <= 3600 * SECOND * (1 + JITTER)


@pytest.mark.parametrize("attempts", [len(TRIES), len(TRIES) + 1, 10_000])
def test_there_is_an_end(attempts: int) -> None:
    assert wait(attempts, 0.5) is None
