"""Incidents: alerts that belong together, and by what they are grouped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple
from uuid import UUID, uuid5

from monitor.records.alerts import Severity
from monitor.records.scalars import NAMESPACE

WITHIN, WAIT = 5 * 60 * 10**9, 30 * 10**9  # ns, unless the settings say otherwise


class IncidentState(StrEnum):
    """Open while a member is; acknowledged where every open member is."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which alerts make one incident. Alerts whose streams match a pattern of a group belong to it, others to their
    family.

    `within` (ns, event time): how long after its newest opening an incident takes members although all are resolved.
    `wait` (ns): how long its first message waits for more members; None = alerts are announced one by one.
    """

    within: int = WITHIN
    wait: int | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def group(self, family: str, stream: str) -> str:
        """Name of the first group with a pattern that fits, else of the family."""
        fitting = (name for name, patterns in self.groups.items() if any(fnmatchcase(stream, p) for p in patterns))
        return next(fitting, family)


BY_FAMILY = Grouping()


class Said(NamedTuple):
    """What the newest message about an incident said, and when (wall clock, ns).

    `members` is -1 where a member is to be announced again: it was shelved, or a reminder is due.
    """

    at: int
    state: IncidentState
    severity: Severity
    members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Alerts of one group that overlap in time. Times are event times in ns, except `due_at` and those of `said`.

    `open` members are not resolved, of which `acknowledged` ones have been seen. `due_at` is when a message about it is
    due, None = there is nothing to say; `messages` counts those that were made. `wait` is that of the settings of its
    newest member that it announces, None = it announces none.
    """

    id: UUID
    run: str
    group: str
    opened_at: int  # the first opening of a member
    newest_at: int  # the newest one
    ended_at: int | None = None  # the newest resolution of a member
    members: int = 0
    open: int = 0
    acknowledged: int = 0
    severity: Severity = Severity.WARNING  # the worst
    due_at: int | None = None
    messages: int = 0
    wait: int | None = None  # ns
    said: Said | None = None

    @property
    def state(self) -> IncidentState:
        """As its members are."""
        if not self.open:
            return IncidentState.RESOLVED
        return IncidentState.ACKNOWLEDGED if self.acknowledged == self.open else IncidentState.OPEN

    @property
    def resolved_at(self) -> int | None:
        """When the last member was over; None while one is open."""
        return None if self.open else self.ended_at


class Member(NamedTuple):
    """An alert's place in an incident. `grouped`: its changes are announced by the incident, not by themselves."""

    alert: UUID
    incident: UUID
    grouped: bool


def incident_id(run: str, group: str, opened_at: int) -> UUID:
    """The id of the incident of a group that began there, in every process alike."""
    return uuid5(NAMESPACE, "\x1f".join(("incident", run, group, str(opened_at))))
