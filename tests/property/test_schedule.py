"""When a family is trained again, whatever its settings and however its readings arrive."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitor.training.schedule import DOUBLED, REGULAR, Schedule

schedules = st.builds(Schedule, first=st.integers(1, 10_000), every=st.integers(1, 100_000))


def trainings(schedule: Schedule, readings: int, cuts: list[int]) -> list[int]:
    """Where a stream of `readings` is trained on, looked at after each reading of `cuts`, and at the end."""
    last, found = 0, []
    for seen in sorted({*cuts, readings}):
        while seen >= (due := schedule.due_at(last) or readings + 1):
            found.append(due)
            last = due
    return found


@given(schedules)
def test_the_history_doubles_until_that_takes_longer_than_every(schedule: Schedule) -> None:
    at = [schedule.first]
    for _ in range(30):
        at.append(schedule.due_at(at[-1]) or 0)
    steps = [after - before for before, after in pairwise(at)]

    assert all(step == min(before, schedule.every) for before, step in zip(at, steps, strict=False))
    assert steps == sorted(steps)
    assert steps[-1] == schedule.every or at[-1] == schedule.first * 2**30


@given(schedules, st.integers(0, 200_000), st.lists(st.integers(0, 200_000), max_size=20))
def test_any_cut_gives_the_same_trainings(schedule: Schedule, readings: int, cuts: list[int]) -> None:
    within = [cut for cut in cuts if cut <= readings]

    assert trainings(schedule, readings, within) == trainings(schedule, readings, [])


@given(schedules, st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_training_is_due_exactly_from_its_reading_on(schedule: Schedule, last: int, seen: int) -> None:
    due = schedule.due_at(last)
    assert due is not None

    assert bool(schedule.cause(last, seen)) == (seen >= due)
    assert schedule.cause(last, due - 1) == ""
    assert schedule.cause(last, due) in (DOUBLED, REGULAR)
    assert due > last or last < schedule.first


@given(st.integers(1, 10_000), st.integers(0, 10**6))
def test_without_every_there_is_no_second_training(first: int, last: int) -> None:
    due = Schedule(first, 0).due_at(last)

    assert due == (first if last < first else None)
