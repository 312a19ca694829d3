"""Messages that are joined into a digest, and end as it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Row, select

from monitor.ports.notifier import Render
from monitor.records.alerts import Delivery, Severity
from monitor.store import schema
from monitor.store.outbox_queues import FAR, delivery, due, due_at_once, heads, pending

MOST: Final = 2000  # messages of a digest
_AT_ONCE = 5000  # parameters of a query


def join(connection: Connection, channel: str, now: int, before: int, render: Render, *, urgent: bool) -> int:
    """Make one digest; see `Outbox`. The caller has begun a transaction that writes."""
    rows = _joinable(connection, channel, now, before, urgent=urgent)[:MOST]
    if len(rows) < 2:
        return 0
    id_ = uuid4()
    critical = any(row.severity == Severity.CRITICAL.value for row in rows)
    digest = {
        "message": id_, "transition": None, "alert": id_, "channel": channel,
        "payload": render([delivery(row) for row in rows], id_), "created": now, "next_at": 0, "attempts": 0,
        "severity": (Severity.CRITICAL if critical else Severity.WARNING).value,
    }  # fmt: skip
    key = connection.execute(schema.outbox.insert().values(**digest)).inserted_primary_key
    assert key is not None  # noqa: S101 (one row was inserted)
    o = schema.outbox.c
    joined = schema.outbox.update().where(o.id.in_([row.id for row in rows]))
    connection.execute(joined.values(digest=key[0], next_at=FAR))
    return len(rows)


def _joinable(connection: Connection, channel: str, now: int, before: int, *, urgent: bool) -> list[Row[Any]]:
    """What waits of the alerts whose head is due, in order; of each alert from the head on.

    A head that was tried already is left out with what stands behind it: the receiver may have it, under its id.
    """
    o = schema.outbox.c
    found = due(channel, now, urgent=urgent).where(o.transition.is_not(None), o.created < before, o.attempts == 0)
    alerts = {row.alert for row in connection.execute(found.limit(MOST))}
    ready = {alert for alert, (_, at) in heads(connection, channel, alerts).items() if at <= now}
    queues = select(schema.outbox).where(pending(schema.outbox), o.channel == channel, o.alert.in_(ready))
    rows = connection.execute(queues.order_by(o.alert, o.id).with_for_update()).all()
    chosen = []
    for _, queue in groupby(rows, key=lambda row: row.alert):
        first, *rest = queue
        free = first.digest is None and first.next_at <= now  # nothing has taken it before it was locked
        if free and not first.attempts:
            chosen += [row for row in (first, *rest) if row.created < before]
    return sorted(chosen, key=lambda row: row.id)


def is_digest(delivery: Delivery) -> bool:
    """Whether others may have been joined into it: its message stands for its alert."""
    return delivery.alert == delivery.message


def end(connection: Connection, digests: Sequence[int], **values: int | None) -> None:
    """These rows have ended: what was joined into them ends so too, and what stands behind it is due."""
    o = schema.outbox.c
    for some in _pieces(digests):
        members = o.digest.in_(some) & o.delivered_at.is_(None)
        rows = connection.execute(select(o.alert, o.channel).where(members).distinct()).all()
        if rows:
            connection.execute(schema.outbox.update().where(members).values(**values))
            due_at_once(connection, rows)


def reopen(connection: Connection, digests: Sequence[int]) -> None:
    """What was joined into these rows waits again."""
    o = schema.outbox.c
    for some in _pieces(digests):
        members = o.digest.in_(some) & o.gave_up_at.is_not(None)
        connection.execute(schema.outbox.update().where(members).values(gave_up_at=None, next_at=FAR))


def _pieces(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[i : i + _AT_ONCE] for i in range(0, len(ids), _AT_ONCE))
