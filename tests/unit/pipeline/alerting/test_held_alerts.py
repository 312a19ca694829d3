"""Alerts that are held open while the level of their stream has not come back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.families import Alerts
from monitor.pipeline.alerting.anomaly_alerts import Alerter, Changes
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.alerting.held_alerts import OUTGROWN, SUPERSEDED, Holding
from monitor.records.alerts import Fact, FactKind
from monitor.records.batches import NEVER, Float32, Int64, Windows
from monitor.records.streams import StreamIndex

S = 10**9
RULE = {"open_count": 1, "open_of": 1, "resolve_after": 2, "resolve_below": 0.9}
OPENED, CONTINUED, CLEARED = FactKind.OPENED, FactKind.CONTINUED, FactKind.CLEARED


class Scripted:
    """A level that is as far away at each second as it is said."""

    def __init__(self, away: Sequence[float]) -> None:
        self._away = away
        self.learned: list[int] = []  # seconds
        self.elsewhere = True

    def follow(self, windows: Windows, rows: Int64) -> None:
        self.learned += (windows.end[rows] // S).tolist()

    def away(self, windows: Windows, row: int) -> float:
        return self._away[int(windows.end[row] // S)]

    def learn(self, windows: Windows, row: int) -> None:
        self.learned.append(int(windows.end[row] // S))

    def moved(self, windows: Windows, row: int) -> bool:
        return self.elsewhere

    def hold(self, code: int, time: int) -> tuple[int, float, float]:
        return 1, 71.25, 43.0

    def accept(self, code: int) -> Float32:
        return np.zeros((24, 2), np.float32)


def alerter(away: Sequence[float] | None, **rule: object) -> tuple[Alerter, Scripted]:
    index, levels = StreamIndex(), Scripted(away or [])
    index.intern(["m-1"])
    holding = None if away is None else Holding(levels, ("speed", "temperature"))
    made = Alerter("live", "machines", index, Alerts.model_validate(RULE | rule), holding)
    made.columns.grow(1)
    return made, levels


def feed(made: Alerter, ratio: Sequence[float], begin: int = 0) -> list[Fact]:
    changes, end = Changes(), np.arange(begin, begin + len(ratio)) * S
    none, empty = np.zeros(len(ratio), np.int32), np.zeros((len(ratio), 1, 2), np.float32)
    windows = Windows(none, end - S, end, empty, none.astype(np.float32))
    made.step(windows, np.array(ratio, np.float32), np.arange(len(ratio)), changes)
    return made.facts(changes)


def life(facts: list[Fact]) -> list[tuple[int, FactKind]]:
    return [(fact.at // S, fact.kind) for fact in facts]


def test_an_alert_whose_score_is_calm_is_held_until_the_level_is_back() -> None:
    """It says so once, when it would have resolved, and the level is back only well below where it was away."""
    made, levels = alerter([0, 0, 3, 3, 3, 3, 0.9, 0.6, 0.4, 0])
    facts = feed(made, [0.5, 0.5, 1.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert life(facts) == [(2, OPENED), (2, CONTINUED), (8, CLEARED)]
    said = "the level of temperature has not come back: 71.25 at 1970-01-01T00:00:04Z, where 43 was usual"
    assert [fact.cause for fact in facts] == ["", said, said]
    assert levels.learned == [0, 1, 8, 9]


def test_a_score_that_is_calm_at_the_usual_level_resolves_the_alert_as_before() -> None:
    made, _ = alerter([0, 3, 3, 0.9, 0, 0])
    assert life(feed(made, [0.5, 1.5, 0.5, 0.5, 0.5, 0.5])) == [(1, OPENED), (3, CLEARED)]


def test_an_anomaly_of_a_stream_that_is_held_opens_the_next_alert() -> None:
    made, _ = alerter([0, 3, 3, 3, 3, 3, 3, 3, 0, 0])
    facts = feed(made, [0.5, 1.5, 0.5, 0.5, 0.5, 2.5, 0.5, 0.5, 0.5, 0.5])
    assert life(facts) == [(1, OPENED), (1, CONTINUED), (5, CLEARED), (5, OPENED), (5, CONTINUED), (8, CLEARED)]
    assert [fact.reason for fact in facts] == ["", "", SUPERSEDED, "", "", ""]
    assert facts[2].alert == facts[0].alert != facts[3].alert == facts[5].alert


def test_an_anomaly_at_the_level_that_is_held_opens_no_other_alert() -> None:
    made, levels = alerter([0, 3, 3, 3, 3, 3, 3, 3, 0, 0])
    levels.elsewhere = False
    facts = feed(made, [0.5, 1.5, 0.5, 0.5, 0.5, 2.5, 0.5, 0.5, 0.5, 0.5])
    assert [(at, kind) for at, kind in life(facts) if kind is not CONTINUED] == [
        (1, OPENED), (5, FactKind.WORSENED), (8, CLEARED),
    ]  # fmt: skip


def test_an_anomaly_in_the_refractory_period_belongs_to_the_alert_that_is_held() -> None:
    made, _ = alerter([0, 3, 3, 3, 3, 3, 3, 0, 0], quiet_after=6)
    facts = feed(made, [0.5, 1.5, 0.5, 0.5, 0.5, 1.75, 0.5, 0.5, 0.5])
    assert life(facts) == [(1, OPENED), (1, CONTINUED), (7, CLEARED)]
    assert (facts[-1].windows, facts[-1].last_at, facts[-1].peak_ratio) == (2, 5 * S, 1.75)


def test_an_alert_gives_way_to_the_next_one_where_its_anomaly_has_grown_by_a_third() -> None:
    """Not within the refractory period, nor for a peak within it: what counts is how large the anomaly still is."""
    made, _ = alerter([0] * 10, quiet_after=3, critical=9.0)
    facts = feed(made, [0.5, 1.5, 2.5, 2.5, 1.9, 1.9, 2.1, 2.1, 0.5, 0.5])[:3]
    assert life(facts) == [(1, OPENED), (6, CLEARED), (6, OPENED)]
    assert facts[1].reason == OUTGROWN
    assert facts[0].alert == facts[1].alert != facts[2].alert


def test_an_anomaly_that_stays_as_large_is_one_alert() -> None:
    made, _ = alerter([0] * 12, quiet_after=3)
    assert life(feed(made, [0.5, 1.5, *[1.9] * 8, 0.5, 0.5])) == [(1, OPENED), (11, CLEARED)]


def test_an_alert_of_a_state_that_does_not_say_how_it_began_gives_way_to_none() -> None:
    made, _ = alerter([0] * 12, quiet_after=3)
    feed(made, [0.5, 1.5])
    old = made.columns.dump(np.array([0]))
    kept = [name for name in old.dtype.names or () if name != "began"]
    made.columns.load(np.array([0]), old[kept])
    assert OPENED not in [fact.kind for fact in feed(made, [3.0] * 8, begin=2)]


def test_windows_without_a_verdict_teach_nothing_and_end_nothing() -> None:
    made, levels = alerter([0, 3, 3, 3, 0, 0, 0])
    facts = feed(made, [0.5, 1.5, 0.5, 0.5, np.nan, np.nan, 0.5])
    assert life(facts) == [(1, OPENED), (1, CONTINUED), (6, CLEARED)]
    assert levels.learned == [0, 6]


def test_an_alert_that_is_held_is_closed_with_its_stream() -> None:
    made, _ = alerter([0, 3, 3, 3])
    feed(made, [0.5, 1.5, 0.5, 0.5])
    facts = HealthFacts("live", "machines", "retired")
    made.close(0, 9 * S, facts)
    assert [(fact.kind, fact.at, fact.reason) for fact in facts.facts] == [(CLEARED, 9 * S, "retired")]
    assert (made.columns["held"][0], made.columns["opened"][0]) == (NEVER, NEVER)


@settings(max_examples=150, deadline=None)
@given(
    ratio=st.lists(st.sampled_from([0.3, 0.95, 1.2, 2.5, 6.0]), min_size=1, max_size=60),
    away=st.lists(st.sampled_from([0.0, 0.7, 2.0]), min_size=60, max_size=60),
    rule=st.sampled_from([{}, {"quiet_after": 5}, {"rise": 0.5}, {"open_count": 2, "open_of": 3}]),
    cut=st.integers(0, 60),
)
def test_holding_changes_no_opening_and_no_cut_changes_a_fact(
    ratio: list[float], away: list[float], rule: dict[str, object], cut: int
) -> None:
    plain, held, parts = alerter(None, **rule)[0], alerter(away, **rule)[0], alerter(away, **rule)[0]
    whole = feed(held, ratio)
    opened = [fact.at for fact in whole if fact.kind is OPENED]
    if "quiet_after" not in rule:
        assert opened == [fact.at for fact in feed(plain, ratio) if fact.kind is OPENED]
    cut_facts = feed(parts, ratio[:cut]) + feed(parts, ratio[cut:], min(cut, len(ratio)))
    changes = [fact for fact in whole if fact.kind is not CONTINUED]
    assert changes == [fact for fact in cut_facts if fact.kind is not CONTINUED]
    ended = [fact.at for fact in whole if fact.kind is CLEARED]
    assert all(end >= begin for begin, end in zip(opened, ended, strict=False))
