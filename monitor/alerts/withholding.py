"""What maintenance withholds of alerts: their changes are kept, and announced when it is over, if there is a need.

Of an alert of which nothing was announced, that is its opening, with the numbers, state and severity that it has by
then; one that has resolved meanwhile is never announced, and one that is shelved, out of service or flapping by then is
announced when it returns. Of one that was announced before, it is the newest change: a receiver that knows of an alert
learns of its end, however late. A member of an incident is announced by that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from monitor.alerts.lifecycle import Merged
from monitor.alerts.states import suppressed
from monitor.records.alerts import Alert, AlertState, CommandKind, Transition
from monitor.records.maintenance import Muted, Muting

Change = tuple[Transition, Alert]


@dataclass(frozen=True, slots=True)
class Withheld:
    """A change that is to be announced from `until` on (ns); `announced`: something of its alert was before."""

    alert: UUID
    transition: Transition
    until: int
    reason: str
    announced: bool = False


@dataclass(slots=True)
class Withholding:
    """The changes of merged alerts under maintenance. `kept` is what is withheld afterwards, None = no longer."""

    merged: Sequence[Merged]
    muted: Mapping[UUID, Muted]  # by transition
    kept: dict[UUID, Withheld | None] = field(default_factory=dict)  # by alert; what has not changed is left out
    _first: dict[UUID, Change] = field(default_factory=dict)  # by the transition that it comes before
    _last: list[Change] = field(default_factory=list)

    @classmethod
    def of(cls, merged: Sequence[Merged], muting: Muting | None) -> Withholding:
        """Of what workers and timers found; a person's command is announced, unless its alert itself is withheld."""
        found = {}
        for each in merged:
            for change, after in each.changes:
                if muting is None or isinstance(change.cause, CommandKind) or change.withheld:
                    continue
                if (muted := muting(after.family, after.stream, change.at)) is not None:
                    found[change.id] = muted
        return cls(merged, found)

    @classmethod
    def of_command(cls, merged: Merged, withheld: Withheld) -> Withholding:
        """Of a command about an alert that is withheld."""
        muted = Muted(withheld.reason, withheld.until)
        return cls([merged], {change.id: muted for change, _ in merged.changes})

    @property
    def alerts(self) -> set[UUID]:
        """Those with a change that is withheld."""
        return {each.alert.id for each in self.merged for change, _ in each.changes if change.id in self.muted}

    def apply(self, kept: Mapping[UUID, Withheld], announced: Collection[UUID], muting: Muting | None = None) -> None:
        """Mark changes as withheld. `kept` was withheld before, and of the alerts in `announced` something was sent.

        With `muting`, an alert that has newer numbers from after its maintenance is announced, too.
        """
        for each in self.merged:
            before = kept.get(each.alert.id)
            now = self._changes(each, before, each.alert.id in announced)
            if now is not None and muting is not None and _goes_on(each.alert, now, muting):
                if (change := to_say(now, each.alert)) is not None:
                    self._last.append((change, each.alert))
                now = None
            if now != before:
                self.kept[each.alert.id] = now

    @property
    def released(self) -> set[UUID]:
        """Alerts that are no longer withheld, and of which there is something to say."""
        return {alert.id for _, alert in (*self._first.values(), *self._last)}

    def announcements(self, rows: Iterable[Change], grouped: Collection[UUID]) -> Iterator[Change]:
        """The changes that were written, with those before them that are no longer withheld.

        Alerts in `grouped` are announced by their incident.
        """
        for transition, alert in rows:
            if transition.id in self._first and alert.id not in grouped:
                yield self._first[transition.id]
            yield transition, alert
        yield from (each for each in self._last if each[1].id not in grouped)

    def _changes(self, each: Merged, withheld: Withheld | None, announced: bool) -> Withheld | None:
        """What is withheld after the changes of an alert, which are marked."""
        announced = announced or (withheld is not None and withheld.announced)
        for place, (change, after) in enumerate(each.changes):
            muted = self.muted.get(change.id)
            if muted is None:
                if withheld is not None and not change.withheld:
                    self._first[change.id] = _by_now(withheld.transition, after), after
                    withheld = None
                elif after.state is AlertState.RESOLVED and not announced:
                    withheld = None
                announced = announced or not change.withheld
                continue
            marked = replace(change, withheld=muted.reason)
            each.changes[place] = marked, after
            if after.state is AlertState.RESOLVED and not announced:
                withheld = None
            elif withheld is None or announced:
                withheld = Withheld(after.id, marked, muted.until, muted.reason, announced)
            else:
                withheld = replace(withheld, until=muted.until)
        return withheld


def to_say(of: Withheld, alert: Alert) -> Transition | None:
    """What to announce of an alert whose maintenance is over, as the alert is by now; None = nothing.

    One that is suppressed by then is announced by its return, or by its end where it was announced before.
    """
    over = alert.state is AlertState.RESOLVED
    if (over and not of.announced) or (not over and suppressed(alert)):
        return None
    return _by_now(of.transition, alert)


def still_muted(of: Withheld, alert: Alert, muting: Muting, now: int) -> Withheld | None:
    """What is withheld on at `now` (event time, ns); a worker whose streams are behind asks about the alert's time."""
    again = muting(alert.family, alert.stream, max(now, alert.last_at))
    return None if again is None else replace(of, until=again.until, reason=again.reason)


def _by_now(change: Transition, alert: Alert) -> Transition:
    """A change with the severity and state that its alert has later; that it is over, another change says."""
    state = change.state if alert.state is AlertState.RESOLVED else alert.state
    return replace(change, withheld="", severity=alert.severity, state=state)


def _goes_on(alert: Alert, withheld: Withheld, muting: Muting) -> bool:
    """Whether an alert has numbers from after its maintenance."""
    over = alert.last_at >= withheld.until and alert.state is not AlertState.RESOLVED
    return over and muting(alert.family, alert.stream, alert.last_at) is None
