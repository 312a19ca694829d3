"""The life of an alert: the stored row merged with facts of workers and commands of people.

States are open, acknowledged and resolved. Only CLEARED and commands change the state; a resolved alert whose
`acknowledged_at` is None was never acknowledged. Workers' columns only rise and people's columns are only touched by
commands, so neither undoes the other, in whatever order they arrive. A fact whose transition is recorded already adds
none, so a repeated commit changes nothing.

>>> from uuid import UUID
>>> numbers = dict(opened_at=20, started_at=10, peak_ratio=1.5, peak_at=20)
>>> alert = dict(alert=UUID(int=1), run="live", family="pumps", stream="p-1", **numbers)
>>> opened = Fact(kind=FactKind.OPENED, at=20, ratio=1.5, last_at=20, windows=2, **alert)
>>> first = merge(None, [opened])
>>> ack = Command(id=UUID(int=2), alert=UUID(int=1), kind=CommandKind.ACKNOWLEDGE, by="ann", at=7)
>>> second = merge(first.alert, commands=[ack], recorded={opened.id: 0})
>>> later = Fact(kind=FactKind.CONTINUED, at=30, ratio=1.2, last_at=30, windows=3, **alert)
>>> cleared = Fact(kind=FactKind.CLEARED, at=60, ratio=0.2, last_at=30, windows=3, **alert)
>>> third = merge(second.alert, [later, cleared], recorded={opened.id: 0, ack.id: 1})
>>> [(t.number, str(t.cause), str(t.state), t.actor, t.at) for m in (first, second, third) for t, _ in m.changes]
[(0, 'opened', 'open', 'monitor', 20), (1, 'acknowledge', 'acknowledged', 'ann', 20), (2, 'cleared', 'resolved', 'monitor', 60)]
>>> third.alert.windows, third.alert.acknowledged_by
(3, 'ann')
>>> merge(third.alert, [cleared], recorded={opened.id: 0, ack.id: 1, cleared.id: 2}).changes
[]
"""  # noqa: E501 (a doctest's output is one line)

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import UUID

from monitor.alerts.accepting import ANOMALY
from monitor.records.alerts import Alert, AlertState, Command, CommandKind, Fact, FactKind, Severity, Transition
from monitor.records.scalars import LIVE

MONITOR = "monitor"  # the actor of a fact
_SEVERITIES, _FACTS = list(Severity), list(FactKind)


class Answered(NamedTuple):
    """A command with its effective time filled in; `refused` says why it changed nothing, "" = it was carried out."""

    command: Command
    refused: str


@dataclass(slots=True)
class Merged:
    """The new row, every transition with the row as it was after it, and what became of each command."""

    alert: Alert
    changes: list[tuple[Transition, Alert]] = field(default_factory=list)
    commands: list[Answered] = field(default_factory=list)


def merge(
    stored: Alert | None,
    facts: Iterable[Fact] = (),
    commands: Iterable[Command] = (),
    recorded: Mapping[UUID, int] | None = None,
) -> Merged:
    """Merge facts and commands of one alert into its `stored` row, None where there is none yet.

    They take effect in order of event time, facts of a moment before commands; a command without an effective time
    comes last. `recorded` has the number of every transition of the alert that is stored, by id. Raises ValueError for
    a command about an alert that no row and no earlier fact knows.
    """
    known = dict(recorded or {})
    number = max(known.values(), default=-1) + 1
    alert, changes, answered = stored, list[tuple[Transition, Alert]](), list[Answered]()
    causes: list[Fact | Command] = [*facts, *commands]
    for cause in sorted(causes, key=_moment):
        if isinstance(cause, Fact):
            before, alert = alert, _observe(alert, cause)
            news = cause.kind is not FactKind.CONTINUED and cause.id not in known and not _over(before, cause)
        else:
            alert, answer = _obey(alert, cause)
            answered.append(answer)
            cause, news = answer.command, not answer.refused  # noqa: PLW2901 (with its effective time)
        if news:
            changes.append((_transition(cause, alert, number), alert))
            known[cause.id], number = number, number + 1
    if alert is None:
        raise ValueError("neither a row nor a fact nor a command was given")
    return Merged(alert, changes, answered)


def merge_facts(
    facts: Sequence[Fact], stored: Mapping[UUID, Alert], recorded: Mapping[UUID, Mapping[UUID, int]]
) -> list[Merged]:
    """`merge` for the facts of many alerts; `stored` has their rows and `recorded` their transitions, by alert."""
    by_alert: dict[UUID, list[Fact]] = {}
    for fact in facts:
        by_alert.setdefault(fact.alert, []).append(fact)
    return [merge(stored.get(id_), some, recorded=recorded.get(id_)) for id_, some in by_alert.items()]


def _moment(cause: Fact | Command) -> tuple[float, int]:
    if isinstance(cause, Fact):
        return cause.at, _FACTS.index(cause.kind)
    return math.inf if cause.effective is None else cause.effective, len(_FACTS)


