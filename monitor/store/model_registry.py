"""The model registry on SQLite or PostgreSQL: rows of `models`, their lives, and small artefacts as one blob each."""

from __future__ import annotations

import time

from sqlalchemy import Connection, Row, select

from monitor.errors import ModelError
from monitor.ports.models import MONITOR, Life, LifeChange, ModelRow
from monitor.store import schema
from monitor.store.conflicts import insert_into
from monitor.store.engine import Database
from monitor.store.text import storable


class SqlModelRegistry:
    """The registry behind a `Database`; see `ModelRegistry`. Every call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, model: ModelRow, body: bytes | None, reason: str) -> None:
        """Record a trained model as candidate; see `ModelRegistry`."""
        m = schema.models.c
        row = {"id": model.id, "family": model.family, "path": model.path, "manifest": model.manifest}
        with self._database.writing() as connection:
            insert = insert_into(connection, schema.models).values(
                **row, state=Life.CANDIDATE.value, created=time.time_ns()
            )
            ref = connection.execute(insert.on_conflict_do_nothing().returning(m.ref)).scalar()
            if ref is not None:
                _log(connection, ref, Life.CANDIDATE, reason)
            else:
                ref = connection.execute(select(m.ref).where(m.family == model.family, m.id == model.id)).scalar_one()
            if body is not None:
                keep = insert_into(connection, schema.model_bodies).values(model=ref, body=body)
                mended = {"body": keep.excluded.body}  # what is there under this id is equal, or was damaged
                connection.execute(keep.on_conflict_do_update(index_elements=["model"], set_=mended))

    def promote(self, family: str, model: str, reason: str, by: str = MONITOR) -> None:
        """Make a model the champion and retire the one before; see `ModelRegistry`."""
        with self._database.writing() as connection:
            rows = self._locked(connection, family)
            chosen = _find(rows, family, model)
            if chosen.state == Life.CHAMPION.value:
                return
            for row in rows:
                if row.state == Life.CHAMPION.value:
                    _become(connection, row.ref, Life.RETIRED, f"replaced by {model[:16]}", by)
            _become(connection, chosen.ref, Life.CHAMPION, reason, by)

    def retire(self, family: str, model: str, reason: str) -> None:
        """Take a model out of use; see `ModelRegistry`."""
        with self._database.writing() as connection:
            row = _find(self._locked(connection, family), family, model)
            if row.state != Life.RETIRED.value:
                _become(connection, row.ref, Life.RETIRED, reason)

    def note(self, family: str, model: str, reason: str, by: str = MONITOR) -> None:
        """Add a line to a model's life; see `ModelRegistry`."""
        with self._database.writing() as connection:
            row = _find(self._locked(connection, family), family, model)
            _log(connection, row.ref, Life(row.state), reason, by)

    def models(self, family: str) -> list[ModelRow]:
        """All models of the family; see `ModelRegistry`."""
        m = schema.models.c
        query = select(m.id, m.family, m.manifest, m.path).where(m.family == family).order_by(m.ref)
        with self._database.reading() as connection:
            return [ModelRow(**row) for row in connection.execute(query).mappings()]

    def champion(self, family: str) -> ModelRow | None:
        """The model that scores this family; see `ModelRegistry`."""
        m = schema.models.c
        query = select(m.id, m.family, m.manifest, m.path).where(m.family == family, m.state == Life.CHAMPION.value)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else ModelRow(**row)

    def body(self, family: str, model: str) -> bytes | None:
        """The packed artefact, where SQL has it; see `ModelRegistry`."""
        m, b = schema.models.c, schema.model_bodies
        query = select(b.c.body).join(schema.models, m.ref == b.c.model).where(m.family == family, m.id == model)
        with self._database.reading() as connection:
            return connection.execute(query).scalar()

    def life(self, family: str) -> list[LifeChange]:
        """Every change of the family's models, oldest first; see `ModelRegistry`."""
        m, c = schema.models.c, schema.model_changes.c
        query = (
            select(m.id, c.at, c.state, c.reason, c.by).join(schema.models, m.ref == c.model).where(m.family == family)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(c.id)).all()
        return [LifeChange(row.id, row.at, Life(row.state), row.reason, row.by) for row in rows]

    @staticmethod
    def _locked(connection: Connection, family: str) -> list[Row[tuple[int, str, str]]]:
        """The family's models; until the transaction ends, a second one that promotes or retires waits here."""
        m = schema.models.c
        query = select(m.ref, m.id, m.state).where(m.family == family).order_by(m.ref)
        return list(connection.execute(query.with_for_update()))


def _find(rows: list[Row[tuple[int, str, str]]], family: str, model: str) -> Row[tuple[int, str, str]]:
    for row in rows:
        if row.id == model:
            return row
    raise ModelError(f"family {family} has no model {model[:16]}; train it, or choose one of those recorded")


def _become(connection: Connection, ref: int, state: Life, reason: str, by: str = MONITOR) -> None:
    m = schema.models.c
    connection.execute(schema.models.update().where(m.ref == ref).values(state=state.value))
    _log(connection, ref, state, reason, by)


def _log(connection: Connection, ref: int, state: Life, reason: str, by: str = MONITOR) -> None:
    row = {"model": ref, "at": time.time_ns(), "state": state.value, "reason": storable(reason), "by": storable(by)}
    connection.execute(schema.model_changes.insert().values(**row))
