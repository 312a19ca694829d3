"""What a family's settings were, and when they changed."""

from __future__ import annotations

import time

from sqlalchemy import Connection, select

from monitor.config.changes import differences
from monitor.store import schema
from monitor.store.conflicts import insert_into


def note(connection: Connection, run: str, family: str, settings: str) -> list[str]:
    """Add a row where `settings` differ from the newest ones; returns the differences. See `Store.note_settings`."""
    c = schema.changes.c
    newest = select(c.number, c.settings).where(c.run == run, c.family == family).order_by(c.number.desc()).limit(1)
    before = connection.execute(newest).one_or_none()
    what = [] if before is None else differences(before.settings, settings)
    if before is None or what:
        number = 0 if before is None else before.number + 1
        row = {"run": run, "family": family, "number": number, "what": "\n".join(what)}
        insert = insert_into(connection, schema.changes).on_conflict_do_nothing()  # a worker beside us was faster
        connection.execute(insert, row | {"settings": settings, "at": time.time_ns()})
    return what
