"""The state of an alert, which follows from its columns, and what keeps its changes from being announced.

Of what holds at once, the state is the first of: resolved, out of service, shelved, acknowledged, open. So an alert
that comes back from a shelf is what it was before, and whether a resolved one was seen is in `acknowledged_at`.
"""

from __future__ import annotations

from dataclasses import replace

from monitor.records.alerts import Alert, AlertState

DAY = 24 * 3600 * 10**9
LONGEST_SHELF = 7 * DAY
SHELVED, OUT_OF_SERVICE, FLAPPING = "shelved", "out of service", "flapping"  # why nothing is announced
REASONS = frozenset({SHELVED, OUT_OF_SERVICE, FLAPPING})


def settled(alert: Alert) -> Alert:
    """The row with the state that its columns say."""
    if alert.resolved_at is not None:
        state = AlertState.RESOLVED
    elif alert.out_of_service is not None:
        state = AlertState.OUT_OF_SERVICE
    elif alert.shelved_until is not None:
        state = AlertState.SHELVED
    else:
        state = AlertState.OPEN if alert.acknowledged_at is None else AlertState.ACKNOWLEDGED
    return replace(alert, state=state)


def read(alert: Alert) -> Alert:
    """A stored row whose state was perhaps set with SQL alone: its columns say the same then, by whom is not known."""
    if alert.state is AlertState.ACKNOWLEDGED and alert.acknowledged_at is None:
        return replace(alert, acknowledged_at=alert.last_at)
    if alert.state is AlertState.SHELVED and alert.shelved_until is None:
        return replace(alert, shelved_until=alert.last_at + LONGEST_SHELF)
    if alert.state is AlertState.OUT_OF_SERVICE and alert.out_of_service is None:
        return replace(alert, out_of_service=alert.last_at)
    if alert.state is AlertState.RESOLVED and alert.resolved_at is None:
        return replace(alert, resolved_at=alert.last_at)
    return alert


def suppressed(alert: Alert) -> str:
    """Why changes of the alert are not announced; "" = they are. Stays as it was when the alert is resolved."""
    if alert.out_of_service is not None:
        return OUT_OF_SERVICE
    if alert.shelved_until is not None:
        return SHELVED
    return FLAPPING if alert.flapping_until is not None else ""
