"""What people and clocks did to an alert of the live run, carried out once more on the same alert of a replay.

Its place is behind the facts that came before it in the record, whatever its own times are: a shelf ends by the wall
clock, and a verdict may be given long after the readings that it is about.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from uuid import UUID, uuid5

from monitor.alerts.states import settled
from monitor.alerts.timers import CALM, OVER, Timer, waiting
from monitor.records.alerts import Alert, AlertState, Command, Severity, TimerKind


class Elapsed(NamedTuple):
    """A timer that was carried out in the live run: what was due when (event time, ns), and its note."""

    kind: TimerKind
    at: int
    note: str = ""


class Step(NamedTuple):
    """One of them, and the newest fact that came before it: the event time of its transition, ns."""

    behind: int
    cause: Command | Elapsed


def command_id(alert: UUID, command: UUID) -> UUID:
    """The id of a command of the live run about an alert of a replay, the same however often that is read."""
    return uuid5(alert, command.hex)


def given_again(alert: Alert, command: Command) -> Command:
    """A command of the live run as it is given to the alert of a replay."""
    return replace(command, id=command_id(alert.id, command.id), alert=alert.id, repeated=True)


def elapsed_again(alert: Alert, elapsed: Elapsed) -> Timer | None:
    """The change that a timer of the live run makes to the alert of a replay; None where that does not wait for it."""
    is_open = alert.state is AlertState.OPEN
    if elapsed.kind is TimerKind.ESCALATED:
        after = replace(alert, severity=Severity.CRITICAL) if is_open and alert.severity is Severity.WARNING else None
    elif elapsed.kind is TimerKind.REMINDED:
        after = alert if is_open else None
    elif elapsed.note == CALM:
        after = None if alert.flapping_until is None else replace(alert, flapping_until=None)
    else:
        shelved = elapsed.note == OVER and alert.state is AlertState.SHELVED
        after = replace(alert, shelved_until=None, shelved_by="") if shelved else None
    if after is None:
        return None
    return Timer(elapsed.kind, elapsed.at, waiting(settled(after), elapsed.at), elapsed.note)
