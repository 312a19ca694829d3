"""Rows of alerts: read under a lock, merged with facts or commands, and written with their transitions and outbox rows.

The number of statements of a commit depends on what its facts do (open, continue, end, join an incident, are under
maintenance), not on how many there are; tests/contract/test_alert_rows.py counts them.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, select

from monitor.alerts import learning
from monitor.alerts.lifecycle import Merged, ends, merge_facts, say_ends
from monitor.alerts.notifications import TOO_OLD, Notification, notifications_of, stale, withhold
from monitor.alerts.timers import due_at
from monitor.ports.store import Commit
from monitor.records.alerts import (
    Alert,
    AlertState,
    Cause,
    CommandKind,
    Evidence,
    Fact,
    FactKind,
    Severity,
    TimerKind,
    Transition,
    Verdict,
)
from monitor.records.incidents import BY_FAMILY, Grouping
from monitor.records.labels import Label
from monitor.store import evidence_facts, incident_rows, schema
from monitor.store.conflicts import insert_into
from monitor.store.text import storable

_IDS_AT_ONCE = 5_000  # parameters of a query: SQLite takes 32,766, PostgreSQL 65,535
_MUTABLE = (
    "state", "severity", "last_at", "resolved_at", "peak_ratio", "peak_at", "windows", "cause",
    "acknowledged_at", "acknowledged_by", "note", "shelved_until", "shelved_by", "out_of_service", "verdict",
    "flapping_until", "escalate_at", "repeat_at", "due_at",
)  # fmt: skip
_CAUSES: dict[str, Cause] = {cause.value: cause for kind in (FactKind, CommandKind, TimerKind) for cause in kind}

Row = dict[str, Any]
Recorded = dict[UUID, dict[UUID, int]]  # numbers of transitions by their ids, by alert


def write_facts(connection: Connection, commit: Commit, store: UUID, now: int) -> None:
    """Merge the commit's facts with the stored rows, inside its transaction; `store` is the store's identity."""
    from monitor.store import recorded_lives, withheld  # they need the functions below

    commit.withheld, commit.muted = Counter(), Counter()  # this may be another try
    if not commit.facts:
        return
    steps = recorded_lives.steps(connection, commit)
    stored = locked(connection, dict.fromkeys(fact.alert for fact in commit.facts))
    known = recorded(connection, list(dict.fromkeys(_with_news(commit.facts, stored, steps))))
    recorded_lives.note_refused(connection, steps, known)
    merged = merge_facts(commit.facts, stored, known, recorded_lives.terms(connection, commit, stored), steps)
    changed = [each for each in merged if each.changes or each.alert != stored.get(each.alert.id)]
    if commit.max_age is not None:
        old = stale(changed, now - commit.max_age)
        withhold(changed, now - commit.max_age, followed(connection, old & stored.keys()))
        commit.withheld.update(
            after.kind for each in changed for change, after in each.changes if change.withheld == TOO_OLD
        )
    follow_to_the_end(connection, changed, replay=commit.recorded is not None)
    withholding = withheld.marked(connection, commit, changed, stored.keys())
    released = () if withholding is None else withholding.released
    rows = written(connection, changed, commit.evidence, commit.grouping, released)
    recorded_lives.keep(connection, merged)
    evidence: Sequence[Evidence] = commit.evidence
    if withholding is not None:
        rows, evidence = withheld.settle(connection, commit.run, withholding, rows, evidence)
    notify(connection, notifications_of(rows, commit.announce, evidence, store), now)


def _with_news(facts: Iterable[Fact], stored: Mapping[UUID, Alert], steps: Container[UUID]) -> Iterator[UUID]:
    yield from (
        fact.alert for fact in facts if fact.alert in stored and (_is_news(fact, stored) or fact.alert in steps)
    )


def _is_news(fact: Fact, stored: Mapping[UUID, Alert]) -> bool:
    """Whether a fact may add a transition to its stored alert: its own, or that of a timer that was due before it."""
    due = due_at(stored[fact.alert])
    return fact.kind is not FactKind.CONTINUED or (due is not None and due <= fact.at)


def follow_to_the_end(connection: Connection, merged: Sequence[Merged], *, replay: bool = False) -> None:
    """Announce the ends of suppressed alerts of which something was announced before, or would have been."""
    from monitor.store import recorded_lives

    if suppressed := set(ends(merged)):
        before = recorded_lives.announced_before if replay else followed
        say_ends(merged, before(connection, suppressed))


def open_ids(run: str, family: str, stream: str) -> Select[UUID]:
    """A query for the alerts of a stream that are not resolved; of the whole family where `stream` is ""."""
    a = schema.alerts.c
    return select(a.id).where(a.run == run, a.family == family, a.stream == stream, a.state != "resolved")


def gateway_open(run: str, family: str) -> Select[UUID]:
    """A query for the family's open gateway alerts."""
    return open_ids(run, family, "").where(schema.alerts.c.kind == "gateway")


