"""What keeps the alerts of a stream from being announced, and what an alert that opens brings along.

A timed shelving is about the alerts of one kind and channel of a stream: one that resolves and opens again meanwhile is
shelved too. A stream that is out of service hides all of its alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from monitor.alerts.commands import shelved_until
from monitor.alerts.lifecycle import Answered, Terms
from monitor.records.alerts import Alert, CommandKind, Fact, TimerRules

EVERY_KIND = ""
Key = tuple[str, str, str, str]  # family, stream, kind, channel


class Suppression(NamedTuple):
    """One that holds: until when (event time, ns; None = until a person ends it), since when (wall clock, ns)."""

    family: str
    stream: str
    kind: str  # `EVERY_KIND` where the stream is out of service
    channel: str
    until: int | None
    by: str
    note: str
    since: int

    @property
    def key(self) -> Key:
        """What it is about: of the same, the newest one holds."""
        return self[:4]


def newest(holding: Iterable[Suppression]) -> dict[Key, Suppression]:
    """By what they are about, the last ones."""
    return {each.key: each for each in holding}


def terms(fact: Fact, rules: Mapping[str, TimerRules], by_key: Mapping[Key, Suppression]) -> Terms:
    """What holds for the alert that opens with a fact."""
    out = by_key.get((fact.family, fact.stream, EVERY_KIND, ""))
    shelf = by_key.get((fact.family, fact.stream, fact.alert_kind, fact.channel))
    found = Terms(rules.get(fact.family, TimerRules()), out_of_service=None if out is None else out.since)
    if shelf is None or shelf.until is None or fact.opened_at >= shelf.until:
        return found
    return found._replace(shelved_until=shelf.until, shelved_by=shelf.by)


def ended(answered: Answered) -> bool:
    """Whether a command ends what held for the alert's kind; a new one may take its place."""
    return not answered.refused and answered.command.kind in {CommandKind.SHELVE, CommandKind.UNSHELVE}


def begun(alert: Alert, answered: Answered) -> Suppression | None:
    """What a command means for the next alerts of the kind; `alert` is as it is after it."""
    command = answered.command
    if answered.refused or command.kind is not CommandKind.SHELVE or command.span is None:
        return None
    until = shelved_until(command, alert)
    return Suppression(
        alert.family, alert.stream, alert.kind, alert.channel, until, command.by, command.note, command.at
    )
