"""Trainings on SQLite or PostgreSQL; see `monitor.ports.trainings`. Every call is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from monitor.ports.trainings import LEASE_NS, Progress, Request, Training
from monitor.store import schema, workers
from monitor.store.engine import Database
from monitor.store.text import storable


class SqlTrainings:
    """The trainings behind a `Database`; see `Trainings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, request: Request) -> Training:
        """Ask for a training, unless one waits or runs; see `Trainings`."""
        t, m = schema.trainings.c, schema.models.c
        with self._database.writing() as connection:
            family = select(m.ref).where(m.family == request.family).with_for_update()
            connection.execute(family).all()  # a second worker that asks waits here
            now = workers.clock(connection)
            newest = _newest(connection, [request.family], now).get(request.family)
            if newest is not None and newest.progress in (Progress.WAITING, Progress.RUNNING):
                return newest
            row = {
                "family": request.family, "cause": storable(request.cause), "by": storable(request.by),
                "note": storable(request.note), "readings": request.readings, "at": now,
                "state": Progress.WAITING.value,
            }  # fmt: skip
            made = connection.execute(schema.trainings.insert().values(**row).returning(t.id)).scalar_one()
            return Training(id=made, request=request, at=now, progress=Progress.WAITING, free=True)

    def newest(self, families: Collection[str]) -> Mapping[str, Training]:
        """The newest training of each family; see `Trainings`."""
        with self._database.reading() as connection:
            return _newest(connection, families, workers.clock(connection))

    def claim(self, id_: int, readings: int | None = None) -> bool:
        """Begin a training that is free; see `Trainings`."""
        t = schema.trainings.c
        with self._database.writing() as connection:
            now = workers.clock(connection)
            taken = schema.trainings.update().where(t.id == id_, _free(now))
            values = {"state": Progress.RUNNING.value, "alive": now, "readings": func.coalesce(t.readings, readings)}
            return connection.execute(taken.values(values)).rowcount == 1

    def renew(self, id_: int) -> None:
        """Its worker lives; see `Trainings`."""
        with self._database.writing() as connection:
            values = {"alive": workers.clock(connection)}
            connection.execute(schema.trainings.update().where(schema.trainings.c.id == id_).values(values))

    def end(self, id_: int, progress: Progress, model: str = "", outcome: str = "") -> None:
        """It has ended; see `Trainings`."""
        t = schema.trainings.c
        with self._database.writing() as connection:
            values = {
                "state": progress.value, "ended": workers.clock(connection), "model": model,
                "outcome": storable(outcome),
            }  # fmt: skip
            connection.execute(schema.trainings.update().where(t.id == id_, t.ended.is_(None)).values(values))

    def measured(self, id_: int, readings: int) -> None:
        """Note how many readings a stream had; see `Trainings`."""
        t = schema.trainings.c
        with self._database.writing() as connection:
            unknown = schema.trainings.update().where(t.id == id_, t.readings.is_(None))
            connection.execute(unknown.values(readings=readings))

    def recent(self, family: str, limit: int) -> list[Training]:
        """The newest trainings of a family; see `Trainings`."""
        t = schema.trainings.c
        query = select(schema.trainings).where(t.family == family).order_by(t.id.desc()).limit(limit)
        with self._database.reading() as connection:
            now = workers.clock(connection)
            return [_training(row, now) for row in connection.execute(query)]


def _newest(connection: Connection, families: Collection[str], now: int) -> dict[str, Training]:
    t = schema.trainings.c
    newest = select(func.max(t.id)).where(t.family.in_(list(families))).group_by(t.family)
    rows = connection.execute(select(schema.trainings).where(t.id.in_(newest)))
    return {row.family: _training(row, now) for row in rows}


def _free(now: int) -> ColumnElement[bool]:
    t = schema.trainings.c
    abandoned = and_(t.state == Progress.RUNNING.value, t.alive < now - LEASE_NS)
    return or_(t.state == Progress.WAITING.value, abandoned)


def _training(row: Any, now: int) -> Training:
    progress = Progress(row.state)
    abandoned = progress is Progress.RUNNING and row.alive < now - LEASE_NS
    request = Request(family=row.family, cause=row.cause, by=row.by, note=row.note, readings=row.readings)
    return Training(
        id=row.id, request=request, at=row.at, progress=progress, free=progress is Progress.WAITING or abandoned,
        ended=row.ended, model=row.model, outcome=row.outcome,
    )  # fmt: skip
