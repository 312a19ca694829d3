"""When the next alert may open: refractory period, rising bar, budget; in windows or event time; saved and read on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.config.families import Alerts, Family
from monitor.errors import SettingsError
from monitor.pipeline.alerting.anomaly_alerts import EARLIER, Alerter, Changes
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.records.alerts import FactKind
from monitor.records.batches import NEVER, Windows
from monitor.records.streams import StreamIndex

S = 10**9
MINUTE, DAY = 60 * S, 86_400 * S


def alerter(**rule: Any) -> Alerter:
    """Of one stream; every anomaly may open an alert, every other window clears it."""
    index = StreamIndex()
    index.intern(["m-1"])
    settings = {"open_count": 1, "open_of": 1, "resolve_after": 1, "resolve_below": 1.0} | rule
    made = Alerter("live", "machines", index, Alerts.model_validate(settings))
    made.columns.grow(1)
    return made


def feed(made: Alerter, end: list[int], ratio: list[float]) -> list[int]:
    """One window after the other; the times (s) at which an alert opened."""
    changes, none = Changes(), np.zeros(len(end), np.int32)
    time, empty = np.array(end, np.int64) * S, np.zeros((len(end), 1, 1), np.float32)
    windows = Windows(none, time - S, time, empty, none.astype(np.float32))
    made.step(windows, np.array(ratio, np.float32), np.arange(len(end)), changes)
    assert all(opening.bar <= ratio[opening.row] for opening in changes.opened)
    return [fact.at // S for fact in changes.facts if fact.kind is FactKind.OPENED]


def spikes(at: list[int], high: float, until: int) -> tuple[list[int], list[float]]:
    """A window each second, anomalous at these."""
    time = list(range(until))
    return time, [high if second in at else 0.5 for second in time]


def test_no_alert_opens_within_so_many_windows_of_the_last_opening() -> None:
    assert feed(alerter(quiet_after=4), *spikes([10, 12, 14, 15, 19, 20], 1.5, 30)) == [10, 15, 20]


def test_the_refractory_period_may_be_event_time() -> None:
    """Windows are missing: by time they do not count, by windows they do."""
    time, ratio = [0, 2, 100, 102, 104, 200], [1.5, 0.5, 1.5, 0.5, 1.5, 1.5]
    assert feed(alerter(quiet_after="90s"), time, ratio) == [0, 100, 200]
    assert feed(alerter(quiet_after=3), time, ratio) == [0, 104]


def test_each_opening_raises_the_bar_by_rise_and_it_is_forgotten_with_the_memory() -> None:
    made = alerter(rise=0.5, memory=10)
    assert feed(made, [0, 1, 2], [1.4, 0.5, 1.4]) == [0]  # bar 1.41
    assert feed(made, [3, 4], [0.5, 1.4]) == [4]  # 1 + 0.5 exp(-4 / 10) = 1.34
    assert made.columns["spent"][0] == pytest.approx(1 + np.exp(-0.4))
    assert feed(made, [5, 6, 7], [0.5, 1.68, 1.63]) == [7]  # 1 + 0.5 · 1.67 exp(-2 / 10) = 1.684, a window later 1.619


def test_the_memory_may_be_event_time() -> None:
    made = alerter(rise=1.0, memory="100s")
    assert feed(made, [0, 50, 100, 101], [1.2, 0.5, 1.3, 1.4]) == [0, 101]  # bar at 100: 1 + e^-1 = 1.368
    assert made.columns["spent"][0] == pytest.approx(1 + np.exp(-1.01))


def test_a_budget_doubles_the_bar_when_it_is_used_up_and_halves_it_in_each_period() -> None:
    made = alerter(budget="2 per 1000s")
    assert feed(made, [0, 1, 2, 3], [1.2, 0.5, 1.3, 1.42]) == [0, 3]  # 2^(1/2) = 1.414
    assert feed(made, [4, 503, 504, 1003, 1004], [0.5, 1.40, 0.5, 0.5, 1.01]) == [1004]  # 2 at 4 s, 1.414 at 503 s


def test_an_opening_far_beyond_the_bar_is_never_held_back_by_a_budget() -> None:
    made = alerter(budget="1 per month")
    assert feed(made, *spikes([10, 20, 30], 1e6, 40)) == [10, 20, 30]


def test_another_budget_applies_at_once_to_what_was_spent() -> None:
    """Three openings: with 1 per day the bar is 8, with 3 per day it is 2, without a budget 1."""
    for after, opens in (("1 per day", []), ("3 per day", [8]), ("none", [8])):
        made, other = alerter(budget="1 per day"), alerter(budget=after)
        assert feed(made, [0, 1, 2, 3, 4, 5], [1.5, 0.5, 2.5, 0.5, 4.5, 0.5]) == [0, 2, 4]
        one = np.array([0])
        other.columns.load(one, made.columns.dump(one))
        assert feed(other, [8, 9], [2.5, 0.5]) == opens


def test_the_bar_of_streams_is_known_at_any_time() -> None:
    made = alerter(budget="1 per day")
    feed(made, [0, 1], [1.5, 0.5])
    one = np.array([0])
    assert made.bars(one, np.array([0])).tolist() == [2.0]
    assert made.bars(one, np.array([DAY // 2])).tolist() == [pytest.approx(2**0.5)]
    assert made.bars(one, np.array([3 * DAY])).tolist() == [1.0]
    assert alerter().bars(one, np.array([0])).tolist() == [1.0]


def test_states_without_a_policy_are_read_on() -> None:
    """An open alert of the version before goes on, and its stream begins with nothing spent."""
    for layout in EARLIER[:2]:
        made, saved = alerter(quiet_after=5, rise=1.0), np.zeros(1, layout)
        saved["opened"], saved["started"], saved["last"], saved["peak"], saved["windows"] = 5 * S, 4 * S, 5 * S, 1.5, 1
        made.columns.load(np.array([0]), saved)
        assert feed(made, [6, 7], [0.5, 1.5]) == [7]
        assert made.columns["spent"][0] == 1


def test_closing_an_alert_forgets_nothing_of_what_was_spent() -> None:
    made, facts = alerter(quiet_after="10s"), HealthFacts("live", "machines", "retired")
    feed(made, [0], [1.5])
    made.close(0, 1 * S, facts)
    assert [(fact.kind, fact.at) for fact in facts.facts] == [(FactKind.CLEARED, S)]
    assert feed(made, [2, 12], [1.5, 1.5]) == [12]


def test_streams_without_a_policy_count_no_windows() -> None:
    made = alerter()
    feed(made, *spikes([3], 1.5, 10))
    assert (made.columns["judged"][0], made.columns["opening"][0]) == (0, NEVER)


def family(**alerts: Any) -> Family:
    made = {"topic": "t", "interval": "10s", "window": {"length": 8}, "recipe": "default", "alerts": alerts}
    return Family.model_validate(made)


def test_a_budget_takes_the_place_of_what_the_recipe_has() -> None:
    rule = family(budget="1 per week").alert_rule
    assert (str(rule.budget), rule.rise, str(rule.quiet_after)) == ("1 per 7d", 0.0, "80")
    assert family().alert_rule.rise == 0.1
    assert family(rise=0.5).alert_rule.rise == 0.5


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"budget": "often"}, "no alert budget; write e.g."),
        ({"budget": "0 per day"}, "the number of alerts is 1 to"),
        ({"budget": "1 per fortnight"}, "no alert budget"),
        ({"budget": 3}, "no alert budget"),
        ({"budget": "1 per day", "rise": 0.1}, "budget takes the place of rise and memory"),
        ({"memory": 0}, "longer than nothing"),
        ({"quiet_after": "soon"}, "is not a duration"),
        ({"rise": -1}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, SettingsError), match=said):
        Alerts.model_validate(given)
