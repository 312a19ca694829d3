"""Rows of `suppressions`: what is not announced of the alerts of a stream. See `monitor.alerts.suppression`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Container
from uuid import UUID

from sqlalchemy import Connection, select

from monitor.alerts import suppression
from monitor.alerts.lifecycle import Answered, Terms
from monitor.alerts.suppression import EVERY_KIND, Suppression
from monitor.ports.store import Commit
from monitor.records.alerts import Alert, AlertState
from monitor.store import schema


def terms(connection: Connection, commit: Commit, stored: Container[UUID]) -> dict[UUID, Terms]:
    """What holds for the alerts of a commit that are not stored yet."""
    first = {fact.alert: fact for fact in reversed(commit.facts) if fact.alert not in stored}
    if not first:
        return {}
    families = sorted({fact.family for fact in first.values()})
    holding = suppression.newest(_holding(connection, commit.run, families))
    if not holding and not commit.rules:
        return {}
    return {id_: suppression.terms(fact, commit.rules, holding) for id_, fact in first.items()}


def follow(connection: Connection, alert: Alert, answered: Answered) -> None:
    """What a command that was carried out means for the next alerts of the kind; `alert` is as it is after it."""
    if suppression.ended(answered):
        end(connection, alert.run, (alert.family, alert.stream, alert.kind, alert.channel))
    if (new := suppression.begun(alert, answered)) is not None:
        begin(connection, alert.run, new)


def begin(connection: Connection, run: str, new: Suppression) -> None:
    """It holds from now on."""
    connection.execute(schema.suppressions.insert().values(run=run, **new._asdict()))


def out_of_service(connection: Connection, run: str, family: str, stream: str) -> bool:
    """Whether a stream is out of service."""
    holding = _holding(connection, run, [family])
    return any((each.stream, each.kind) == (stream, EVERY_KIND) for each in holding)


def hidden(connection: Connection, run: str, now: int) -> defaultdict[tuple[str, str], set[str]]:
    """By family and stream: kinds of alerts that are shelved at `now` (ns), `EVERY_KIND` where it is out of service.

    Also those of open alerts that are shelved until they are over.
    """
    s, a, found = schema.suppressions.c, schema.alerts.c, defaultdict[tuple[str, str], set[str]](set)
    holding = select(s.family, s.stream, s.kind).where(s.run == run, s.ended.is_(None))
    holding = holding.where(s.until.is_(None) | (s.until > now))
    shelved = select(a.family, a.stream, a.kind).where(a.run == run, a.state == AlertState.SHELVED.value)
    for family, stream, kind in (*connection.execute(holding), *connection.execute(shelved)):
        found[family, stream].add(kind)
    return found


def end(connection: Connection, run: str, key: tuple[str, str, str, str]) -> None:
    """It holds no longer; nor do shelvings whose time is over."""
    s, now = schema.suppressions.c, time.time_ns()
    family, stream, kind, channel = key
    ours = (s.family == family) & (s.stream == stream) & (s.kind == kind) & (s.channel == channel)
    over = schema.suppressions.update().where(s.run == run, s.ended.is_(None), ours | (s.until < now))
    connection.execute(over.values(ended=now))


def _holding(connection: Connection, run: str, families: list[str]) -> list[Suppression]:
    s = schema.suppressions.c
    columns = [s[name] for name in Suppression._fields]
    ours = select(*columns).where(s.run == run, s.ended.is_(None), s.family.in_(families)).order_by(s.id)
    return [Suppression(*row) for row in connection.execute(ours)]
