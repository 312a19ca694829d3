"""The store on SQLite or PostgreSQL: one transaction per commit, behind a fence per partition."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, collate, delete, func, or_, select

from monitor.errors import StoreError
from monitor.ports.store import Commit, HistoryBlock, OpenedStream, Position
from monitor.records.alerts import Decision
from monitor.records.batches import LIVE, TopicPartition
from monitor.records.labels import Label
from monitor.records.recorded_lives import RecordedLife
from monitor.store import (
    alert_commands,
    alert_rows,
    changes,
    history,
    history_rows,
    recorded_lives,
    schema,
    shared_rows,
)
from monitor.store.commit import ModelKey, write
from monitor.store.conflicts import insert_into
from monitor.store.engine import Database
from monitor.store.maintenance import SqlMaintenances
from monitor.store.model_registry import SqlModelRegistry
from monitor.store.open import open_database
from monitor.store.text import storable
from monitor.store.trainings import SqlTrainings

_NAMES_AT_ONCE = 10_000  # bounds the memory of a query, states included
_STREAMS_AT_ONCE = 200  # whose history is read in one go


def open_store(url: str, *, migrate: bool = True) -> SqlStore:
    """Open the store at `url`. A new SQLite file gets its tables when `migrate` is set. Raises StoreError."""
    return SqlStore(open_database(url, migrate=migrate))


class SqlStore:
    """The store behind a `Database`. Used by one thread; each worker has its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._backend = database.backend
        self.registry, self.trainings = SqlModelRegistry(database), SqlTrainings(database)
        self.maintenance = SqlMaintenances(database)
        self._model_refs: dict[ModelKey, int] = {}
        self._in_doubt: tuple[Commit, str] | None = None  # and its transaction, while COMMIT was not answered
        self.identity = database.identity

    def start_run(self, run: str, *, replace: bool = False) -> None:
        """Make sure that no row of a replay's name exists; `replace` deletes all; see `Store`.

        Raises StoreError when the name is taken, and for the live run, which is never replaced.
        """
        if run == LIVE:
            raise StoreError(f"{self._database.label}: run {LIVE} cannot be replaced; give the replay another name")
        with self._database.writing() as connection:
            if not _exists(connection, run):
                return
            if not replace:
                raise StoreError(
                    f"{self._database.label}: run {run} exists already; give another name, or replace it with --replace"
                )
            _delete_run(connection, run)

    def take(self, run: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Position]:
        """Raise each partition's epoch; see `Store`."""
        taken = {}
        with self._database.writing() as connection:
            insert = insert_into(connection, schema.positions)
            p = schema.positions.c
            statement = insert.on_conflict_do_update(
                index_elements=["run", "topic", "partition"], set_={"epoch": p.epoch + 1, "updated": time.time_ns()}
            ).returning(p.epoch, p.next_offset, p.unreadable)
            for topic, partition in sorted(partitions):
                new = {"run": run, "topic": topic, "partition": partition, "epoch": 1, "updated": time.time_ns()}
                epoch, offset, unreadable = connection.execute(statement, new).one()
                taken[topic, partition] = Position(epoch, offset, unreadable or "")
        return taken

    def open_streams(self, run: str, family: str, names: Sequence[str]) -> list[OpenedStream]:
        """Rows of these streams in the order asked; see `Store`."""
        for name in names:
            if storable(name) != name:
                raise StoreError(f"{self._database.label}: stream name {name!r} holds characters that SQL cannot keep")
        opened: dict[str, OpenedStream] = {}
        with self._database.writing() as connection:
            for i in range(0, len(names), _NAMES_AT_ONCE):
                self._open(connection, run, family, names[i : i + _NAMES_AT_ONCE], opened)
        return [opened[name] for name in names]

    def _open(
        self, connection: Connection, run: str, family: str, names: Sequence[str], opened: dict[str, OpenedStream]
    ) -> None:
        find, add = self._backend.find_streams, self._backend.add_streams
        wanted = list(dict.fromkeys(names))
        for step in (find, add, find):  # the last for rows that another worker added in between
            opened.update(step(connection, run, family, wanted))
            wanted = [name for name in wanted if name not in opened]
            if not wanted:
                return

    def count_streams(self, run: str, family: str) -> int:
        """How many rows the family has in this run; see `Store`."""
        s = schema.streams.c
        with self._database.reading() as connection:
            count = select(func.count()).select_from(schema.streams).where(s.run == run, s.family == family)
            return int(connection.execute(count).scalar_one())

    def known_streams(self, run: str, family: str, names: Sequence[str]) -> set[str]:
        """Which of these names have a row; see `Store`."""
        s, known = schema.streams.c, set[str]()
        ours = select(s.name).where(s.run == run, s.family == family)
        with self._database.reading() as connection:
            for i in range(0, len(names), _NAMES_AT_ONCE):
                known.update(connection.execute(ours.where(s.name.in_(names[i : i + _NAMES_AT_ONCE]))).scalars())
        return known

    def stream_names(self, run: str, family: str, partition: int) -> list[str]:
        """Names of the family's streams of this partition; see `Store`."""
        s = schema.streams.c
        ours = select(s.name).where(s.run == run, s.family == family, s.partition == partition)
        ours = ours.where(or_(s.retired.is_(None), alert_rows.gateway_open(run, family).exists()))
        with self._database.reading() as connection:
            return list(connection.execute(ours).scalars())

    def commit(self, commit: Commit) -> None:
        """Write everything in one transaction; see `Store`.

        When the connection is lost while PostgreSQL commits, the outcome is unknown here. The next call with the
        same object asks the server first, so that trying again never writes twice.
        """
        if self._took_effect(commit):
            return
        try:
            self._write(commit)
        except StoreError as error:
            if not self._database.is_conflict(error):
                raise
            with self._database.reading() as connection:
                why = shared_rows.conflict(connection, commit)
            raise StoreError(f"{self._database.label}: {why} ({error})") from error
        self._in_doubt = None
        self._backend.tidy()

    def _write(self, commit: Commit) -> None:
        with self._database.writing() as connection:
            write(self._backend, connection, commit, self._model_refs, self.identity, time.time_ns())
            transaction = self._backend.transaction_id(connection)
            if transaction is not None:
                self._in_doubt = (commit, transaction)

    def _took_effect(self, commit: Commit) -> bool:
        """Whether an earlier try of `commit`, whose answer was lost, had been committed after all."""
        if self._in_doubt is None or self._in_doubt[0] is not commit:
            self._in_doubt = None
            return False
        with self._database.reading() as connection:
            answer = self._backend.committed(connection, self._in_doubt[1])
        if answer is None:
            raise StoreError(
                f"{self._database.label}: the server has not decided on the last commit yet", transient=True
            )
        self._in_doubt = None
        return answer

    def note_settings(self, run: str, family: str, settings: str) -> list[str]:
        """Keep the settings in force; returns what changed; see `Store`."""
        with self._database.writing() as connection:
            return changes.note(connection, run, family, settings)

    def decisions(self, run: str, family: str, since: int = 0) -> list[Decision]:
        """Commands of people that were carried out; see `Store`."""
        with self._database.reading() as connection:
            return alert_commands.decisions(connection, run, family, since)

    def lives(self, run: str, family: str) -> list[RecordedLife]:
        """Alerts of a run and family as they are recorded; see `Store`."""
        with self._database.reading() as connection:
            return recorded_lives.lives(connection, run, family)

    def history(
        self, run: str, family: str, stream_ids: Sequence[int] | None = None
    ) -> Iterator[tuple[str, HistoryBlock]]:
        """Blocks kept for training, in order of stream name (by code point) and time; see `Store`."""
        s, h = schema.streams.c, schema.history.c
        with self._database.reading() as connection:
            by_name = collate(s.name, "BINARY" if connection.dialect.name == "sqlite" else "C")
            kept = select(h.stream_id).where(h.stream_id == s.id).exists()
            ids = connection.execute(select(s.id).where(s.run == run, s.family == family, kept).order_by(by_name))
            wanted = None if stream_ids is None else set(stream_ids)
            streams = [id_ for id_ in ids.scalars() if wanted is None or id_ in wanted]
        blocks = select(s.name, schema.history).join(schema.history, h.stream_id == s.id)
        for i in range(0, len(streams), _STREAMS_AT_ONCE):
            some = blocks.where(s.id.in_(streams[i : i + _STREAMS_AT_ONCE])).order_by(by_name, h.first_ns, h.id)
            with self._database.reading() as connection:
                rows = connection.execute(some).all()
            yield from ((row.name, history_rows.block_of(row)) for row in rows)

    def unusual_times(self, run: str, family: str) -> Mapping[str, list[tuple[int, int]]]:
        """Stretches that no model is to learn from; see `Store`."""
        with self._database.reading() as connection:
            return alert_rows.unusual_times(connection, run, family)

    def labels(self, run: str, family: str) -> list[Label]:
        """Stretches of the past that people judged; see `Store`."""
        with self._database.reading() as connection:
            return alert_rows.labels(connection, run, family)

    def drop_history(self, stream_ids: Sequence[int]) -> None:
        """Forget the training blocks of these streams; see `Store`."""
        with self._database.writing() as connection:
            for i in range(0, len(stream_ids), _NAMES_AT_ONCE):
                some = list(stream_ids[i : i + _NAMES_AT_ONCE])
                connection.execute(delete(schema.history).where(schema.history.c.stream_id.in_(some)))

    def pack_history(self, stream_ids: Sequence[int], most: int) -> None:
        """Keep the oldest `most` readings of each of these streams, in one block; see `Store`."""
        for i in range(0, len(stream_ids), _STREAMS_AT_ONCE):
            with self._database.writing() as connection:
                history.pack(connection, stream_ids[i : i + _STREAMS_AT_ONCE], most)

    def thin_history(self, stream_ids: Sequence[int], newest: int) -> None:
        """Keep the newest readings of each of these streams, and half of the others; see `Store`."""
        for i in range(0, len(stream_ids), _STREAMS_AT_ONCE):
            with self._database.writing() as connection:
                history.thin(connection, stream_ids[i : i + _STREAMS_AT_ONCE], newest)

    def close(self) -> None:
        """Give connections back."""
        self._database.close()


_OF_A_RUN = (
    schema.alerts, schema.incidents, schema.changes, schema.dead_letters, schema.gaps, schema.late_readings,
    schema.positions, schema.streams, schema.suppressions,
)  # fmt: skip


def _exists(connection: Connection, run: str) -> bool:
    firsts = (select(table.c.run).where(table.c.run == run).limit(1) for table in _OF_A_RUN)
    return any(connection.execute(first).first() is not None for first in firsts)


def _delete_run(connection: Connection, run: str) -> None:
    """Transitions, evidence, commands and outbox go with their alerts, history with its streams."""
    alert_commands.queue(connection)
    ids = select(schema.streams.c.id).where(schema.streams.c.run == run)
    for table in (schema.scores, schema.rollups):
        connection.execute(delete(table).where(table.c.stream_id.in_(ids)))
    for table in _OF_A_RUN:
        connection.execute(delete(table).where(table.c.run == run))
