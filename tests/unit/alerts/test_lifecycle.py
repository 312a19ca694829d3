"""Facts and commands merged into a row, without a store."""

from __future__ import annotations

import itertools
from dataclasses import replace
from uuid import UUID

import pytest

from monitor.alerts.lifecycle import merge, merge_facts
from monitor.records.alerts import AlertState, CommandKind, FactKind, Severity
from tests.store_rows import alert, cleared, command, fact, resolved

OPENED = alert()
WORSE = replace(OPENED, severity=Severity.CRITICAL, last_at=120, peak_ratio=2.5, peak_at=120, windows=3)
LIFE = [fact(OPENED), fact(WORSE, FactKind.WORSENED, 120, 2.5), cleared(WORSE)]


@pytest.mark.parametrize("order", list(itertools.permutations(LIFE)))
def test_rows_do_not_depend_on_the_order_of_arrival(order: tuple[object, ...]) -> None:
    row, recorded = None, dict[UUID, int]()
    for each in order:
        merged = merge(row, [each], recorded=recorded)  # type: ignore[list-item]
        row = merged.alert
        recorded |= {transition.id: transition.number for transition, _ in merged.changes}
    assert row == merge(None, LIFE).alert == replace(resolved(WORSE), peak_at=120)
    assert sorted(recorded.values()) == [0, 1, 2]


def test_of_equal_peaks_the_first_one_stays() -> None:
    later = fact(replace(OPENED, last_at=200, peak_at=200), FactKind.CONTINUED, 200)
    assert merge(OPENED, [later]).alert.peak_at == OPENED.peak_at


def test_a_command_counts_behind_the_facts_of_its_moment_and_before_later_ones() -> None:
    """So a replay, which meets all of them at once, gives what the live run gave one after the other."""
    ack = replace(command(OPENED), effective=120)
    once = merge(None, LIFE, [ack])

    first = merge(None, LIFE[:2])
    numbers = {transition.id: transition.number for transition, _ in first.changes}
    second = merge(first.alert, commands=[replace(ack, effective=None)], recorded=numbers)
    third = merge(second.alert, LIFE[2:], recorded=numbers | {ack.id: 2})

    assert once.changes[2][0].cause is CommandKind.ACKNOWLEDGE
    assert [str(c) for c in once.changes] == [str(c) for c in first.changes + second.changes + third.changes]  # NaN
    assert second.commands[0].command.effective == 120
    assert third.alert == once.alert


def test_a_command_about_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="of which nothing is known"):
        merge(None, commands=[command(OPENED)])
    with pytest.raises(ValueError, match="neither"):
        merge(None)


def test_an_acknowledgement_without_a_time_is_kept_through_the_resolution() -> None:
    """A row that was set with SQL alone."""
    by_hand = replace(OPENED, state=AlertState.ACKNOWLEDGED)
    assert merge(by_hand, LIFE[2:]).alert.acknowledged_at == by_hand.last_at


def test_facts_of_many_alerts_are_merged_alert_by_alert() -> None:
    other = alert(stream="m-2")
    merged = merge_facts(
        [fact(OPENED), fact(other), cleared(OPENED)], {other.id: other}, {other.id: {fact(other).id: 0}}
    )
    assert [(each.alert.stream, len(each.changes)) for each in merged] == [("m-1", 2), ("m-2", 0)]


def test_the_newest_cause_wins_in_any_order() -> None:
    first = fact(replace(OPENED, cause="1 gap"))
    newer = fact(replace(OPENED, last_at=130, cause="2 gaps"), FactKind.CONTINUED, 130)
    for order in ((first, newer), (newer, first)):
        row = merge(None, order[:1]).alert
        assert merge(row, order[1:]).alert.cause == "2 gaps"