def _observe(alert: Alert | None, fact: Fact) -> Alert:
    """The row after a fact: the join of both, so that neither order nor repeats matter."""
    cleared = fact.at if fact.kind is FactKind.CLEARED else None
    if alert is None:
        return Alert(
            id=fact.alert, run=fact.run, family=fact.family, stream=fact.stream, kind=fact.alert_kind,
            channel=fact.channel, severity=fact.severity,
            state=AlertState.OPEN if cleared is None else AlertState.RESOLVED,
            opened_at=fact.opened_at, started_at=fact.started_at, last_at=fact.last_at, resolved_at=cleared,
            peak_ratio=fact.peak_ratio, peak_at=fact.peak_at, windows=fact.windows, cause=fact.cause,
        )  # fmt: skip
    peak, peak_at = max((alert.peak_ratio, -alert.peak_at), (fact.peak_ratio, -fact.peak_at))  # the first of equals
    known = [at for at in (alert.resolved_at, cleared) if at is not None]
    return replace(
        _acknowledged_by_hand(alert),
        state=alert.state if cleared is None else AlertState.RESOLVED,
        severity=max(alert.severity, fact.severity, key=_SEVERITIES.index),
        last_at=max(alert.last_at, fact.last_at),
        resolved_at=min(known, default=None),
        peak_ratio=peak,
        peak_at=-peak_at,
        windows=max(alert.windows, fact.windows),
        cause=max((alert.last_at, alert.cause), (fact.last_at, fact.cause))[1],  # the newest
    )


def _over(alert: Alert | None, fact: Fact) -> bool:
    """Whether a fact says no more than that the alert is over, which a person has said at that event time."""
    resolved = alert is not None and alert.state is AlertState.RESOLVED and alert.resolved_at == fact.at
    return resolved and fact.kind is FactKind.CLEARED


def _acknowledged_by_hand(alert: Alert) -> Alert:
    """A row that was set to acknowledged with SQL alone keeps that through its resolution; by whom is not known."""
    if alert.state is AlertState.ACKNOWLEDGED and alert.acknowledged_at is None:
        return replace(alert, acknowledged_at=alert.last_at)
    return alert


def _obey(alert: Alert | None, command: Command) -> tuple[Alert, Answered]:
    if alert is None:
        raise ValueError(f"command {command.id} is about alert {command.alert}, of which nothing is known")
    command = replace(command, effective=_effective(command, alert))
    refused = _refusal(alert, command)
    if refused:
        return alert, Answered(command, refused)
    alert = replace(alert, note=command.note or alert.note)
    if command.kind is CommandKind.ACKNOWLEDGE:
        alert = replace(alert, state=AlertState.ACKNOWLEDGED, acknowledged_at=command.at, acknowledged_by=command.by)
    elif command.kind is CommandKind.UNACKNOWLEDGE:
        alert = replace(alert, state=AlertState.OPEN, acknowledged_at=None, acknowledged_by="")
    elif command.kind is CommandKind.CLOSE:
        alert = replace(_acknowledged_by_hand(alert), state=AlertState.RESOLVED, resolved_at=command.effective)
    elif command.kind is CommandKind.EXPECT:
        alert = _acknowledged_by_hand(alert)
        if alert.acknowledged_at is None:
            alert = replace(alert, acknowledged_at=command.at, acknowledged_by=command.by)
        alert = replace(alert, state=AlertState.RESOLVED, resolved_at=command.effective)
    return alert, Answered(command, "")


def _transition(cause: Fact | Command, alert: Alert, number: int) -> Transition:
    """The change that led to `alert`."""
    if isinstance(cause, Fact):
        at, ratio, actor, note = cause.at, cause.ratio, MONITOR, cause.reason
    else:
        at, ratio, actor, note = _effective(cause, alert), math.nan, cause.by, cause.note
    return Transition(
        id=cause.id, alert=alert.id, number=number, cause=cause.kind, at=at, state=alert.state,
        severity=alert.severity, ratio=ratio, actor=actor, note=note,
    )  # fmt: skip


def _effective(command: Command, alert: Alert) -> int:
    """Event time at which a command counts: behind every fact that is merged already, before every later one."""
    if command.effective is not None:
        return command.effective
    return max(alert.opened_at, alert.last_at, alert.resolved_at or alert.last_at)


def _refusal(alert: Alert, command: Command) -> str:
    """Why a command cannot be carried out; "" = it can."""
    if command.kind is CommandKind.NOTE:
        return "" if command.note.strip() else "the note is empty"
    if alert.state is AlertState.RESOLVED:
        return "the alert is resolved already"
    if command.kind is CommandKind.EXPECT:
        return _unexpectable(alert)
    acknowledged = alert.state is AlertState.ACKNOWLEDGED
    if command.kind is CommandKind.ACKNOWLEDGE and acknowledged:
        return f"the alert is acknowledged already, by {alert.acknowledged_by or 'a person, with SQL'}"
    if command.kind is CommandKind.UNACKNOWLEDGE and not acknowledged:
        return "the alert is not acknowledged"
    return ""


def _unexpectable(alert: Alert) -> str:
    """Why the level that an alert is about cannot become the new normal; "" = it can."""
    if alert.kind != ANOMALY:
        return f"it is about the stream itself ({alert.kind}); only the level of an anomaly can be expected"
    return "" if alert.run == LIVE else f"it belongs to run {alert.run}; only a live stream learns what is expected"
