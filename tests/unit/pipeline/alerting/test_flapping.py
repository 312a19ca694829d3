"""Alerts that come too soon, or too often: a minimum duration, and flapping; in event time, whatever the batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.families import Alerts
from monitor.pipeline.alerting.anomaly_alerts import Alerter, Changes
from monitor.records.alerts import Fact, FactKind
from monitor.records.batches import Windows
from monitor.records.streams import StreamIndex

S = 10**9
RULE = {"open_count": 1, "open_of": 1, "resolve_after": 1, "resolve_below": 1.0}


def alerter(**rule: Any) -> Alerter:
    index = StreamIndex()
    index.intern(["m-1"])
    made = Alerter("live", "machines", index, Alerts.model_validate(RULE | rule))
    made.columns.grow(1)
    return made


def feed(made: Alerter, ratio: list[float], begin: int = 0) -> list[Fact]:
    """A window each second, two seconds long."""
    changes, none = Changes(), np.zeros(len(ratio), np.int32)
    time, empty = np.arange(begin, begin + len(ratio)) * S, np.zeros((len(ratio), 1, 1), np.float32)
    windows = Windows(none, time - 2 * S, time, empty, none.astype(np.float32))
    made.step(windows, np.array(ratio, np.float32), np.arange(len(ratio)), changes)
    return changes.facts


def opened(facts: list[Fact]) -> list[int]:
    return [fact.at // S for fact in facts if fact.kind is FactKind.OPENED]


def at(*seconds: int, until: int) -> list[float]:
    return [1.5 if second in seconds else 0.5 for second in range(until)]


def test_anomalies_must_last_before_an_alert_opens() -> None:
    ratio = at(3, 10, 11, 12, 20, 21, 22, 23, until=30)
    facts = feed(alerter(min_duration="3s"), ratio)
    assert opened(facts) == [23]
    assert [(fact.started_at // S, fact.windows) for fact in facts if fact.kind is FactKind.OPENED] == [(18, 1)]
    assert opened(feed(alerter(min_duration="2s"), ratio)) == [12, 22]
    assert opened(feed(alerter(), ratio)) == [3, 10, 20]


def test_the_duration_goes_on_over_windows_that_m_of_n_bridges() -> None:
    ratio = at(3, 5, 7, 20, 22, until=30)
    assert opened(feed(alerter(open_count=2, open_of=3, min_duration="4s"), ratio)) == [7]


def test_too_many_alerts_are_said_once_until_it_is_calm() -> None:
    facts = feed(alerter(flapping="2 per 10s"), at(0, 4, 8, 12, 30, until=40))
    found = [(fact.at // S, fact.flapping_until, fact.reason != "") for fact in facts if fact.kind is FactKind.OPENED]
    assert found == [
        (0, None, False), (4, None, False), (8, 18 * S, True), (12, 22 * S, False), (30, None, False),
    ]  # fmt: skip


def test_a_flapping_that_goes_on_is_said_once() -> None:
    facts = feed(alerter(flapping="2 per 10s"), at(*range(0, 60, 9), until=60))
    assert not any(fact.flapping_until for fact in facts)  # two in ten seconds are allowed
    facts = feed(alerter(flapping="1 per 10s"), at(*range(0, 60, 9), until=60))
    assert [fact.reason != "" for fact in facts if fact.kind is FactKind.OPENED] == [False, True, *[False] * 5]


@given(
    ratio=st.lists(st.sampled_from([0.5, 1.5]), min_size=1, max_size=60),
    cut=st.integers(0, 60),
    rule=st.fixed_dictionaries(
        {"flapping": st.sampled_from(["1 per 5s", "3 per 20s"]), "min_duration": st.sampled_from(["none", "1s", "3s"])}
    ),
)
def test_a_restart_and_any_cut_change_nothing(ratio: list[float], cut: int, rule: dict[str, str]) -> None:
    whole = feed(alerter(**rule), ratio)
    first, second = alerter(**rule), alerter(**rule)
    facts, one = feed(first, ratio[:cut]), np.array([0])
    for before, after in ((first.columns, second.columns), (_flaps(first), _flaps(second))):
        before.grow(1)
        after.grow(1)
        after.load(one, before.dump(one))
    assert facts + feed(second, ratio[cut:], cut) == whole


def _flaps(of: Alerter) -> Any:
    assert of.flapping is not None
    return of.flapping.columns


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="32 alerts in a period at most"):
        Alerts.model_validate({"flapping": "33 per hour"})
    with pytest.raises(ValueError, match="once a minute at most"):
        Alerts.model_validate({"repeat": "10s"})
    assert Alerts.model_validate({"repeat": "none", "escalate_after": "0"}).timers == (0, 0)
