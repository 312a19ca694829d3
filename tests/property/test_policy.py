"""Alert policies: any cut and any restart gives the same facts; a budget holds on scores of any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.families import Alerts
from monitor.pipeline.alerting.anomaly_alerts import Alerter, Changes
from monitor.records.alerts import Fact, FactKind
from monitor.records.batches import Float64, Int64, Windows
from monitor.records.streams import StreamIndex

S = 10**9
RULES: list[dict[str, Any]] = [
    {"quiet_after": 7},
    {"quiet_after": "15s", "rise": 0.4, "memory": 40},
    {"rise": 0.3, "memory": "30s", "open_count": 1, "open_of": 1},
    {"budget": "2 per 60s", "quiet_after": 3, "resolve_after": 1},
    {"budget": "1 per 25s", "open_count": 3, "open_of": 5},
]


def alerter(rule: dict[str, Any]) -> Alerter:
    index = StreamIndex()
    index.intern(["m-1", "m-2", "m-3"])
    made = Alerter("live", "machines", index, Alerts.model_validate(rule))
    made.columns.grow(3)
    return made


def windows(stream: Int64, end: Int64) -> Windows:
    empty = np.zeros((len(end), 1, 1), np.float32)
    return Windows(stream.astype(np.int32), end - S, end, empty, np.zeros(len(end), np.float32))


def step(made: Alerter, stream: Int64, end: Int64, ratio: Float64) -> list[Fact]:
    order, changes = np.argsort(stream, kind="stable"), Changes()
    some = windows(stream[order], end[order])
    made.step(some, ratio[order].astype(np.float32), np.arange(len(order)), changes)
    assert {opening.alert for opening in changes.opened} == {
        fact.alert for fact in changes.facts if fact.kind is FactKind.OPENED
    }
    return changes.facts


@settings(max_examples=80, deadline=None)
@given(
    rule=st.sampled_from(RULES),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 300), max_size=8),
    restart=st.booleans(),
)
def test_cuts_and_restarts_change_no_fact(rule: dict[str, Any], seed: int, cuts: list[int], restart: bool) -> None:
    rng = np.random.default_rng(seed)
    stream, end = rng.integers(0, 3, 300), np.cumsum(rng.integers(1, 4, 300)) * S
    ratio = rng.exponential(rng.choice([0.3, 1.0, 3.0]), 300)
    ratio[rng.random(300) < 0.05] = np.nan
    whole = step(alerter(rule), stream, end, ratio)
    made, parts = alerter(rule), list[Fact]()
    for begin, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 300], strict=True):
        parts += step(made, stream[begin:stop], end[begin:stop], ratio[begin:stop])
        if restart:
            saved, made = made.columns.dump(np.arange(3)), alerter(rule)
            made.columns.load(np.arange(3), saved)
    assert _sorted(whole) == _sorted(parts)


def _sorted(facts: list[Fact]) -> list[Fact]:
    return sorted(facts, key=lambda fact: (fact.stream, fact.at, fact.kind))


def _bursts(rng: np.random.Generator, count: int) -> Float64:
    """Calm for 500 windows, then 50 far beyond the limit, for ever."""
    return np.where(np.arange(count) % 550 < 500, 0.3, rng.uniform(2, 6, count))


SHAPES: dict[str, Callable[[np.random.Generator, int], Float64]] = {
    "exponential": lambda rng, count: rng.exponential(0.5, count),
    "log-normal": lambda rng, count: np.exp(rng.normal(-1, 1, count)),
    "half-normal": lambda rng, count: np.abs(rng.normal(0, 0.6, count)),
    "heavy-tailed": lambda rng, count: 0.2 * rng.pareto(2.5, count),
    "at the limit": lambda rng, count: rng.uniform(0.9, 1.05, count),
    "two levels": lambda rng, count: rng.choice([0.5, 1.8], count, p=[0.9, 0.1]),
    "bursts": _bursts,
}


@pytest.mark.parametrize("budget", ["1 per 1000s", "4 per 2000s"])
@pytest.mark.parametrize("shape", SHAPES)
def test_over_20_periods_a_budget_is_kept_and_what_is_far_beyond_the_bar_opens(shape: str, budget: str) -> None:
    """At most 1.5 times the stated rate, whatever the scores; 3 times the bar opens wherever no alert is open."""
    rule = Alerts.model_validate({"open_count": 1, "open_of": 1, "resolve_after": 1, "budget": budget})
    assert rule.budget is not None
    count = 20 * rule.budget.period // S
    rng = np.random.default_rng(len(shape) + count)
    ratio, end, none = SHAPES[shape](rng, count), np.arange(count) * S, np.zeros(count, np.int64)
    made = alerter(rule.model_dump(exclude_unset=True) | {"budget": budget})
    opened = [fact for fact in step(made, none, end, ratio) if fact.kind is FactKind.OPENED]
    assert 1 <= len(opened) <= 1.5 * 20 * rule.budget.count

    one, clock = np.array([0]), np.array([count * S])
    bar = float(made.bars(one, clock)[0])
    later = step(made, none[:2], clock + np.array([0, 1]) * S, np.array([0.1, 3 * bar]))  # the first ends an open alert
    assert [fact.ratio for fact in later if fact.kind is FactKind.OPENED] == [pytest.approx(3 * bar)]


def test_a_budget_that_is_not_used_holds_nothing_back() -> None:
    """A quiet stream: an anomaly at the limit in each period opens, as without a budget."""
    count, ratio = 20_000, np.full(20_000, 0.5)
    ratio[500::1000] = 1.01
    made = alerter({"open_count": 1, "open_of": 1, "budget": "1 per 1000s"})
    facts = step(made, np.zeros(count, np.int64), np.arange(count) * S, ratio)
    assert sum(fact.kind is FactKind.OPENED for fact in facts) == 20


def test_the_bar_of_a_budget_changes_at_run_time_without_losing_state() -> None:
    """A stream that wants an alert every 10 s keeps 1 in 1000 s, then 8 in 1000 s from the same state."""
    rng = np.random.default_rng(1)
    count, rule = 20_000, {"open_count": 1, "open_of": 1, "resolve_after": 1}
    ratio, end, none = rng.exponential(0.5, 2 * count), np.arange(2 * count) * S, np.zeros(2 * count, np.int64)
    tight, wide = alerter(rule | {"budget": "1 per 1000s"}), alerter(rule | {"budget": "8 per 1000s"})
    before = step(tight, none[:count], end[:count], ratio[:count])
    wide.columns.load(np.arange(3), tight.columns.dump(np.arange(3)))
    after = step(wide, none[count:], end[count:], ratio[count:])
    first, second = ([fact for fact in facts if fact.kind is FactKind.OPENED] for facts in (before, after))
    assert 10 <= len(first) <= 30
    assert 80 <= len(second) <= 240
