"""What the passing of time does to an alert: decided from its row and a clock, in event time.

- A shelved alert comes back when its time is over, and so does one whose stream has been calm after it flapped.
- An open warning that no person acknowledges becomes critical after `escalate_after`.
- An open alert is announced again every `repeat_every` until it is acknowledged; what was due while nothing ran, once.

The last two count from when the alert opened, or became open again. The id of a change is made from its kind and the
time at which it was due, so that it is the same in every process.

>>> from uuid import UUID
>>> numbers = dict(opened_at=20, started_at=10, last_at=20, peak_ratio=1.5, peak_at=20)
>>> alert = Alert(id=UUID(int=1), run="live", family="pumps", stream="p-1", **numbers, escalate_after=60, repeat_every=50)
>>> alert = waiting(alert, 20)
>>> due_at(alert)
70
>>> [(str(timer.kind), timer.at, str(timer.alert.severity)) for timer in elapsed(alert, Clock(200, 200))]
[('reminded', 70, 'warning'), ('escalated', 80, 'critical')]
"""  # noqa: E501 (a doctest's input is one line)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID, uuid5

from monitor.alerts.states import settled
from monitor.records.alerts import Alert, AlertState, Severity, TimerKind

CALM = "it has been calm: it flaps no more"
OVER = "its time on the shelf is over"


class Clock(NamedTuple):
    """Up to when time has passed, ns: event time of the alert's stream, and for shelves, which people set, the wall's.

    Where there is no wall clock, as in a replay, both are event time.
    """

    event: int
    wall: int


@dataclass(frozen=True, slots=True)
class Timer:
    """A change that was due at `at` (event time, ns), and the row after it."""

    kind: TimerKind
    at: int
    alert: Alert
    note: str = ""

    @property
    def id(self) -> UUID:
        """That of its transition."""
        return uuid5(self.alert.id, f"{self.kind}\x1f{self.at}")


def waiting(alert: Alert, at: int) -> Alert:
    """The row with the timers of an alert that waits for a person from `at` on (event time, ns); of others, none."""
    if alert.state is not AlertState.OPEN or alert.flapping_until is not None:
        return replace(alert, escalate_at=None, repeat_at=None)
    escalates = alert.escalate_after and alert.severity is Severity.WARNING
    if escalates and alert.escalate_at is None:
        alert = replace(alert, escalate_at=at + alert.escalate_after)
    elif not escalates and alert.escalate_at is not None:
        alert = replace(alert, escalate_at=None)
    repeats = alert.repeat_every and alert.repeat_at is None
    return replace(alert, repeat_at=at + alert.repeat_every) if repeats else alert


def due_at(alert: Alert) -> int | None:
    """When the next timer of an alert is due, event time, ns; None = it has none."""
    due = _due(alert)
    return min(due.values()) if due else None


def elapsed(alert: Alert, clock: Clock) -> Iterator[Timer]:
    """What is due by `clock`, in order of time."""
    while due := {kind: at for kind, at in _due(alert).items() if at <= _now(alert, kind, clock)}:
        kind = min(due, key=lambda kind: (due[kind], kind))
        timer = _fired(alert, kind, due[kind], clock)
        yield timer
        alert = timer.alert


def _now(alert: Alert, kind: TimerKind, clock: Clock) -> int:
    shelf = kind is TimerKind.RETURNED and alert.state is AlertState.SHELVED
    return max(clock) if shelf else clock.event


def _due(alert: Alert) -> dict[TimerKind, int]:
    """When each timer of an alert is due."""
    back = None
    if alert.state is AlertState.SHELVED:
        back = alert.shelved_until
    elif alert.state in {AlertState.OPEN, AlertState.ACKNOWLEDGED}:
        back = alert.flapping_until
    times = {TimerKind.RETURNED: back, TimerKind.ESCALATED: alert.escalate_at, TimerKind.REMINDED: alert.repeat_at}
    return {kind: at for kind, at in times.items() if at is not None}


def _fired(alert: Alert, kind: TimerKind, at: int, clock: Clock) -> Timer:
    note = ""
    if kind is TimerKind.ESCALATED:
        alert = replace(alert, severity=Severity.CRITICAL, escalate_at=None)
    elif kind is TimerKind.REMINDED:
        missed = max(0, clock.event - at) // alert.repeat_every
        alert = replace(alert, repeat_at=at + (1 + missed) * alert.repeat_every)
    elif alert.state is AlertState.SHELVED:
        alert, note = replace(alert, shelved_until=None, shelved_by=""), OVER
    else:
        alert, note = replace(alert, flapping_until=None), CALM
    alert = settled(alert)
    return Timer(kind, at, waiting(alert, at), note)
