"""The life of an alert: the stored row merged with facts of workers, commands of people and timers that were due.

`states` says how the state follows from the row, `commands` what people may do, `timers` what time does. Workers'
columns only rise and people's columns are only touched by commands and timers, so neither undoes the other, in
whatever order they arrive. A fact whose transition is recorded already adds none, so a repeated commit changes nothing.

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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import UUID

from monitor.alerts import commands as people
from monitor.alerts import repeating
from monitor.alerts.repeating import Step
from monitor.alerts.states import FLAPPING, REASONS, read, settled, suppressed
from monitor.alerts.timers import Clock, Timer, elapsed, waiting
from monitor.records.alerts import (
    Alert,
    AlertState,
    Command,
    CommandKind,
    Fact,
    FactKind,
    Severity,
    TimerRules,
    Transition,
)

MONITOR = "monitor"  # the actor of a fact, and of a timer
_SEVERITIES, _FACTS = list(Severity), list(FactKind)
_HIDES = frozenset({CommandKind.SHELVE, CommandKind.OUT_OF_SERVICE})  # announced, and what comes later is not


class Answered(NamedTuple):
    """A command with its effective time filled in; `refused` says why it changed nothing, "" = it was carried out."""

    command: Command
    refused: str


class Terms(NamedTuple):
    """What holds for an alert that opens: its timers, and what its stream brings along; see `Alert`."""

    rules: TimerRules = TimerRules()
    shelved_until: int | None = None
    shelved_by: str = ""
    out_of_service: int | None = None


NO_TERMS = Terms()


@dataclass(slots=True)
class Merged:
    """The new row, every transition with the row as it was after it, and what became of each command."""

    alert: Alert
    changes: list[tuple[Transition, Alert]] = field(default_factory=list)
    commands: list[Answered] = field(default_factory=list)


@dataclass(slots=True)
class _Life:
    """An alert while causes are merged into it; `known` has the numbers of its transitions by id."""

    alert: Alert | None
    known: dict[UUID, int]
    merged: list[tuple[Transition, Alert]] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)

    def add(self, cause: Fact | Command | Timer, before: Alert | None, after: Alert) -> None:
        """A transition, behind all others."""
        number = max(self.known.values(), default=-1) + 1
        self.merged.append((_transition(cause, before, after, number), after))
        self.known[cause.id] = number

    def pass_time(self, clock: Clock) -> None:
        """The timers that are due by then."""
        if self.alert is not None:
            for timer in list(elapsed(self.alert, clock)):
                if timer.id not in self.known:
                    self.add(timer, self.alert, timer.alert)
                self.alert = timer.alert

    def observe(self, fact: Fact, terms: Terms) -> None:
        """A fact, behind the timers that were due before it."""
        self.pass_time(Clock(fact.at, fact.at))
        before, self.alert = self.alert, _observe(self.alert, fact, terms)
        if fact.kind is not FactKind.CONTINUED and fact.id not in self.known and not _over(before, fact):
            self.add(fact, before, self.alert)

    def obey(self, command: Command) -> None:
        """A command, carried out or refused."""
        if self.alert is None:
            raise ValueError(f"command {command.id} is about alert {command.alert}, of which nothing is known")
        command = replace(command, effective=people.effective(command, self.alert))
        refused = people.refusal(self.alert, command)
        self.answered.append(Answered(command, refused))
        if not refused:
            before, after = self.alert, settled(people.carried_out(self.alert, command))
            self.alert = waiting(after, people.effective(command, after))
            self.add(command, before, self.alert)

    def repeat(self, step: Step) -> None:
        """What a person or the clock did in the live run, behind the timers that are due before a command."""
        if self.alert is None:
            return
        if isinstance(step.cause, Command):
            command = repeating.given_again(self.alert, step.cause)
            if command.id not in self.known:
                at = people.effective(command, self.alert)
                self.pass_time(Clock(at, at))
                self.obey(command)
        elif (timer := repeating.elapsed_again(self.alert, step.cause)) and timer.id not in self.known:
            self.add(timer, self.alert, timer.alert)
            self.alert = timer.alert


def merge(
    stored: Alert | None,
    facts: Iterable[Fact] = (),
    commands: Iterable[Command | Step] = (),
    recorded: Mapping[UUID, int] | None = None,
    terms: Terms = NO_TERMS,
    clock: Clock | None = None,
) -> Merged:
    """Merge facts, commands and timers of one alert into its `stored` row, None where there is none yet.

    They take effect in order of event time, facts of a moment before commands; a command without an effective time
    comes last, and timers that are due by `clock` behind it; a step of the live run comes behind its fact. `recorded`
    has the number of every transition of the alert that is stored, by id; `terms` hold for an alert that opens here.
    Raises ValueError for a command about an alert that no row and no earlier fact knows.
    """
    life = _Life(None if stored is None else read(stored), dict(recorded or {}))
    causes: list[Fact | Command | Step] = [*facts, *commands]
    for cause in sorted(causes, key=_moment):
        if isinstance(cause, Fact):
            life.observe(cause, terms)
        elif isinstance(cause, Step):
            life.repeat(cause)
        else:
            life.obey(cause)
    if clock is not None:
        life.pass_time(clock)
    if life.alert is None:
        raise ValueError("neither a row nor a fact nor a command was given")
    return Merged(life.alert, life.merged, life.answered)


def merge_facts(
    facts: Sequence[Fact],
    stored: Mapping[UUID, Alert],
    recorded: Mapping[UUID, Mapping[UUID, int]],
    terms: Mapping[UUID, Terms] | None = None,
    steps: Mapping[UUID, Sequence[Step]] | None = None,
) -> list[Merged]:
    """`merge` for the facts of many alerts.

    By alert, `stored` has their rows, `recorded` their transitions, `terms` those of alerts that open, and `steps` what
    a replay repeats.
    """
    by_alert: dict[UUID, list[Fact]] = {}
    for fact in facts:
        by_alert.setdefault(fact.alert, []).append(fact)
    holds, again = terms or {}, steps or {}
    return [
        merge(stored.get(id_), some, again.get(id_, ()), recorded.get(id_), holds.get(id_, NO_TERMS))
        for id_, some in by_alert.items()
    ]


def ends(merged: Iterable[Merged]) -> Iterator[UUID]:
    """Alerts that are resolved by a change that is not announced: it is, where something of them was before."""
    yield from (each.alert.id for each in merged if any(_is_unsaid_end(change) for change, _ in each.changes))


def say_ends(merged: Iterable[Merged], followed: Iterable[UUID]) -> None:
    """Announce the ends of alerts of which something was announced: no receiver keeps one open for ever.

    `followed` are those of which it was before.
    """
    heard = set(followed)
    for each in merged:
        if each.alert.id in heard or not all(change.withheld for change, _ in each.changes):
            each.changes = [
                (replace(change, withheld="") if _is_unsaid_end(change) else change, after)
                for change, after in each.changes
            ]


def _is_unsaid_end(change: Transition) -> bool:
    return change.withheld in REASONS and (change.cause is FactKind.CLEARED or change.cause in people.ENDS)


def _moment(cause: Fact | Command | Step) -> tuple[float, int]:
    if isinstance(cause, Fact):
        return cause.at, _FACTS.index(cause.kind)
    if isinstance(cause, Step):
        return cause.behind, len(_FACTS)
    return math.inf if cause.effective is None else cause.effective, len(_FACTS)


def _observe(alert: Alert | None, fact: Fact, terms: Terms) -> Alert:
    """The row after a fact: the join of both, so that neither order nor repeats matter."""
    cleared = fact.at if fact.kind is FactKind.CLEARED else None
    if alert is None:
        opened = Alert(
            id=fact.alert, run=fact.run, family=fact.family, stream=fact.stream, kind=fact.alert_kind,
            channel=fact.channel, severity=fact.severity,
            opened_at=fact.opened_at, started_at=fact.started_at, last_at=fact.last_at, resolved_at=cleared,
            peak_ratio=fact.peak_ratio, peak_at=fact.peak_at, windows=fact.windows, cause=fact.cause,
            flapping_until=fact.flapping_until, shelved_until=terms.shelved_until, shelved_by=terms.shelved_by,
            out_of_service=terms.out_of_service, escalate_after=terms.rules.escalate_after,
            repeat_every=terms.rules.repeat_every,
        )  # fmt: skip
        return waiting(settled(opened), opened.opened_at)
    peak, peak_at = max((alert.peak_ratio, -alert.peak_at), (fact.peak_ratio, -fact.peak_at))  # the first of equals
    known = [at for at in (alert.resolved_at, cleared) if at is not None]
    joined = replace(
        alert,
        severity=max(alert.severity, fact.severity, key=_SEVERITIES.index),
        last_at=max(alert.last_at, fact.last_at),
        resolved_at=min(known, default=None),
        peak_ratio=peak,
        peak_at=-peak_at,
        windows=max(alert.windows, fact.windows),
        cause=max((alert.last_at, alert.cause), (fact.last_at, fact.cause))[1],  # the newest
    )
    return waiting(settled(joined), fact.at)


def _over(alert: Alert | None, fact: Fact) -> bool:
    """Whether a fact says no more than that the alert is over, which a person has said."""
    return alert is not None and alert.state is AlertState.RESOLVED and fact.kind is FactKind.CLEARED


def _is_higher(alert: Alert, before: Alert | None) -> bool:
    """Whether the severity of an alert has risen."""
    return before is not None and _SEVERITIES.index(alert.severity) > _SEVERITIES.index(before.severity)


def _transition(cause: Fact | Command | Timer, before: Alert | None, alert: Alert, number: int) -> Transition:
    """The change from `before` to `alert`."""
    ratio, actor, withheld, acted_at = math.nan, MONITOR, suppressed(alert), None
    if isinstance(cause, Fact):
        at, ratio, note = cause.at, cause.ratio, cause.reason
        if cause.kind is FactKind.OPENED and cause.reason and withheld == FLAPPING:
            withheld = ""  # the one that says so
        if withheld == FLAPPING and _is_higher(alert, before):
            withheld = ""
    elif isinstance(cause, Timer):
        at, note = cause.at, cause.note
    else:
        at, actor, note = people.effective(cause, alert), cause.by, cause.note
        acted_at = cause.at
        if cause.kind in _HIDES and before is not None:
            withheld = suppressed(before)
    return Transition(
        id=cause.id, alert=alert.id, number=number, cause=cause.kind, at=at, state=alert.state,
        severity=alert.severity, ratio=ratio, actor=actor, note=note, withheld=withheld, acted_at=acted_at,
    )  # fmt: skip
