"""Queries over the queues of the outbox: what waits, what is due, and the head of each alert's queue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, func, select, text
from sqlalchemy.sql.expression import FromClause

from monitor.records.alerts import Delivery, Severity
from monitor.store import schema

FAR: Final = 2**62  # when a message is due that waits for its digest
_AT_ONCE: Final = 5000  # parameters of a statement
_BY_INDEX: Final = text(
    "SELECT " + ", ".join(f"set_config('enable_{way}', 'off', true)" for way in ("seqscan", "bitmapscan", "sort"))
)


def pending(outbox: FromClause) -> ColumnElement[bool]:
    """Neither delivered nor given up; true of what waits for its digest too."""
    return outbox.c.delivered_at.is_(None) & outbox.c.gave_up_at.is_(None)


def unended() -> ColumnElement[bool]:
    """As `pending`, of rows that are found by their id.

    It is written so that no index of the pending rows fits: PostgreSQL would read all of one to find an id where it has
    no statistics of the table yet, as in a flood.
    """
    return func.coalesce(schema.outbox.c.delivered_at, schema.outbox.c.gave_up_at).is_(None)


def by_index(connection: Connection) -> None:
    """For this transaction: whatever the statistics say, PostgreSQL reads the outbox in the order of an index."""
    if connection.dialect.name == "postgresql":
        connection.execute(_BY_INDEX)


def due(channel: str, now: int, *, urgent: bool) -> Select[Any]:
    """Rows of a channel that are due, what has been due for longest first, heads or not."""
    o = schema.outbox.c
    found = select(schema.outbox).where(pending(schema.outbox), o.channel == channel, o.next_at <= now)
    if urgent:
        other = schema.outbox.alias()
        critical = (other.c.channel == channel) & (other.c.severity == Severity.CRITICAL.value)
        found = found.where(o.alert.in_(select(other.c.alert).where(pending(other), critical)))
    return found.order_by(o.next_at, o.id)


def heads(connection: Connection, channel: str, alerts: set[Any]) -> dict[Any, tuple[int, int]]:
    """The oldest pending row of each of these alerts on a channel: its id, and when it is due."""
    o = schema.outbox.c
    found: dict[Any, tuple[int, int]] = {}
    query = select(o.alert, o.id, o.next_at).where(pending(schema.outbox), o.channel == channel, o.alert.in_(alerts))
    for alert, id_, next_at in connection.execute(query.order_by(o.alert, o.channel, o.id)):
        found.setdefault(alert, (id_, next_at))
    return found


def put_off(connection: Connection, rows: Iterable[tuple[int, int]]) -> None:
    """Make these rows, by id, due at a time, but those that ended or were joined into a digest meanwhile."""
    by_time: defaultdict[int, list[int]] = defaultdict(list)
    for id_, at in rows:
        by_time[at].append(id_)
    o = schema.outbox.c
    for at, ids in by_time.items():
        for i in range(0, len(ids), _AT_ONCE):
            some = o.id.in_(ids[i : i + _AT_ONCE])
            connection.execute(schema.outbox.update().where(some, unended(), o.digest.is_(None)).values(next_at=at))


def due_at_once(connection: Connection, gone: Iterable[Any]) -> None:
    """The heads of these queues, by alert and channel, have left: what stands behind them need not wait any longer."""
    alerts: defaultdict[str, set[Any]] = defaultdict(set)
    for each in gone:
        alerts[each.channel].add(each.alert)
    o = schema.outbox.c
    for channel, some in sorted(alerts.items()):
        # Those due already too, as a claim may be putting them off. In an order that only one index has.
        behind = select(o.id).where(pending(schema.outbox), o.channel == channel, o.alert.in_(some), o.digest.is_(None))
        ids = connection.execute(behind.order_by(o.alert, o.channel, o.id)).scalars()
        put_off(connection, [(id_, 0) for id_ in ids])


def delivery(row: Any) -> Delivery:
    """A row of `outbox`. A digest has no transition: its message stands for it."""
    message = row.message or row.transition
    return Delivery(
        id=row.id, message=message, transition=row.transition or message, alert=row.alert, channel=row.channel,
        payload=row.payload, attempts=row.attempts,
    )  # fmt: skip
