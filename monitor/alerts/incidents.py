"""Which alerts make one incident, and when there is something to say about it: pure, by event time.

An alert joins an incident of its group whose span it overlaps. The span goes from the first opening to the newest one
and `within` more, or to the last resolution, without end while a member is open; after a day an incident takes no more
members. Where changes come in order of event time, any cut into commits gives the same incidents.

>>> rule = Grouping(within=10)
>>> a = Incident(id=incident_id("live", "pumps", 0), run="live", group="pumps", opened_at=0, newest_at=0, open=0)
>>> [spans(a, opened_at=at, end=at + 10, within=10) for at in (10, 11)]
[True, False]
>>> spans(replace(a, open=1), opened_at=11, end=21, within=10)
True
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid5

from monitor.alerts.lifecycle import Merged
from monitor.records.alerts import Alert, AlertState, CommandKind, Severity, TimerKind
from monitor.records.incidents import WAIT, Grouping, Incident, IncidentState, Member, Said, incident_id
from monitor.records.scalars import FOREVER, NEVER

LONGEST = 86_400 * 10**9  # ns from its opening, in which an incident takes members
_SLOWEST = 3600 * 10**9  # ns between messages about members that join
_SEVERITIES = list(Severity)
CALLED = -1  # members that were said, where the same is to be said again
_CALLS = {TimerKind.REMINDED, TimerKind.RETURNED, CommandKind.UNSHELVE, CommandKind.IN_SERVICE}


@dataclass(slots=True)
class Grouped:
    """Incidents and places in them that are stored, and what changes make of them.

    `before` has the stored state of each member of which something changed.
    """

    incidents: dict[UUID, Incident] = field(default_factory=dict)
    members: dict[UUID, Member] = field(default_factory=dict)  # by alert
    before: dict[UUID, AlertState] = field(default_factory=dict)
    changed: set[UUID] = field(default_factory=set)  # incidents to write
    joined: list[Member] = field(default_factory=list)  # places to write


def is_new(merged: Merged) -> bool:
    """Whether its alert has no row yet."""
    return bool(merged.changes) and merged.changes[0][0].number == 0


def span(alert: Alert, within: int) -> tuple[int, int]:
    """From when to when others belong to it: without end while it is open."""
    return alert.opened_at, max(alert.opened_at + within, FOREVER if alert.resolved_at is None else alert.resolved_at)


def spans(incident: Incident, opened_at: int, end: int, within: int) -> bool:
    """Whether an alert with this span belongs to an incident."""
    reach = max(incident.newest_at + within, FOREVER if incident.open else incident.ended_at or NEVER)
    length = max(incident.newest_at, opened_at) - min(incident.opened_at, opened_at)
    return opened_at <= reach and end >= incident.opened_at and length <= LONGEST


def regroup(merged: Sequence[Merged], known: Grouped, rule: Grouping, now: int) -> None:
    """Put new alerts into incidents and bring the incidents of changed ones up to date, in `known`.

    Marks the changes of members that are announced by their incident as withheld. `now` is the wall clock, ns.
    """
    changed = [each for each in merged if each.changes]
    for each in changed:
        if each.alert.id in known.members:
            _count(each.alert, known)
    by_group: dict[tuple[str, str], set[UUID]] = {}
    for incident in known.incidents.values():
        by_group.setdefault((incident.run, incident.group), set()).add(incident.id)
    new = (each.alert for each in changed if is_new(each) and each.alert.id not in known.members)
    for alert in sorted(new, key=lambda alert: (alert.opened_at, alert.id)):
        group = rule.group(alert.family, alert.stream)
        _join(alert, known, rule, group, by_group.setdefault((alert.run, group), set()))
    news: dict[UUID, bool] = {}
    for each in changed:
        member = known.members.get(each.alert.id)
        if member is not None and member.grouped:
            causes = [change.cause for change, _ in each.changes if not change.withheld]
            news[member.incident] = news.get(member.incident, False) or bool(causes)
            if each.alert.state is AlertState.OPEN and any(cause in _CALLS for cause in causes):
                known.incidents[member.incident] = _called_again(known.incidents[member.incident])
            withhold(each, member.incident)
    for id_, recent in news.items():
        incident = known.incidents[id_]
        known.incidents[id_] = replace(incident, due_at=_due(incident, recent, incident.wait or WAIT, now))


def withhold(each: Merged, incident: UUID) -> None:
    """Mark every change of an alert that is not withheld already as announced by its incident."""
    reason = f"in incident {incident.hex[:8]}"
    each.changes = [
        (change if change.withheld else replace(change, withheld=reason), alert) for change, alert in each.changes
    ]


def _join(alert: Alert, known: Grouped, rule: Grouping, group: str, near: set[UUID]) -> None:
    """Find the incident of a new alert among those of its group, or make one, which becomes one of these."""
    opened_at, end = span(alert, rule.within)
    fitting = [each for each in map(known.incidents.__getitem__, near) if spans(each, opened_at, end, rule.within)]
    id_ = incident_id(alert.run, group, opened_at)
    new = Incident(id=id_, run=alert.run, group=group, opened_at=opened_at, newest_at=opened_at)
    home = max(fitting, key=lambda each: (each.opened_at, each.id), default=known.incidents.get(id_, new))
    first, newest = min(home.opened_at, opened_at), max(home.newest_at, opened_at)
    near.add(home.id)
    known.incidents[home.id] = replace(
        home, members=home.members + 1, opened_at=first, newest_at=newest,
        wait=home.wait if rule.wait is None else rule.wait,
    )  # fmt: skip
    member = Member(alert.id, home.id, rule.wait is not None)
    known.members[alert.id] = member
    known.joined.append(member)
    _count(alert, known)


def _count(alert: Alert, known: Grouped) -> None:
    """Take the state of a member, and what it was before, into its incident."""
    incident = known.incidents[known.members[alert.id].incident]
    before = known.before.get(alert.id, AlertState.RESOLVED)
    ends = [at for at in (incident.ended_at, alert.resolved_at) if at is not None]
    known.incidents[incident.id] = replace(
        incident,
        open=incident.open + _is_open(alert.state) - _is_open(before),
        acknowledged=incident.acknowledged + _is_seen(alert.state) - _is_seen(before),
        ended_at=max(ends, default=None),
        severity=max(incident.severity, alert.severity, key=_SEVERITIES.index),
    )
    known.changed.add(incident.id)


def _is_open(state: AlertState) -> bool:
    return state is not AlertState.RESOLVED


def _is_seen(state: AlertState) -> bool:
    return state is AlertState.ACKNOWLEDGED


def _due(incident: Incident, recent: bool, wait: int, now: int) -> int | None:
    """When a message is due: the first `wait` after its cause, others at twice the time of the one before.

    At once where it is worse than was said, or over.
    """
    said = incident.said
    if said is None:
        return now + wait if incident.due_at is None and recent else incident.due_at
    kind = message(incident)
    if not recent and kind != "resolved":  # of the past, under maintenance, shelved: no reason to call
        return incident.due_at
    if (
        kind == "resolved"
        or said.members == CALLED
        or _SEVERITIES.index(incident.severity) > _SEVERITIES.index(said.severity)
    ):
        return min(now, incident.due_at or now)
    if not kind:
        return incident.due_at
    pause = min(wait << min(incident.messages - 1, 20), max(wait, _SLOWEST))
    return min(max(said.at + pause, now), incident.due_at or FOREVER)


def _called_again(incident: Incident) -> Incident:
    """A member waits for a person once more: the next message is made although nothing else is new."""
    return incident if incident.said is None else replace(incident, said=incident.said._replace(members=CALLED))


def message(incident: Incident) -> str:
    """The next message: "opened", also of one that opens again, "updated", "resolved", or "" where nothing is new."""
    said, state = incident.said, incident.state
    if said is None:
        return "opened"
    if state is IncidentState.RESOLVED or said.state is IncidentState.RESOLVED:
        return "" if state is said.state else "resolved" if state is IncidentState.RESOLVED else "opened"
    now = (state, incident.severity, incident.members)
    return "" if now == (said.state, said.severity, said.members) else "updated"


def happened(incident: Incident, change: int) -> int:
    """Event time of what is to be said, of which the newest change that was not said yet happened at `change`."""
    return change if incident.open else max(change, incident.ended_at or change)


def announced(incident: Incident, now: int) -> Incident:
    """The incident once its message is made. That it is over is said behind that it has opened, at once."""
    over = message(incident) == "opened" and incident.state is IncidentState.RESOLVED
    state = IncidentState.OPEN if over else incident.state
    return replace(
        incident, messages=incident.messages + 1, due_at=now if over else None,
        said=Said(now, state, incident.severity, incident.members),
    )  # fmt: skip


def without(incident: Incident, gone: int) -> Incident:
    """The incident when so many of its resolved members are deleted, which is no reason for a message."""
    said = incident.said
    if said is not None and said.members != CALLED:
        said = said._replace(members=min(said.members, incident.members - gone))
    return replace(incident, members=incident.members - gone, said=said)


def message_name(incident: Incident) -> UUID:
    """The name of the newest message about an incident, the same in every process; with the store's, the webhook's."""
    return uuid5(incident.id, str(incident.messages))


def ranked(alerts: Iterable[Alert]) -> list[Alert]:
    """Members as a person wants them: the first one, then by severity, peak and opening."""
    order = sorted(alerts, key=lambda alert: (alert.opened_at, alert.id))
    worst = sorted(order[1:], key=lambda alert: (-_SEVERITIES.index(alert.severity), -_peak(alert), alert.opened_at))
    return [*order[:1], *worst]


def _peak(alert: Alert) -> float:
    return alert.peak_ratio if alert.peak_ratio == alert.peak_ratio else 0.0
