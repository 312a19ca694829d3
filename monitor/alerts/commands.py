"""What commands of people do to an alert, and why one cannot be carried out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from monitor.alerts.accepting import ANOMALY
from monitor.alerts.states import DAY, LONGEST_SHELF
from monitor.records.alerts import Alert, AlertState, Command, CommandKind
from monitor.records.scalars import LIVE

ENDS = frozenset({CommandKind.CLOSE, CommandKind.EXPECT})  # the alert is resolved by it
_ALWAYS = frozenset({CommandKind.NOTE, CommandKind.VERDICT, CommandKind.ACKNOWLEDGE, CommandKind.UNSHELVE})


def effective(command: Command, alert: Alert) -> int:
    """Event time at which a command counts: behind every fact that is merged already, before every later one."""
    if command.effective is not None:
        return command.effective
    return max(alert.opened_at, alert.last_at, alert.resolved_at or alert.last_at)


def carried_out(alert: Alert, command: Command) -> Alert:
    """The row after a command that is not refused and whose effective time is known; its state is not settled yet."""
    seen: dict[str, Any] = {"acknowledged_at": command.at, "acknowledged_by": command.by}
    over = {"resolved_at": effective(command, alert), **(seen if alert.acknowledged_at is None else {})}
    changes: dict[CommandKind, dict[str, Any]] = {
        CommandKind.ACKNOWLEDGE: seen,
        CommandKind.UNACKNOWLEDGE: {"acknowledged_at": None, "acknowledged_by": ""},
        CommandKind.CLOSE: over,
        CommandKind.EXPECT: over,
        CommandKind.SHELVE: {"shelved_until": shelved_until(command, alert), "shelved_by": command.by},
        CommandKind.UNSHELVE: {"shelved_until": None, "shelved_by": ""},
        CommandKind.OUT_OF_SERVICE: {"out_of_service": command.at},
        CommandKind.IN_SERVICE: {"out_of_service": None},
        CommandKind.VERDICT: {"verdict": command.verdict},
    }
    return replace(alert, note=command.note or alert.note, **changes.get(command.kind, {}))


def shelved_until(command: Command, alert: Alert) -> int:
    """When a shelving ends, event time, ns.

    The event time of the live run is the wall clock, of a stream that is behind as of one that is ahead.
    """
    at, of_live = effective(command, alert), alert.run == LIVE or command.repeated
    return max(at, command.at if of_live else at) + (command.span or LONGEST_SHELF)


def refusal(alert: Alert, command: Command) -> str:
    """Why a command cannot be carried out; "" = it can."""
    if alert.state is AlertState.RESOLVED and command.kind not in _ALWAYS:
        return "the alert is resolved already"
    acknowledged = alert.acknowledged_at is not None
    seen_by = f"the alert is acknowledged already, by {alert.acknowledged_by or 'a person, with SQL'}"
    problems = {
        CommandKind.NOTE: "" if command.note.strip() else "the note is empty",
        CommandKind.EXPECT: _unexpectable(alert, command),
        CommandKind.ACKNOWLEDGE: seen_by if acknowledged else "",
        CommandKind.UNACKNOWLEDGE: "" if acknowledged else "the alert is not acknowledged",
        CommandKind.SHELVE: _unshelvable(command),
        CommandKind.UNSHELVE: "the alert is not shelved" if alert.shelved_until is None else "",
        CommandKind.OUT_OF_SERVICE: "" if alert.out_of_service is None else "its stream is out of service already",
        CommandKind.IN_SERVICE: "its stream is in service" if alert.out_of_service is None else "",
        CommandKind.VERDICT: _unjudged(alert, command),
    }
    return problems.get(command.kind, "")


def _unshelvable(command: Command) -> str:
    """Why an alert cannot be shelved for so long; "" = it can."""
    if command.span is not None and command.span <= 0:
        return "that time is over at once; give a longer one"
    fits = command.span is None or command.span <= LONGEST_SHELF
    return "" if fits else f"an alert is shelved for {LONGEST_SHELF // DAY} days at most"


def _unexpectable(alert: Alert, command: Command) -> str:
    """Why the level that an alert is about cannot become the new normal; "" = it can."""
    if alert.kind != ANOMALY:
        return f"it is about the stream itself ({alert.kind}); only the level of an anomaly can be expected"
    of_live = alert.run == LIVE or command.repeated
    return "" if of_live else f"it belongs to run {alert.run}; only a live stream learns what is expected"


def _unjudged(alert: Alert, command: Command) -> str:
    """Why a verdict says nothing; "" = it does."""
    if command.verdict is None:
        return "the verdict is missing"
    start = alert.started_at if command.start is None else command.start
    return "the range ends before it begins" if command.end is not None and command.end < start else ""
