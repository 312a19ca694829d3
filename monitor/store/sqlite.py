"""SQLite: one file, write-ahead log, many readers beside one writer.

`synchronous = NORMAL` syncs at checkpoints, not at each commit. A killed process loses nothing; after a power cut
the newest commits may be gone, together with their Kafka offsets, so the worker reads those records again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from itertools import repeat
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL

from monitor.ports.store import OpenedStream, ScoreBlock, StreamState
from monitor.store import stream_rows
from monitor.store.checkpoints import Checkpoints
from monitor.store.engine import StreamRow, root_cause
from monitor.store.sqlite_rows import insert_many, inserts, interleaved
from monitor.store.stream_rows import FIELDS, SELECTED, insert, opened, update

BUSY_SECONDS = 15

_OBJECTS = 48_000  # score rows that are Python objects at a time

_INSERT_SCORES = inserts(
    "scores", ("stream_id", "end_ns", "start_ns", "score", '"limit"', "ratio", "imputed", "state", "model")
)
_MANY = 100  # streams in a statement: twice as slow as one by one, but much faster beside a thread that keeps Python
_MANY_FROM = 1000  # streams in a commit: with fewer, other threads hardly wait
_STREAMS = ", ".join([f"({', '.join('?' * len(FIELDS))})"] * _MANY)
_UPDATE_MANY = update(
    "?1", {name: f"new.column{i}" for i, name in enumerate(FIELDS, 1)}, f" FROM (VALUES {_STREAMS}) AS new"
)
_UPDATE_ONE = update("?1", {name: f"?{i}" for i, name in enumerate(FIELDS, 2)})
_FIND_STREAMS = (
    f"SELECT {SELECTED} FROM streams"  # noqa: S608 (our names)
    " WHERE run = ? AND family = ? AND name IN (SELECT value FROM json_each(?))"
)
_ADD_STREAMS = insert("?", "?", "value", " FROM json_each(?) WHERE true")
_MEANINGS = (
    ("locked", f"another process kept the file locked for {BUSY_SECONDS} s; stop it, or use PostgreSQL for several"),
    ("disk is full", "the disk is full; free some space, nothing of this commit was written"),
    ("readonly", "the file or its folder is read-only; make both writable for this user"),
    ("unable to open", "the file cannot be opened; make sure that its folder exists and is writable"),
    ("no such table", "the tables are missing or old; run: watchkeeper db upgrade"),
    ("no such column", "the tables are missing or old; run: watchkeeper db upgrade"),
    ("not a database", "the file is no SQLite database; name another one in store.url"),
    ("malformed", "the file is damaged; restore a backup, or recover it with: sqlite3 FILE .recover"),
    ("unique constraint", "such a row is there already; another process was faster, try again"),
    ("foreign key", "a row that this one refers to was deleted meanwhile; try again"),
    ("constraint failed", "the tables are not as Watchkeeper makes them; compare them with docs/sql.md"),
    ("too big", "a text or blob is longer than the database takes; shorten it"),
    ("disk i/o error", "the disk reports an I/O error; check its free space and its health"),
)


class Sqlite:
    """The backend behind `sqlite:///` URLs."""

    def __init__(self, url: URL) -> None:
        self.engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
        event.listen(self.engine, "connect", _configure)
        event.listen(self.engine, "begin", _begin)
        self._checkpoints = Checkpoints(self.engine)

    def insert_scores(self, connection: Connection, block: ScoreBlock, model: int | None) -> None:
        """Add a block of scores; SQLite stores NaN as NULL by itself."""
        s = block.scores
        columns = (block.stream_id, s.end, s.start, s.score, s.limit, s.ratio, s.imputed, s.state)
        for begin in range(0, len(s), _OBJECTS):
            cells = [column[begin : begin + _OBJECTS].tolist() for column in columns]
            insert_many(connection, _INSERT_SCORES, [*cells, [model] * len(cells[0])])

    def update_streams(self, connection: Connection, streams: Sequence[StreamState], now: int) -> int:
        """Save the state of streams by id, where no other worker has written since."""
        end = len(streams) - len(streams) % _MANY if len(streams) >= _MANY_FROM else 0
        parts = [stream_rows.columns(streams[i : i + _MANY]) for i in range(0, end, _MANY)]
        updated = 0
        if many := [(now, *interleaved(part)) for part in parts]:
            updated += connection.exec_driver_sql(_UPDATE_MANY, many).rowcount
        if rest := streams[end:]:
            one_by_one = list(zip(repeat(now), *stream_rows.columns(rest)))
            updated += connection.exec_driver_sql(_UPDATE_ONE, one_by_one).rowcount
        return updated

    def find_streams(self, connection: Connection, run: str, family: str, names: Sequence[str]) -> list[StreamRow]:
        """Those of `names` that have a row."""
        rows = connection.exec_driver_sql(_FIND_STREAMS, (run, family, json.dumps(names)))
        return list(map(opened, rows))

    def add_streams(self, connection: Connection, run: str, family: str, names: Sequence[str]) -> list[StreamRow]:
        """Make rows for those of `names` that have none, and return them."""
        rows = connection.exec_driver_sql(_ADD_STREAMS, (run, family, json.dumps(names)))
        return [(name, OpenedStream(id_, None)) for name, id_ in rows]

    def transaction_id(self, connection: Connection) -> str | None:
        """None: the database runs in this process, so its answer to COMMIT cannot be lost."""
        return None

    def committed(self, connection: Connection, transaction: str) -> bool | None:
        """Never asked, as there are no transaction ids."""
        raise NotImplementedError

    def end_frozen(self, error: BaseException) -> list[int]:
        """There is one writer, and the lock of one that stands still cannot be taken away."""
        return []

    def tidy(self) -> None:
        """Let the write-ahead log be copied into the file."""
        self._checkpoints.begin()

    def close(self) -> None:
        """Give every connection back."""
        self._checkpoints.close()
        self.engine.dispose()

    def explain(self, error: BaseException) -> tuple[str, bool]:
        """See `Backend`: a lock goes away by itself; a full or broken disk does not."""
        text = str(root_cause(error)).splitlines()[0]
        signs = f"readonly {text}" if "unable to open" in text and _is_read_only(self.engine.url) else text.lower()
        said = next((f"{meaning} ({text})" for sign, meaning in _MEANINGS if sign in signs), text)
        return said, "locked" in str(root_cause(error)).lower()


def _is_read_only(url: URL) -> bool:
    """Whether the file lies in a folder that cannot be written: without its log it cannot even be opened there."""
    path = os.path.abspath(url.database or "")
    return os.path.exists(path) and not os.access(os.path.dirname(path), os.W_OK)


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # `_begin` begins; the driver would begin late and without the write lock
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -65536")  # KiB: what a commit of many streams touches stays in memory
    connection.execute("PRAGMA wal_autocheckpoint = 100000")  # pages, 400 MB: where `Checkpoints` cannot keep up
    connection.execute("PRAGMA journal_size_limit = 67108864")  # bytes that the log's file keeps when it is reset
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")


def _begin(connection: Any) -> None:
    """Writers take the lock at once: waiting for it later could fail however long the busy timeout is."""
    mode = connection.get_execution_options().get("begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
