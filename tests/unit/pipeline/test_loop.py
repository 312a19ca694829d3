"""The loop over a bounded source: every reading once, in batches that fit, and a flush at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline import loop
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.batches import Poll, Readings, Scores, TopicPartition
from monitor.testing.in_memory import DistanceScorer

SECOND = 10**9
FAMILY = Family.model_validate(
    {
        "topic": "t",
        "interval": "1s",
        "recipe": "plain",
        "window": {"length": 4},
        "align": {"lateness": 3},
        "threshold": {"kind": "static"},
    }
)


class Polls:
    """A source that brings these polls, and then an error."""

    def __init__(self, *polls: Poll) -> None:
        self._polls = iter(polls)
        self.taken = 0

    def poll(self, timeout: float) -> Poll:
        assert timeout == loop.POLL_S
        self.taken += 1
        return next(self._polls)

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        raise AssertionError("nothing is committed here")

    def hold(self, seconds: float) -> None:
        raise AssertionError("nothing is held here")

    def close(self) -> None:
        raise AssertionError("the caller closes what it opened")


def pipeline(name: str = "f") -> Pipeline:
    made = bootstrap.pipeline(name, FAMILY)
    made.index.intern(["a"])
    return made


def readings(first: int, last: int) -> Readings:
    count = last - first
    none, rows = np.zeros(count, np.int32), np.arange(first, last)
    return Readings(none, rows * SECOND, rows.astype(np.float32)[:, None], none, rows)


def poll(first: int, last: int, *, finished: bool = False) -> Poll:
    return Poll({"f": readings(first, last)}, records=last - first, at_end=finished, finished=finished)


def ends(steps: Iterable[loop.Step]) -> list[int]:
    return [int(end) // SECOND for step in steps for end in step.outcome.scores.end]


def test_all_windows_come_out_and_the_last_ones_with_the_flush() -> None:
    """A reading is missing, for which the ones behind it wait."""
    source = Polls(poll(0, 9), poll(10, 12, finished=True))
    turns = [(poll, list(steps)) for poll, steps in loop.run(source, {"f": pipeline()})]
    assert [len(poll.readings["f"]) for poll, _ in turns] == [9, 2]
    assert [[ends([step]) for step in steps] for _, steps in turns] == [[[3, 4, 5, 6, 7, 8]], [[], [9, 10, 11]]]
    assert [step.readings is None for step in turns[-1][1]] == [False, True]


def test_a_poll_that_was_taken_before_comes_first() -> None:
    source = Polls(poll(10, 12, finished=True))
    turns = loop.run(source, {"f": pipeline()}, poll(0, 9))
    assert [ends(steps) for _, steps in turns] == [[3, 4, 5, 6, 7, 8], [9, 10, 11]]
    assert source.taken == 1


def test_a_source_without_readings_is_flushed_all_the_same() -> None:
    empty = Poll({}, at_end=True, finished=True)
    ((got, steps),) = (
        (poll, list(steps)) for poll, steps in loop.run(Polls(empty), {"f": pipeline(), "g": pipeline("g")})
    )
    assert got is empty
    assert [(step.family, step.readings) for step in steps] == [("f", None), ("g", None)]


def test_what_does_not_fit_is_taken_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same scores to the bit."""

    def scores() -> Iterator[Scores]:
        made = pipeline()
        one = np.ones(1, np.float32)
        made.adopt("m", DistanceScorer(), {"a": Profile(one * 0, one, 1.0, 0.2, 50)})
        for step in [*loop.process(poll(0, 50), {"f": made}), *loop.flush({"f": made})]:
            sizes.append(-1 if step.readings is None else len(step.readings))
            yield step.outcome.scores

    sizes: list[int] = []
    whole = list(scores())
    assert sizes == [50, -1]
    sizes.clear()
    monkeypatch.setattr("monitor.pipeline.family.CELLS", 20 * 4)
    parts = list(scores())
    assert sizes == [20, 20, 10, -1]
    for column in ("end", "score", "limit", "ratio", "state"):
        assert np.concatenate([getattr(part, column) for part in parts]).tobytes() == (
            np.concatenate([getattr(part, column) for part in whole]).tobytes()
        )


def test_a_model_that_is_adopted_after_a_poll_scores_the_next() -> None:
    made, one = pipeline(), np.ones(1, np.float32)
    found = []
    for _, steps in loop.run(Polls(poll(0, 10), poll(10, 20, finished=True)), {"f": made}):
        found += [bool(step.outcome.history) for step in steps if step.readings is not None]
        made.adopt("m", DistanceScorer(), {"a": Profile(one * 0, one, 1.0, 0.2, 50)})
    assert found == [True, False]  # history is kept only before there is a model


def test_steps_that_are_not_asked_for_are_processed_all_the_same() -> None:
    made = pipeline()
    for _ in loop.run(Polls(poll(0, 10), poll(10, 20, finished=True)), {"f": made}):
        pass
    assert made.counters(np.array([0]))[0][0] == 20


def test_a_step_is_processed_when_it_is_asked_for() -> None:
    """What a pipeline says of its newest batch belongs to the step that the caller holds."""
    made = pipeline()
    ((_, steps),) = loop.run(Polls(poll(0, 10, finished=True)), {"f": made})
    assert made.counters(np.array([0]))[0][0] == 10  # the generator has come to its end
    turns = loop.run(Polls(poll(10, 20), poll(20, 30, finished=True)), {"f": made})
    _, steps = next(turns)
    assert made.counters(np.array([0]))[0][0] == 10
    next(steps)
    assert made.counters(np.array([0]))[0][0] == 20


def test_live_readings_are_compared_with_the_clock_of_the_caller() -> None:
    made = pipeline()
    (step,) = loop.process(poll(100, 101), {"f": made}, now=0)
    assert len(step.outcome.scores) == 0
    assert made.counters(np.array([0]))[0].tolist()[:4] == [1, 0, 0, 0]
    (step,) = loop.process(poll(10_000, 10_001), {"f": made}, now=0)
    assert made.counters(np.array([0]))[0].tolist()[:4] == [1, 0, 0, 1]  # further ahead than max_future_skew
