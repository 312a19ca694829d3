"""Maintenance in a pipeline: no cut or restart changes a bit, nothing that is not learned from leaves a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.maintenance.calendar import Calendar
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.records.batches import Readings, State
from monitor.records.maintenance import Maintenance
from tests import cuts
from tests.property import test_default_recipe, test_multivariate, test_pipeline, test_vectors
from tests.property.test_pipeline import facts

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (a wall-clock time)


class Case(NamedTuple):
    """A recipe with readings of some streams, by a seed."""

    fresh: Callable[[], Pipeline]
    plant: Callable[[int], Readings]
    examples: int


def plain(seed: int) -> Readings:
    rng = np.random.default_rng(seed)
    stream, time = rng.integers(0, 3, 400), np.arange(400) // 3 + rng.integers(0, 3, 400)
    values = rng.normal(0, 1, (400, 1)).astype(np.float32)
    values[250:270] *= 20
    return test_pipeline.readings(stream.tolist(), time.tolist(), values)


CASES = {
    "plain": Case(lambda: test_pipeline.pipeline(test_pipeline.family()), plain, 30),
    "default": Case(test_default_recipe.pipeline, partial(test_default_recipe.plant, n=1500), 10),
    "multivariate": Case(test_multivariate.pipeline, test_multivariate.plant, 15),
    "message": Case(partial(test_vectors.pipeline, "message"), partial(test_vectors.readings, "message"), 10),
    "beat": Case(partial(test_vectors.pipeline, "beat"), partial(test_vectors.readings, "beat"), 4),
}


def at(time: int) -> datetime:
    return EPOCH + timedelta(microseconds=time // 1000)


def within(batch: Readings, begin: float, end: float, **more: Any) -> Maintenance:
    """A maintenance over a part of the time of these readings."""
    first, last = int(batch.time.min()), int(batch.time.max())
    start, over = (at(first + round(share * (last - first))) for share in (begin, end))
    return Maintenance(name="m", start=start, end=max(over, start + timedelta(microseconds=1)), **more)


def maintained(fresh: Callable[[], Pipeline], *of: Maintenance) -> Pipeline:
    made = fresh()
    made.maintenance.follow(Calendar(of))
    return made


def run(case: Case, batch: Readings, of: tuple[Maintenance, ...], edges: list[int], *, restart: bool) -> list[Outcome]:
    return cuts.run(lambda: maintained(case.fresh, *of), batch, edges, restart=restart)


def judged(outcomes: list[Outcome], code: int) -> list[tuple[int, bytes]]:
    """End and bits of every score of a stream, in order."""
    rows = []
    for scores in (outcome.scores for outcome in outcomes):
        for row in np.flatnonzero(scores.stream == code).tolist():
            bits = [column[row].tobytes() for column in (scores.score, scores.limit, scores.ratio, scores.state)]
            rows.append((int(scores.end[row]), b"".join(bits)))
    return rows


PATTERNS = st.sampled_from(["*", "m-0", "m-[12]", "with"])
plans = st.lists(
    st.tuples(st.floats(0, 0.9), st.floats(0, 0.4), PATTERNS, st.booleans(), st.booleans()), min_size=1, max_size=3
)


@pytest.mark.parametrize("name", CASES)
def test_cuts_and_restarts_change_no_bit(name: str) -> None:
    case = CASES[name]

    @settings(max_examples=case.examples, deadline=None)
    @given(seed=st.integers(0, 5), shares=st.lists(st.floats(0, 1), max_size=5), restart=st.booleans(), plan=plans)
    def check(seed: int, shares: list[float], restart: bool, plan: list[tuple[float, float, str, bool, bool]]) -> None:
        batch = case.plant(seed)
        of = tuple(
            within(batch, begin, begin + lasts, streams=streams, score=score, learn=learn)
            for begin, lasts, streams, score, learn in plan
        )
        edges = sorted(round(share * len(batch)) for share in shares)

        whole = run(case, batch, of, [], restart=False)
        cut = run(case, batch, of, edges, restart=restart)

        assert facts(whole) == facts(cut)

    check()


def calm(case: Case, name: str, seed: int) -> Readings:
    """Readings of one stream with nothing wrong in them, in order."""
    batch = case.plant(seed)
    if name == "beat":
        return batch.take(np.flatnonzero(batch.stream == 0)[: int(test_vectors.CALM * test_vectors.RATE)])
    rng, count = np.random.default_rng(seed), len(batch) // 2
    values = rng.normal(0, 1, batch.values[:count].shape).astype(np.float32)
    if name == "message":
        values = (np.sin(np.arange(16) / 2) + 0.2 * values).astype(np.float32)
    step = 600 if name == "default" else 1
    return test_pipeline.readings([0] * count, (np.arange(count) * step).tolist(), values)


def disturbed(batch: Readings, begin: int, end: int, seed: int) -> Readings:
    """Others in the middle, about as large."""
    values, rng = batch.values.copy(), np.random.default_rng(seed + 100)
    values[begin:end] = values[begin:end][::-1] * rng.uniform(0.7, 1.3)
    return replace(batch, values=values)


@pytest.mark.parametrize(
    "name", [name for name in CASES if name != "beat"]
)  # where beats are found follows the signal before them
@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_not_learned_from_leaves_no_trace(name: str, seed: int) -> None:
    """Whatever came within, the same is said of what comes after, to the bit; without maintenance it is not."""
    case = CASES[name]
    batch = calm(case, name, seed)
    begin, end = len(batch) // 2, len(batch) * 3 // 5
    other = disturbed(batch, begin, end, seed)
    first, last = at(int(batch.time[begin])), at(int(batch.time[end]))
    of = (Maintenance(name="m", start=first, end=last),)

    def after(readings: Readings, *of: Maintenance) -> list[tuple[int, bytes]]:
        outcome = maintained(case.fresh, *of).process(readings)
        beyond = outcome.scores.take(outcome.scores.start >= batch.time[end])
        return judged([replace(outcome, scores=beyond)], 0)

    assert len(after(batch, *of)) > 3
    assert after(batch, *of) == after(other, *of)
    if name != "message":  # its limit is one for all streams
        assert after(batch) != after(other)


@pytest.mark.parametrize("name", CASES)
def test_the_limit_after_is_that_before_to_the_bit(name: str) -> None:
    """The threshold of `plain` is one by windows, whose history no time uses up."""
    case = CASES[name]
    if name == "plain":
        case = case._replace(fresh=lambda: test_pipeline.pipeline(test_pipeline.family(threshold={"history": 48})))
    batch = calm(case, name, 3)
    begin, end = (int(batch.time[len(batch) * share // 10]) for share in (5, 6))
    made, free = maintained(case.fresh, Maintenance(name="m", start=at(begin), end=at(end))), case.fresh()

    scores, learning = made.process(batch).scores, free.process(batch).scores

    before, after = np.flatnonzero(scores.end < begin)[-1], np.flatnonzero(scores.start >= end)[0]
    assert made.judging.learned.waits is False
    assert scores.limit[before].tobytes() == scores.limit[after].tobytes()
    if name == "plain":
        assert learning.limit[before] != learning.limit[after]


def test_what_is_kept_is_saved_with_its_stream_alone() -> None:
    case = CASES["plain"]
    made = maintained(case.fresh, Maintenance(name="m", start=at(50 * 10**9), end=at(80 * 10**9), streams="m-0"))
    values = np.full((140, 1), 0.1, np.float32)
    made.process(test_pipeline.readings([0, 1] * 70, np.repeat(np.arange(70), 2).tolist(), values))

    with_more, other = made.dump(np.array([0, 1], np.int32))
    again = maintained(case.fresh, Maintenance(name="m", start=at(50 * 10**9), end=at(80 * 10**9), streams="m-0"))

    assert len(with_more) > len(other) == made.state_size
    assert again.load(np.array([0, 1], np.int32), [with_more, other]) == set()
    assert again.dump(np.array([0, 1], np.int32)) == [with_more, other]


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_judged_is_counted_and_opens_nothing(name: str) -> None:
    case = CASES[name]
    batch = case.plant(1)
    of = within(batch, 0.3, 1.1, score=False)
    begin, end = ((t - EPOCH) // timedelta(microseconds=1) * 1000 for t in (of.start, of.end))

    outcome = maintained(case.fresh, of).process(batch)
    free = case.fresh().process(batch)

    scores, all_of_it = outcome.scores, free.scores
    assert sorted(zip(scores.stream, scores.end, strict=True)) == sorted(
        zip(all_of_it.stream, all_of_it.end, strict=True)
    )
    inside = (scores.end >= begin) & (scores.start < end)
    assert inside.any()
    np.testing.assert_array_equal(scores.state == State.MAINTENANCE, inside)
    assert np.isnan(scores.ratio[inside]).all()
    assert [fact for fact in outcome.facts if fact.opened_at >= begin and str(fact.kind) == "opened"] == []
    assert any(fact.opened_at >= begin for fact in free.facts) or name == "message"


def test_an_open_alert_is_not_touched_while_nothing_is_judged() -> None:
    made = maintained(
        CASES["plain"].fresh, Maintenance(name="m", start=at(50 * 10**9), end=at(100 * 10**9), score=False)
    )
    values = np.full((200, 1), 0.1, np.float32)
    values[40:50] = 30

    outcome = made.process(test_pipeline.readings([0] * 200, list(range(200)), values))

    changes = [(str(fact.kind), fact.at // 10**9) for fact in outcome.facts if str(fact.kind) != "continued"]
    assert changes[0][0] == "opened"
    assert next(at for kind, at in changes if kind == "cleared") > 100
