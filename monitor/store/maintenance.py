"""Maintenance on SQLite or PostgreSQL; see `monitor.ports.maintenance`. Every call is one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Connection, select

from monitor.config.unknown_names import unknown
from monitor.errors import SettingsError
from monitor.ports.maintenance import Entered
from monitor.ports.store import Announce
from monitor.records.maintenance import Maintenance, Muting
from monitor.records.scalars import LIVE
from monitor.store import schema, withheld, workers
from monitor.store.engine import Database
from monitor.store.open import open_database
from monitor.store.text import storable


def open_maintenance(url: str) -> SqlMaintenances:
    """Open the store at `url` for people's commands, with separate connections. Raises StoreError."""
    return SqlMaintenances(open_database(url))


class SqlMaintenances:
    """The maintenance behind a `Database`; see `Maintenances`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def windows(self) -> list[Maintenance]:
        """All that counts; see `Maintenances`."""
        with self._database.reading() as connection:
            return windows(connection)

    def entered(self, *, removed: bool = False) -> list[Entered]:
        """Every row; see `Maintenances`."""
        with self._database.reading() as connection:
            return _rows(connection, removed=removed)

    def add(self, some: Sequence[Maintenance]) -> list[Entered]:
        """Enter all of these, or none; see `Maintenances`."""
        with self._database.writing() as connection:
            _queue(connection)
            refuse_taken([each.maintenance.name for each in _rows(connection)], some)
            created = workers.clock(connection)
            insert = schema.maintenance.insert().returning(schema.maintenance.c.id)
            ids = [connection.execute(insert, _row(each, created)).scalar_one() for each in some]
        return [Entered(id_, each, created) for id_, each in zip(ids, some, strict=True)]

    def concerns(self, of: Maintenance) -> bool:
        """Whether some stream of the live run that is known is one of its streams."""
        s = schema.streams.c
        known = select(s.name).where(s.run == LIVE, s.retired.is_(None)).distinct()
        known = known.where(s.family.in_(of.families)) if of.families else known
        with self._database.reading() as connection:
            return any(fnmatchcase(name, of.streams) for name in connection.execute(known).scalars())

    def remove(self, name: str, by: str, why: str, *, void: bool = False) -> Entered:
        """End one that is in force; see `Maintenances`."""
        m = schema.maintenance.c
        with self._database.writing() as connection:
            _queue(connection)
            found = in_force(_rows(connection), name)
            at = workers.clock(connection)
            values = {"removed_at": at, "removed_by": storable(by), "removed_why": storable(why), "void": int(void)}
            connection.execute(schema.maintenance.update().where(m.id == found.id).values(**values))
            reason = f"maintenance {found.maintenance.name}"
            withheld.bring_forward(connection, at, schema.withheld.c.reason == reason)
        return replace(found, removed_at=at, removed_by=by, removed_why=why, void=void)

    def review(self, run: str) -> None:
        """Have `release` look at everything that is withheld; see `Maintenances`."""
        with self._database.reading() as connection:  # mostly there is nothing: that needs no write lock
            if not withheld.any_of(connection, run):
                return
        with self._database.writing() as connection:
            withheld.bring_forward(connection, 0, schema.withheld.c.run == run)

    def release(self, run: str, now: int, muting: Muting, announce: Announce) -> int:
        """Announce what is no longer withheld; see `Maintenances`."""
        with self._database.reading() as connection:  # most looks find nothing: they need no write lock
            if not withheld.due(connection, run, now):
                return 0
        with self._database.writing() as connection:
            return withheld.release(connection, run, now, muting, (announce, self._database.identity))

    def close(self) -> None:
        """Give connections back."""
        self._database.close()


def windows(connection: Connection) -> list[Maintenance]:
    """All that counts, also of the past."""
    return counting(_rows(connection, removed=True))


def counting(rows: Iterable[Entered]) -> list[Maintenance]:
    """The maintenance that counts: that which was removed does so up to then."""
    return [replace(each.maintenance, over=each.removed_at) for each in rows if not each.void]


def refuse_taken(names: Sequence[str], some: Sequence[Maintenance]) -> None:
    """Raise SettingsError where a name is in force already, or given twice."""
    taken = [*names]
    for each in some:
        if each.name in taken:
            raise SettingsError(
                f"there is a maintenance called {each.name!r} already; choose another name, or remove it"
            )
        taken.append(each.name)


def in_force(rows: Sequence[Entered], name: str) -> Entered:
    """The one of that name, which was not removed. Raises SettingsError where there is none."""
    names = [each.maintenance.name for each in rows]
    if name in names:
        return rows[names.index(name)]
    raise unknown("maintenance", name, names, " in the database")


def _queue(connection: Connection) -> None:
    """One command at a time, so that a name is in force once. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE maintenance IN SHARE ROW EXCLUSIVE MODE")


def _rows(connection: Connection, *, removed: bool = False) -> list[Entered]:
    m = schema.maintenance.c
    query = select(schema.maintenance).order_by(m.id)
    return [_entered(row) for row in connection.execute(query if removed else query.where(m.removed_at.is_(None)))]


def _entered(row: Any) -> Entered:
    maintenance = Maintenance(
        name=row.name, families=tuple(json.loads(row.families)), streams=row.streams,
        start=datetime.fromisoformat(row.start), end=datetime.fromisoformat(row.end), zone=row.zone, rrule=row.rrule,
        exdates=_times(row.exdates), rdates=_times(row.rdates), notify=bool(row.notify), score=bool(row.score),
        learn=bool(row.learn), by=row.by, why=row.why,
    )  # fmt: skip
    return Entered(
        row.id, maintenance, row.created, row.removed_at, row.removed_by or "", row.removed_why or "", bool(row.void)
    )


def _times(text: str) -> tuple[datetime, ...]:
    return tuple(map(datetime.fromisoformat, json.loads(text)))


def _row(of: Maintenance, created: int) -> dict[str, Any]:
    return {
        "name": of.name, "families": json.dumps(of.families), "streams": of.streams, "start": of.start.isoformat(),
        "end": of.end.isoformat(), "zone": of.zone, "rrule": of.rrule, "exdates": _text(of.exdates),
        "rdates": _text(of.rdates), "notify": int(of.notify), "score": int(of.score), "learn": int(of.learn),
        "by": storable(of.by), "why": storable(of.why), "created": created,
    }  # fmt: skip


def _text(times: Iterable[datetime]) -> str:
    return json.dumps([time.isoformat() for time in times])
