"""Names that a database knows, for what is said of one that it does not know. Read on that path only."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, select

from monitor.store import schema

MOST: Final = 5000  # names that are read; of ids, the newest
_IDS: Final = 1000


def runs(connection: Connection) -> list[str]:
    """Those that have streams."""
    return _steps(connection, schema.streams.c.run)


def families(connection: Connection, run: str) -> list[str]:
    """Those of which a run knows a stream."""
    return _steps(connection, schema.streams.c.family, schema.streams.c.run == run)


def streams(connection: Connection, run: str, family: str | None = None) -> list[str]:
    """Those that a run knows, of one family or of all."""
    s = schema.streams.c
    query = select(s.name).where(s.run == run).order_by(s.family, s.name)
    return _names(connection, query if family is None else query.where(s.family == family))


def has_stream(connection: Connection, run: str, family: str | None, name: str) -> bool:
    """Whether a run knows this one, however many there are: `streams` names the first `MOST` only."""
    s = schema.streams.c
    query = select(s.id).where(s.run == run, s.name == name).limit(1)
    return connection.execute(query if family is None else query.where(s.family == family)).scalar() is not None


def channels(connection: Connection) -> list[str]:
    """Those to which a message was ever written."""
    o = schema.outbox.c
    return _names(connection, select(o.channel).distinct().order_by(o.channel))


def groups(connection: Connection, run: str) -> list[str]:
    """Those of which there is an incident."""
    i = schema.incidents.c
    return _names(connection, select(i.group_name).where(i.run == run).distinct().order_by(i.group_name))


def alerts(connection: Connection) -> list[str]:
    """How the ids of the newest alerts begin, newest first."""
    return _begins(connection, schema.alerts, schema.alerts.c.opened_at)


def incidents(connection: Connection) -> list[str]:
    """How the ids of the newest incidents begin, newest first."""
    return _begins(connection, schema.incidents, schema.incidents.c.opened_at)


def _begins(connection: Connection, table: Table, newest: Column[Any]) -> list[str]:
    ids = connection.execute(select(table.c.id).order_by(newest.desc()).limit(_IDS)).scalars()
    return [id_.hex[:8] for id_ in ids]


def _names(connection: Connection, query: Select[Any]) -> list[str]:
    return [*connection.execute(query.limit(MOST)).scalars()]


def _steps(connection: Connection, column: Column[str], *where: ColumnElement[bool]) -> list[str]:
    """The values of a column that begins an index, behind `where`: one look into it for each, however many rows."""
    found: list[str] = []
    while len(found) < MOST:
        after = select(column).where(*where, column > (found[-1] if found else "")).order_by(column).limit(1)
        if (value := connection.execute(after).scalar()) is None:
            break
        found.append(value)
    return found
