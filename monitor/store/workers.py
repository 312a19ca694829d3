"""Heartbeats of workers: written by each, read by the others and by the command line."""

from __future__ import annotations

import time

import msgspec
from sqlalchemy import Connection, delete, select, text

from monitor.records.workers import Heartbeat, WorkerReport
from monitor.store import schema
from monitor.store.conflicts import insert_into
from monitor.store.engine import Database
from monitor.store.open import open_database
from monitor.store.text import storable

KEPT = 24 * 3600 * 10**9  # ns that the row of a worker stays after it ended or was heard last

_SERVER_CLOCK = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000")


def open_heartbeats(url: str) -> SqlHeartbeats:
    """Open the heartbeats of the store at `url`, with separate connections. Raises StoreError."""
    return SqlHeartbeats(open_database(url))


class SqlHeartbeats:
    """The workers of a `Database`. Any thread may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, report: WorkerReport) -> list[Heartbeat]:
        """Keep a worker's newest report; returns those of all; see `Heartbeats`."""
        with self._database.writing() as connection:
            now = clock(connection)
            insert = insert_into(connection, schema.workers).values(**_row(report, now))
            changed = {name: insert.excluded[name] for name in ("beat", "committed", "report")}
            connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=changed | {"ended": None}))
            w = schema.workers.c
            connection.execute(delete(schema.workers).where((w.beat < now - KEPT) | (w.ended < now - KEPT)))
            return read(connection, report.run, now)

    def end(self, worker: str, error: str) -> None:
        """Note that a worker stops; see `Heartbeats`."""
        with self._database.writing() as connection:
            ended = schema.workers.update().where(schema.workers.c.id == worker)
            connection.execute(ended.values(ended=clock(connection), error=storable(error)))

    def close(self) -> None:
        """Give connections back."""
        self._database.close()


def clock(connection: Connection) -> int:
    """The time by which ages are measured, ns: the server's, so that the clocks of machines may differ."""
    if connection.dialect.name == "sqlite":
        return time.time_ns()
    return int(connection.execute(_SERVER_CLOCK).scalar_one())


def read(connection: Connection, run: str, now: int) -> list[Heartbeat]:
    """Newest reports of a run's workers, by start."""
    w = schema.workers.c
    rows = connection.execute(select(schema.workers).where(w.run == run).order_by(w.started, w.id))
    return [
        Heartbeat(
            msgspec.json.decode(row.report, type=WorkerReport), max(0, now - row.beat),
            None if row.ended is None else max(0, now - row.ended), row.error,
        )
        for row in rows
    ]  # fmt: skip


def _row(report: WorkerReport, now: int) -> dict[str, object]:
    text = msgspec.json.encode(report).decode()
    same = {name: getattr(report, name) for name in ("id", "run", "host", "pid", "version", "started", "committed")}
    return {**same, "beat": now, "ended": None, "error": "", "report": text}
