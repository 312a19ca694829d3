"""Every state of an alert with everything that can happen to it: the state after it, or that it is refused.

`-` is refused, `=` adds no transition. A `*` behind a state: the change is not announced.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from monitor.alerts.lifecycle import Terms, merge
from monitor.alerts.states import REASONS, settled
from monitor.alerts.timers import Clock
from monitor.records.alerts import Alert, AlertState, CommandKind, Fact, FactKind, TimerRules, Verdict
from tests.store_rows import alert, command, fact, resolved

HOUR = 3600 * 10**9
OPENED = alert(opened_at=1000)
ACKED = replace(OPENED, acknowledged_at=7, acknowledged_by="bob")
SHELF: dict[str, Any] = {"shelved_until": HOUR, "shelved_by": "bob"}
OUT: dict[str, Any] = {"out_of_service": 5}

STATES: dict[str, Alert] = {
    "open": OPENED,
    "acknowledged": ACKED,
    "flapping": replace(OPENED, flapping_until=HOUR),
    "shelved": replace(OPENED, **SHELF),
    "shelved, seen": replace(ACKED, **SHELF),
    "out": replace(OPENED, **OUT),
    "out, shelved, seen": replace(ACKED, **SHELF, **OUT),
    "resolved": resolved(OPENED),
    "resolved, seen": resolved(ACKED),
    "resolved on the shelf": replace(resolved(OPENED), **SHELF),
}
# In the order of STATES: o open, a acknowledged, s shelved, x out of service, r resolved
TABLE = {
    "opened":         "=  =  =  =  =  =  =  =  =  =",
    "continued":      "=  =  =  =  =  =  =  =  =  =",
    "worsened":       "o  a  o* s* s* x* x* r  r  r*",
    "cleared":        "r  r  r* r* r* r* r* =  =  =",
    "acknowledge":    "a  -  a* s* -  x* -  r  -  r*",
    "unacknowledge":  "-  o  -  -  s* -  x* -  -  -",
    "note":           "o  a  o* s* s* x* x* r  r  r*",
    "close":          "r  r  r* r* r* r* r* -  -  -",
    "expect":         "r  r  r* r* r* r* r* -  -  -",
    "shelve":         "s  s  s* s* s* x* x* -  -  -",
    "unshelve":       "-  -  -  o  a  -  x* -  -  r",
    "out-of-service": "x  x  x* x* x* -  -  -  -  -",
    "in-service":     "-  -  -  -  -  o  s* -  -  -",
    "verdict":        "o  a  o* s* s* x* x* r  r  r*",
    "time":           "=  =  o  o  a  =  =  =  =  =",
}  # fmt: skip
LETTERS = {"open": "o", "acknowledged": "a", "shelved": "s", "out-of-service": "x", "resolved": "r"}
CASES = [
    (state, cause, expected)
    for cause, row in TABLE.items()
    for state, expected in zip(STATES, row.split(), strict=True)
]


def happened(row: Alert, cause: str) -> str:
    """What a cause does to a row, as the table says it; the opening of the alert is stored."""
    recorded = {fact(OPENED).id: 0}
    facts: list[Fact] = []
    commands, clock = [], None
    if cause == "time":
        clock = Clock(2 * HOUR, 2 * HOUR)
    elif cause in set(FactKind):
        facts = [fact(row, FactKind(cause), 1000 if cause == "opened" else 1500)]
    else:
        said = command(OPENED, CommandKind(cause), 9, "why")
        commands = [replace(said, verdict=Verdict.TRUE, span=HOUR, effective=1500)]
    merged = merge(row, facts, commands, recorded, clock=clock)
    if merged.commands and merged.commands[0].refused:
        assert (merged.changes, merged.alert) == ([], row)
        return "-"
    assert settled(merged.alert) == merged.alert
    if not merged.changes:
        return "="
    ((change, after),) = merged.changes
    assert (change.number, change.state, after) == (1, merged.alert.state, merged.alert)
    assert change.withheld in {"", *REASONS}
    return LETTERS[change.state] + ("*" if change.withheld else "")


@pytest.mark.parametrize(("state", "cause", "expected"), CASES)
def test_what_happens(state: str, cause: str, expected: str) -> None:
    assert happened(settled(STATES[state]), cause) == expected


def test_the_table_has_every_cause() -> None:
    assert {*map(str, FactKind), *map(str, CommandKind), "time"} == TABLE.keys()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("rules", [TimerRules(), TimerRules(HOUR, HOUR // 2)])
def test_only_an_open_alert_has_timers_of_waiting(state: str, rules: TimerRules) -> None:
    """Whatever was merged: nothing escalates or is repeated that a person knows of, or that is not announced."""
    row = settled(replace(STATES[state], escalate_after=rules.escalate_after, repeat_every=rules.repeat_every))
    merged = merge(row, [fact(row, FactKind.CONTINUED, 1500)])
    waits = state == "open" and rules.repeat_every > 0
    assert (merged.alert.repeat_at is not None, merged.alert.escalate_at is not None) == (waits, waits)


def test_an_alert_opens_under_the_terms_of_its_stream() -> None:
    for terms, state, why in (
        (Terms(), "open", ""),
        (Terms(shelved_until=5 * HOUR, shelved_by="ann"), "shelved", "shelved"),
        (Terms(out_of_service=5), "out-of-service", "out of service"),
        (Terms(shelved_until=5 * HOUR, out_of_service=5), "out-of-service", "out of service"),
    ):
        ((change, row),) = merge(None, [fact(OPENED)], terms=terms).changes
        assert (str(row.state), change.withheld) == (state, why)


def test_a_state_that_was_set_with_sql_alone_is_kept() -> None:
    for state in AlertState:
        by_hand = replace(OPENED, state=state)
        assert merge(by_hand, [fact(OPENED, FactKind.CONTINUED, 1500)]).alert.state is state


def test_an_unknown_alert_has_no_commands() -> None:
    with pytest.raises(ValueError, match="of which nothing is known"):
        merge(None, commands=[replace(command(OPENED), id=UUID(int=3))])