def unusual_times(connection: Connection, run: str, family: str) -> dict[str, list[tuple[int, int]]]:
    """See `monitor.alerts.learning`."""
    a = schema.alerts.c
    ours = (a.run == run, a.family == family)
    about = select(schema.alerts).where(*ours, a.kind.in_(sorted(learning.KINDS)) | a.verdict.is_not(None))
    rows = [alert(row) for row in connection.execute(about)]
    return learning.unusual_times(rows, judged(connection, run, family))


def judged(connection: Connection, run: str, family: str) -> dict[UUID, learning.Judged]:
    """The newest verdict about each alert."""
    a, c = schema.alerts.c, schema.commands.c
    ours = (a.run == run, a.family == family)
    said = select(c.alert, c.verdict, c.start, c.end).join(schema.alerts, a.id == c.alert)
    said = said.where(*ours, c.verdict.is_not(None), c.refused.is_(None)).order_by(c.position)
    return {row.alert: learning.Judged(Verdict(row.verdict), row.start, row.end) for row in connection.execute(said)}


def labels(connection: Connection, run: str, family: str) -> list[Label]:
    """What people judged, in order of the opening of its alert."""
    a = schema.alerts.c
    about = select(schema.alerts).where(a.run == run, a.family == family, a.verdict.is_not(None)).order_by(a.opened_at)
    return learning.labels([alert(row) for row in connection.execute(about)], judged(connection, run, family))


def followed(connection: Connection, alerts: Collection[UUID]) -> set[UUID]:
    """Those of which something was announced."""
    t, o = schema.transitions.c, schema.outbox.c
    found: set[UUID] = set()
    for some in pieces(sorted(alerts)):
        query = select(t.alert).join(schema.outbox, o.transition == t.id).where(t.alert.in_(some)).distinct()
        found.update(connection.execute(query).scalars())
    return found


def locked(connection: Connection, alerts: Iterable[UUID]) -> dict[UUID, Alert]:
    """Rows of these alerts that nothing else changes before the end of the transaction, in an order that all share."""
    found = {}
    for some in pieces(sorted(alerts)):
        query = select(schema.alerts).where(schema.alerts.c.id.in_(some)).order_by(schema.alerts.c.id)
        found.update({row.id: alert(row) for row in connection.execute(query.with_for_update())})
    return found


def recorded(connection: Connection, alerts: Sequence[UUID]) -> Recorded:
    """Transitions of alerts that are locked: a second query, which sees what was committed while it waited."""
    t = schema.transitions.c
    found: Recorded = {}
    for some in pieces(alerts):
        for row in connection.execute(select(t.alert, t.id, t.number).where(t.alert.in_(some))):
            found.setdefault(row.alert, {})[row.id] = row.number
    return found


def written(
    connection: Connection,
    merged: Sequence[Merged],
    evidence: Sequence[Evidence] = (),
    grouping: Grouping = BY_FAMILY,
    released: Collection[UUID] = (),
) -> list[tuple[Transition, Alert]]:
    """Write merged rows of locked alerts and their new transitions, which it returns in order of event time.

    Their incidents are brought up to date; `grouping` says to which ones new alerts belong. Those of `released` alerts,
    about which messages are due afterwards, are locked in the same step.
    """
    if not merged:
        return []
    incidents = incident_rows.grouped(connection, merged, grouping, released)
    statement = insert_into(connection, schema.alerts)
    newest = {name: statement.excluded[name] for name in _MUTABLE}
    upsert = statement.on_conflict_do_update(index_elements=["id"], set_=newest)
    connection.execute(upsert, [_alert_row(each.alert) for each in merged])
    changes = sorted((change for each in merged for change in each.changes), key=lambda change: change[0].at)
    if changes:
        connection.execute(schema.transitions.insert(), [_transition_row(transition) for transition, _ in changes])
    if evidence:
        new = insert_into(connection, schema.evidence).on_conflict_do_nothing()
        connection.execute(new, [_evidence_row(item) for item in evidence])
    incident_rows.write(connection, incidents)
    return changes


