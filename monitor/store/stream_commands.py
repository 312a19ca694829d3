"""What people do to streams: retire, forget and rename them, take them out of service and put them back.

Each is one transaction beside workers' commits.

A worker that holds the stream in memory learns nothing of it. It is refused the next commit in which it would write the
stream, as the row's `version` has changed or the row is gone, steps down and goes on from what is stored: so nothing of
what it held can come back, and it is refused once. All of them lock commands, then streams, then alerts; a commit
locks streams before alerts too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection, delete, func, select

from monitor.alerts.suppression import EVERY_KIND, Suppression
from monitor.config.durations import format_duration
from monitor.config.unknown_names import unknown
from monitor.errors import SettingsError
from monitor.ports.store import Announce
from monitor.records.alerts import Command, CommandKind
from monitor.records.scalars import LIVE
from monitor.store import (
    alert_commands,
    alert_rows,
    incident_rows,
    known_names,
    schema,
    service,
    stream_reports,
    suppressions,
    workers,
)
from monitor.store.engine import Database
from monitor.store.open import open_database
from monitor.store.text import storable

LATELY = 10 * 60 * 10**9  # ns since the newest commit about a stream that is to be forgotten


class Person(NamedTuple):
    """Who gives a command, and why."""

    by: str
    why: str = ""


class Done(NamedTuple):
    """What a command did: to the stream of which family, and to how many of its alerts."""

    family: str
    name: str
    alerts: int = 0


def open_stream_commands(url: str, announce: Announce) -> StreamCommands:
    """Open the store at `url` for commands about streams. Raises StoreError."""
    return StreamCommands(open_database(url), announce)


class StreamCommands:
    """Commands about streams of the live run. Any thread may use it, beside any number of workers.

    Each raises SettingsError where it cannot be carried out, and StoreError when SQL cannot be written: then nothing is
    changed. `family` is needed where several have a stream of that name.
    """

    def __init__(self, database: Database, announce: Announce) -> None:
        self._database, self._announce = database, announce

    def retire(self, name: str, family: str | None, person: Person) -> Done:
        """The stream is gone until it sends again: its open alerts are closed, and it is not called silent."""
        with self._database.writing() as connection:
            row = _locked(connection, name, family)
            if row.retired is not None:
                raise SettingsError(f"stream {name} of family {row.family} is retired already")
            retired = {"retired": workers.clock(connection)}
            closed = self._say(connection, row, CommandKind.CLOSE, person._replace(why=person.why or "retired"))
            _change(connection, row, retired)
            closed += self._close_gateway(connection, row, person)
        return Done(row.family, name, closed)

    def forget(self, name: str, family: str | None, person: Person) -> Done:
        """Delete the stream with its scores, training readings, late readings and alerts.

        Refused while it has open alerts, was written lately, or a living worker reads it and it is not retired.
        """
        with self._database.writing() as connection:
            row = _locked(connection, name, family)
            _refuse_lately(connection, row)
            if row.retired is None:
                _refuse_served(connection, row, f"; if it is gone for good: watchkeeper streams retire {name}")
            if connection.execute(alert_rows.open_ids(LIVE, row.family, name)).first() is not None:
                raise SettingsError(f"stream {name} has open alerts; watchkeeper streams retire {name} closes them")
            if _others(connection, row) and connection.execute(alert_rows.gateway_open(LIVE, row.family)).first():
                raise SettingsError(
                    f"all streams of family {row.family} are silent together; forget {name} when the gateway alert is "
                    "over, or retire the others too"
                )
            gateway = connection.execute(alert_rows.gateway_open(LIVE, row.family)).scalars().all()
            ours = {*_alerts(connection, row), *gateway}
            alert_rows.locked(connection, ours)
            incident_rows.lock(connection, ours)
            self._close_gateway(connection, row, person)
            _delete(connection, row)
        return Done(row.family, name)

    def rename(self, old: str, new: str, family: str | None, person: Person) -> Done:
        """The stream's rows go on under a new name, which has none; its open alerts are closed.

        Refused while a living worker reads it.
        """
        if not new.strip() or storable(new) != new:
            raise SettingsError(f"{new!r} cannot be the name of a stream")
        with self._database.writing() as connection:
            row = _locked(connection, old, family)
            _refuse_served(connection, row, "; stop the workers while it is renamed")
            s = schema.streams.c
            taken = select(s.id).where(s.run == LIVE, s.family == row.family, s.name == new)
            if connection.execute(taken).first() is not None:
                raise SettingsError(f"family {row.family} has a stream called {new} already; forget that one first")
            person = person._replace(why=person.why or f"renamed to {new}")
            closed = self._say(connection, row, CommandKind.CLOSE, person)
            _change(connection, row, {"name": new})
            for table in (schema.alerts, schema.late_readings, schema.suppressions):
                ours = (table.c.run == LIVE, table.c.family == row.family, table.c.stream == old)
                connection.execute(table.update().where(*ours).values(stream=new))
        return Done(row.family, new, closed)

    def take_out_of_service(self, name: str, family: str | None, person: Person) -> Done:
        """No alert of the stream is announced until it is in service again."""
        with self._database.writing() as connection:
            row = _locked(connection, name, family)
            if suppressions.out_of_service(connection, LIVE, row.family, name):
                raise SettingsError(f"stream {name} of family {row.family} is out of service already")
            by, note = storable(person.by), storable(person.why)
            out = Suppression(row.family, name, EVERY_KIND, "", None, by, note, time.time_ns())
            suppressions.begin(connection, LIVE, out)
            return Done(row.family, name, self._say(connection, row, CommandKind.OUT_OF_SERVICE, person))

    def put_in_service(self, name: str, family: str | None, person: Person) -> Done:
        """Alerts of the stream are announced again, those that are open at once."""
        with self._database.writing() as connection:
            row = _locked(connection, name, family)
            if not suppressions.out_of_service(connection, LIVE, row.family, name):
                raise SettingsError(f"stream {name} of family {row.family} is in service")
            suppressions.end(connection, LIVE, (row.family, name, EVERY_KIND, ""))
            return Done(row.family, name, self._say(connection, row, CommandKind.IN_SERVICE, person))

    def close(self) -> None:
        """Give connections back."""
        self._database.close()

    def _say(self, connection: Connection, row: Any, kind: CommandKind, person: Person) -> int:
        """Give a command about each open alert of a stream; returns how many there are."""
        ids = connection.execute(alert_rows.open_ids(LIVE, row.family, row.name)).scalars().all()
        gateway = connection.execute(alert_rows.gateway_open(LIVE, row.family)).scalars().all()
        alert_rows.locked(connection, {*ids, *gateway})  # alerts before their incidents, as a commit does
        incident_rows.lock(connection, {*ids, *gateway})
        return self._give_all(connection, ids, kind, person)

    def _close_gateway(self, connection: Connection, row: Any, person: Person) -> int:
        """Close the gateway alert of a family of which no other stream is left that could end it."""
        if _others(connection, row):
            return 0
        ids = connection.execute(alert_rows.gateway_open(LIVE, row.family)).scalars().all()
        person = person._replace(why=f"no stream of {row.family} is left")
        return self._give_all(connection, ids, CommandKind.CLOSE, person)

    def _give_all(self, connection: Connection, ids: Sequence[UUID], kind: CommandKind, person: Person) -> int:
        by, note = storable(person.by), storable(person.why)
        for alert in ids:
            command = Command(id=uuid4(), alert=alert, kind=kind, by=by, at=time.time_ns(), note=note)
            alert_commands.carry_out(connection, command, self._announce, self._database.identity)
        return len(ids)


def _locked(connection: Connection, name: str, family: str | None) -> Any:
    """The row of a stream, which nothing else changes before the end of the transaction."""
    alert_commands.queue(connection)
    s = schema.streams.c
    query = select(s.id, s.family, s.name, s.partition, s.updated, s.retired).where(s.run == LIVE, s.name == name)
    query = query if family is None else query.where(s.family == family)
    rows = connection.execute(query.order_by(s.family).with_for_update()).all()
    if not rows:
        of = "" if family is None else f" in family {family!r}"
        raise unknown("stream", name, known_names.streams(connection, LIVE, family), of)
    if len(rows) > 1:
        families = ", ".join(row.family for row in rows)
        raise SettingsError(f"several families have a stream called {name!r}: {families}; choose one with --family")
    return rows[0]


def _change(connection: Connection, row: Any, values: dict[str, Any]) -> None:
    """Change a row so that no worker that has loaded it before can write it, or go on with its alerts."""
    s = schema.streams.c
    values |= {"version": s.version + 1, "closed": workers.clock(connection)}
    connection.execute(schema.streams.update().where(s.id == row.id).values(**values))


def _delete(connection: Connection, row: Any) -> None:
    """Transitions, evidence, commands and outbox go with their alerts, training readings with the stream."""
    incident_rows.forget(connection, _alerts(connection, row))
    for table in (schema.scores, schema.rollups):
        connection.execute(delete(table).where(table.c.stream_id == row.id))
    for named in (schema.alerts, schema.late_readings, schema.suppressions):
        ours = (named.c.run == LIVE, named.c.family == row.family, named.c.stream == row.name)
        connection.execute(delete(named).where(*ours))
    connection.execute(delete(schema.streams).where(schema.streams.c.id == row.id))


def _alerts(connection: Connection, row: Any) -> Sequence[UUID]:
    """Every alert of a stream."""
    a = schema.alerts.c
    query = select(a.id).where(a.run == LIVE, a.family == row.family, a.stream == row.name)
    return connection.execute(query).scalars().all()


def _others(connection: Connection, row: Any) -> int:
    """How many other streams of the family are not retired."""
    s = schema.streams.c
    query = select(func.count()).where(s.run == LIVE, s.family == row.family, s.retired.is_(None), s.id != row.id)
    return int(connection.execute(query).scalar_one())


def _refuse_lately(connection: Connection, row: Any) -> None:
    age = None if row.updated is None else workers.clock(connection) - row.updated
    if age is not None and age < LATELY:
        ago, wait = (format_duration(max(0, time_) // 10**9 * 10**9) for time_ in (age, LATELY))
        raise SettingsError(f"stream {row.name} was written {ago} ago; forget it {wait} after it has sent last")


def _refuse_served(connection: Connection, row: Any, hint: str) -> None:
    """Raise where a living worker owns the stream's partition, or some partition where that is not known."""
    served = service.read(connection, LIVE)
    topic = stream_reports.topic(connection, LIVE, row.family)
    for partition in served.owners:
        if topic in {"", partition[0]} and row.partition in {None, partition[1]} and served.serves(partition):
            raise SettingsError(
                f"stream {row.name}: a living worker reads topic {partition[0]}, partition {partition[1]}{hint}"
            )
