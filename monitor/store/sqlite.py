"""SQLite: one file, write-ahead log, many readers beside one writer.

`synchronous = NORMAL` syncs at checkpoints, not at each commit. A killed process loses nothing; after a power cut
the newest commits may be gone, together with their Kafka offsets, so the worker reads those records again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

from numpy.typing import NDArray
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL

from monitor.ports.store import OpenedStream, ScoreBlock, StreamState
from monitor.store.checkpoints import Checkpoints
from monitor.store.engine import StreamRow, root_cause

BUSY_SECONDS = 15

_OBJECTS = 50_000  # score rows that are Python objects at a time
_INSERT_SCORES = (
    'INSERT INTO scores (stream_id, end_ns, start_ns, score, "limit", ratio, imputed, state, model) VALUES '
)
_SCORE = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
# By how many rows they insert: thousands are three times as fast as one by one, and leave Python free meanwhile.
_INSERTS = {size: _INSERT_SCORES + ", ".join([_SCORE] * size) for size in (3000, 50, 1)}
_UPDATE_STREAMS = (  # {1} is the first field of StreamState, and so on
    'UPDATE streams SET updated = ?1, "partition" = {2}, last_time = {3}, accepted = {4}, late = {5}, duplicate = {6},'
    " future = {7}, imputed = {8}, gaps = {11}, out_of_range = {12}, seen = {13}, rate = {14}, state = {9}{0}"
    " WHERE streams.id = {1} AND ({10} IS NULL"
    " OR streams.accepted + streams.late + streams.duplicate + streams.future = {10})"
)
_FIELDS = range(1, len(StreamState._fields) + 1)
_STREAM = f"({', '.join('?' * len(_FIELDS))})"
_MANY = 100  # streams in a statement: twice as slow as one by one, but much faster beside a thread that keeps Python
_MANY_FROM = 1000  # streams in a commit: with fewer, hardly anybody waits
_UPDATES = {
    _MANY: _UPDATE_STREAMS.format(
        f" FROM (VALUES {', '.join([_STREAM] * _MANY)}) AS new", *(f"new.column{i}" for i in _FIELDS)
    ),
    1: _UPDATE_STREAMS.format("", *(f"?{i + 1}" for i in _FIELDS)),
}
_FIND_STREAMS = (
    "SELECT name, id, state, accepted, late, duplicate, future, imputed, gaps, out_of_range FROM streams"
    " WHERE run = ? AND family = ? AND name IN (SELECT value FROM json_each(?))"
)
_ADD_STREAMS = (
    "INSERT INTO streams (run, family, name, accepted, late, duplicate, future, imputed)"
    " SELECT ?, ?, value, 0, 0, 0, 0, 0 FROM json_each(?) WHERE true ON CONFLICT DO NOTHING RETURNING name, id"
)
_MEANINGS = (
    ("locked", f"another process kept the file locked for {BUSY_SECONDS} s; stop it, or use PostgreSQL for several"),
    ("disk is full", "the disk is full; free some space, nothing of this commit was written"),
    ("readonly", "the file or its folder is read-only; make both writable for this user"),
    ("unable to open", "the file cannot be opened; make sure that its folder exists and is writable"),
    ("no such table", "the tables are missing or old; run: watchkeeper db upgrade"),
    ("no such column", "the tables are missing or old; run: watchkeeper db upgrade"),
    ("not a database", "the file is no SQLite database; name another one in store.url"),
    ("malformed", "the file is damaged; restore a backup, or recover it with: sqlite3 FILE .recover"),
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
        s, begin = block.scores, 0
        columns = (block.stream_id, s.end, s.start, s.score, s.limit, s.ratio, s.imputed, s.state)
        for size, statement in _INSERTS.items():
            while (left := len(s) - begin) >= size:
                count = min(left, _OBJECTS) // size
                part = slice(begin, begin + count * size)
                cells = _interleaved([column[part] for column in columns], model)
                width = len(cells) // count
                many = [tuple(cells[i : i + width]) for i in range(0, len(cells), width)]
                connection.exec_driver_sql(statement, many)
                begin = part.stop

    def update_streams(self, connection: Connection, streams: Sequence[StreamState], now: int) -> int:
        """Save the state of streams by id, where nobody else has written since."""
        begin = updated = 0
        for size, statement in _UPDATES.items():
            end = len(streams) - (len(streams) - begin) % size if size == 1 or len(streams) >= _MANY_FROM else 0
            parts = [streams[i : i + size] for i in range(begin, end, size)]
            if parts:
                many = [(now, *chain.from_iterable(part)) for part in parts]
                updated += connection.exec_driver_sql(statement, many).rowcount
            begin = end
        return updated

    def find_streams(self, connection: Connection, run: str, family: str, names: Sequence[str]) -> list[StreamRow]:
        """Those of `names` that have a row."""
        rows = connection.exec_driver_sql(_FIND_STREAMS, (run, family, json.dumps(names)))
        return [(row[0], OpenedStream(row[1], row[2], row[3:])) for row in map(tuple, rows)]

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

    def tidy(self) -> None:
        """Let the write-ahead log be copied into the file."""
        self._checkpoints.begin()

    def close(self) -> None:
        """Give every connection back."""
        self._checkpoints.close()
        self.engine.dispose()

    def explain(self, error: BaseException) -> str:
        """What the driver's error means and what to do."""
        text = str(root_cause(error)).splitlines()[0]
        return next((f"{meaning} ({text})" for sign, meaning in _MEANINGS if sign in text.lower()), text)

    def transient(self, error: BaseException) -> bool:
        """A lock goes away by itself; a full or broken disk does not."""
        return "locked" in str(root_cause(error)).lower()


def _interleaved(columns: Sequence[NDArray[Any]], last: int | None) -> list[Any]:
    """The cells of all rows, one row after the other; `last` ends each."""
    width, rows = len(columns) + 1, len(columns[0])
    cells: list[Any] = [last] * (width * rows)
    for place, column in enumerate(columns):
        cells[place::width] = column.tolist()
    return cells


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # `_begin` begins; the driver would begin late and without the write lock
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -65536")  # KiB: what a commit of many streams touches stays in memory
    connection.execute("PRAGMA wal_autocheckpoint = 100000")  # pages, 400 MB: where `Checkpoints` cannot keep up
    connection.execute("PRAGMA journal_size_limit = 67108864")  # bytes that the log's file keeps when it begins anew
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")


def _begin(connection: Any) -> None:
    """Writers take the lock at once: waiting for it later could fail however long the busy timeout is."""
    mode = connection.get_execution_options().get("begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