def notify(connection: Connection, notifications: Iterable[Notification], now: int) -> None:
    """Put notifications into the outbox, and note which ones filters keep back; their transitions are written.

    One that there is already, as of a change that an incident has taken, is left as it is.
    """
    made = list(notifications)
    if rows := [_outbox_row(each, now) for each in made if each.payload is not None]:
        connection.execute(insert_into(connection, schema.outbox).on_conflict_do_nothing(), rows)
    if kept_back := [each for each in made if each.payload is None]:
        rows = [{"transition": each.transition.id, "channel": each.channel} for each in kept_back]
        connection.execute(insert_into(connection, schema.filtered).on_conflict_do_nothing(), rows)


def alert(row: Any) -> Alert:
    """A row of `alerts`."""
    return Alert(
        id=row.id, run=row.run, family=row.family, stream=row.stream, kind=row.kind, channel=row.channel,
        state=AlertState(row.state), severity=Severity(row.severity), opened_at=row.opened_at,
        started_at=row.started_at, last_at=row.last_at, resolved_at=row.resolved_at,
        peak_ratio=_float(row.peak_ratio), peak_at=row.peak_at, windows=row.windows, cause=row.cause,
        acknowledged_at=row.acknowledged_at, acknowledged_by=row.acknowledged_by or "", note=row.note or "",
        shelved_until=row.shelved_until, shelved_by=row.shelved_by or "", out_of_service=row.out_of_service,
        verdict=None if row.verdict is None else Verdict(row.verdict), flapping_until=row.flapping_until,
        escalate_after=row.escalate_after, escalate_at=row.escalate_at, repeat_every=row.repeat_every,
        repeat_at=row.repeat_at,
    )  # fmt: skip


def transition(row: Any) -> Transition:
    """A row of `transitions`."""
    return Transition(
        id=row.id, alert=row.alert, number=row.number, cause=_CAUSES[row.cause], at=row.at, state=AlertState(row.state),
        severity=Severity(row.severity), ratio=_float(row.ratio), actor=row.actor, note=row.note,
        withheld=row.withheld or "", acted_at=row.acted_at,
    )  # fmt: skip


def pieces(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    """As many ids at once as every database takes."""
    for i in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[i : i + _IDS_AT_ONCE]


def _alert_row(of: Alert) -> Row:
    return {
        "id": of.id, "run": of.run, "family": of.family, "stream": of.stream, "kind": of.kind,
        "channel": storable(of.channel), "state": of.state.value, "severity": of.severity.value,
        "opened_at": of.opened_at, "started_at": of.started_at, "last_at": of.last_at, "resolved_at": of.resolved_at,
        "peak_ratio": _number(of.peak_ratio), "peak_at": of.peak_at, "windows": of.windows,
        "cause": storable(of.cause),
        "acknowledged_at": of.acknowledged_at, "acknowledged_by": of.acknowledged_by or None, "note": of.note or None,
        "shelved_until": of.shelved_until, "shelved_by": of.shelved_by or None, "out_of_service": of.out_of_service,
        "verdict": of.verdict and of.verdict.value, "flapping_until": of.flapping_until,
        "escalate_after": of.escalate_after, "escalate_at": of.escalate_at, "repeat_every": of.repeat_every,
        "repeat_at": of.repeat_at, "due_at": due_at(of),
    }  # fmt: skip


def _transition_row(of: Transition) -> Row:
    return {
        "id": of.id, "alert": of.alert, "number": of.number, "cause": of.cause.value, "at": of.at,
        "state": of.state.value, "severity": of.severity.value, "ratio": _number(of.ratio),
        "actor": of.actor, "note": of.note, "withheld": of.withheld or None,
        "acted_at": of.acted_at,
    }  # fmt: skip


def _evidence_row(of: Evidence) -> Row:
    expected = of.reconstruction
    return {
        "alert": of.alert, "start_ns": of.start, "end_ns": of.end,
        "length": len(of.values), "channels": json.dumps(of.channels),
        "readings": of.values.astype("<f4").tobytes(),
        "reconstruction": None if expected is None else expected.astype("<f4").tobytes(),
        "contribution": of.contribution.astype("<f4").tobytes(),
        "facts": evidence_facts.to_text(of),
    }  # fmt: skip


def _outbox_row(of: Notification, now: int) -> Row:
    """Due at once: `next_at` 0 does not depend on two machines' clocks being equal."""
    return {
        "message": of.id, "transition": of.transition.id, "alert": of.transition.alert, "channel": of.channel,
        "payload": of.payload, "created": now, "next_at": 0, "attempts": 0, "severity": of.transition.severity.value,
    }  # fmt: skip


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _float(value: float | None) -> float:
    return math.nan if value is None else value
