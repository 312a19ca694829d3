"""Alerts of kind `change`: one for each movement of a level, and the next one while it goes on."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.health.changes import LASTS, ChangeAlerts
from monitor.records.alerts import Fact, FactKind
from monitor.records.batches import Windows
from monitor.records.shifts import Shifts
from monitor.records.streams import StreamIndex

S = 10**9


def alerts() -> ChangeAlerts:
    index = StreamIndex()
    index.intern(["m-1", "m-2"])
    made = ChangeAlerts(("flow", "pressure"), index, watches=True)
    made.columns.grow(2)
    return made


def take(made: ChangeAlerts, ratio: list[float], *, code: int = 0, start: int = 0) -> list[tuple[str, int]]:
    """What is said, and at which window, counted from 0; the second channel has moved from 1.5 to 2."""
    return [(fact.kind.value, fact.at // S) for fact in said(made, ratio, code=code, start=start)]


def said(made: ChangeAlerts, ratio: list[float], *, code: int = 0, start: int = 0) -> list[Fact]:
    count = len(ratio)
    one, end = np.ones(count, np.float32), (start + np.arange(count)) * S
    windows = Windows(np.full(count, code, np.int32), end, end, np.zeros((count, 1, 2), np.float32), 0 * one)
    facts = HealthFacts("live", "pumps")
    made.take(windows, Shifts(np.array(ratio, np.float32), np.ones(count, np.int32), 1.5 * one, 2 * one), facts)
    return facts.facts


def test_a_change_opens_at_once_and_clears_by_itself() -> None:
    assert take(alerts(), [0.5, 1.2, 0.4, *[np.nan] * 30]) == [("opened", 1), ("cleared", 1 + LASTS)]


def test_a_level_that_goes_on_moving_is_the_next_change() -> None:
    found = take(alerts(), [2.0] * (2 * LASTS + 3))

    assert found == [
        ("opened", 0), ("cleared", LASTS), ("opened", LASTS + 1), ("cleared", 2 * LASTS + 1), ("opened", 2 * LASTS + 2),
    ]  # fmt: skip


def test_it_says_which_channel_moved_from_where_to_where() -> None:
    opened, cleared = said(alerts(), [1.25] + [0.0] * LASTS)

    assert (opened.alert_kind, opened.channel, opened.stream) == ("change", "pressure", "m-1")
    assert opened.cause == cleared.cause == "pressure has moved from 1.5 to 2"
    assert (opened.ratio, opened.peak_ratio, cleared.alert) == (1.25, 1.25, opened.alert)


def test_streams_and_batches_are_apart() -> None:
    made = alerts()

    assert take(made, [2.0]) == [("opened", 0)]
    assert take(made, [0.0] * 50, code=1) == []
    assert take(made, [0.0] * LASTS, start=1) == [("cleared", LASTS)]


def test_one_that_is_closed_from_outside_is_over() -> None:
    made, facts = alerts(), HealthFacts("live", "pumps", "retired")
    take(made, [2.0])

    made.close(0, 5 * S, facts)
    made.close(1, 5 * S, facts)

    assert [(fact.kind, fact.at, fact.reason) for fact in facts.facts] == [(FactKind.CLEARED, 5 * S, "retired")]
    assert take(made, [0.0] * 50, start=6) == []


@pytest.mark.parametrize("watches", [True, False])
def test_recipes_without_change_points_keep_no_state_of_them(*, watches: bool) -> None:
    made = ChangeAlerts(("flow",), StreamIndex(), watches=watches)

    assert bool(made.sections) == watches
    if not watches:
        made.close(7, 0, HealthFacts("live", "pumps"))
