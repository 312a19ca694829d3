"""Copies of messages for the channel that stands in for a failing one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, select

from monitor.store import schema
from monitor.store.conflicts import insert_into
from monitor.store.outbox_queues import pending

MOST: Final = 1000  # copied in a transaction


def divert_waiting(connection: Connection, channel: str, to: str, now: int) -> int:
    """Copy what waits for a channel, oldest first; how many were looked at, `MOST` at most."""
    o = schema.outbox.c
    waiting = select(o.id).where(pending(schema.outbox), o.channel == channel, o.digest.is_(None), o.diverted.is_(None))
    return divert(connection, connection.execute(waiting.order_by(o.id).limit(MOST)).scalars().all(), to, now)


def divert(connection: Connection, ids: Collection[int], to: str, now: int) -> int:
    """Copy these rows to the channel `to`, in their order, but those that were copied before; how many are new to it.

    A message that the channel has already is not copied, and a digest only once, so that nothing goes in circles.
    """
    o = schema.outbox.c
    fresh = select(schema.outbox).where(o.id.in_(ids), o.diverted.is_(None)).order_by(o.id).with_for_update()
    rows = connection.execute(fresh).all()
    if not rows:
        return 0
    moved = [row.id for row in rows]
    for which in (o.id.in_(moved), o.digest.in_(moved)):  # what was joined into a digest has gone there in it
        connection.execute(schema.outbox.update().where(which, o.diverted.is_(None)).values(diverted=now))
    copies = [_copy(row, to, now) for row in rows if row.transition is not None or row.origin is None]
    if copies:
        connection.execute(insert_into(connection, schema.outbox).on_conflict_do_nothing(), copies)
    return len(rows)


def follow(connection: Connection, accepted: Sequence[int], to: str, now: int) -> None:
    """Copy those of these rows, and of what was joined into them, of whose alert an earlier row was copied to `to`.

    So the stand-in gets the end of what it was given the beginning of, although the first channel works again.
    """
    o, before = schema.outbox.c, schema.outbox.alias()
    earlier = (before.c.alert == o.alert) & (before.c.channel == o.channel) & (before.c.id < o.id)
    known = select(before.c.id).where(earlier, before.c.diverted.is_not(None)).exists()
    for which in (o.id.in_(accepted), o.digest.in_(accepted)):  # one query of both would not be read by index
        later = select(o.id).where(which, o.diverted.is_(None), known)
        found = connection.execute(later.order_by(o.id)).scalars().all()
        for i in range(0, len(found), MOST):
            divert(connection, found[i : i + MOST], to, now)


def marked(payload: str, channel: str) -> str:
    """The payload, which says first that it stands in for that of another channel."""
    if not payload.startswith("{"):
        return payload
    return f'{{"fallback_for":{msgspec.json.encode(channel).decode()},{payload[1:]}'


def _copy(row: Row[Any], to: str, now: int) -> dict[str, Any]:
    return {
        "message": row.message or row.transition, "transition": row.transition, "alert": row.alert, "channel": to,
        "payload": marked(row.payload, row.channel), "created": now, "next_at": 0, "attempts": 0,
        "severity": row.severity, "origin": row.id,
    }  # fmt: skip
