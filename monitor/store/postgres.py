"""PostgreSQL through psycopg 3: binary COPY for scores, one statement over arrays for the state of streams.

The rows of a COPY are laid out by numpy: a score has a fixed width once it is known which of its numbers are NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL

from monitor.errors import StoreError
from monitor.ports.store import OpenedStream, ScoreBlock, StreamState
from monitor.store.engine import VALUES, StreamRow, root_cause
from monitor.store.stream_rows import FIELDS, SELECTED, columns, insert, opened, update

_COPY_SCORES = (
    'COPY scores (stream_id, end_ns, start_ns, score, "limit", ratio, imputed, state, model) FROM STDIN (FORMAT BINARY)'
)
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no extension
_COPY_TRAILER = b"\xff\xff"

_TYPES = dict.fromkeys(FIELDS, "bigint") | {
    "partition": "integer", "state": "bytea", "rate": "real", "version": "integer", "bar": "real",
}  # fmt: skip
_UPDATE_STREAMS = update(
    "%s",
    {name: f"new.{name}" for name in FIELDS},
    f" FROM unnest({', '.join(f'%b::{type_}[]' for type_ in _TYPES.values())}) AS new({', '.join(FIELDS)})",
)
# A join: ANY(array) compares every row with every name where the planner does not know the table's size yet.
_FIND_STREAMS = (
    f"SELECT {SELECTED} FROM streams JOIN unnest(%s::text[]) AS wanted(name) USING (name)"  # noqa: S608 (our names)
    " WHERE run = %s AND family = %s"
)
_ADD_STREAMS = insert("%s", "%s", "unnest(%s::text[])")

# A worker that is stopped in the middle of a transaction must not hold the next owner up for ever. The server ends one
# that stands between statements; it waits without end for the rest of a COPY: see `end_frozen`.
_TIMEOUTS = "-c statement_timeout=60s -c idle_in_transaction_session_timeout=20s -c lock_timeout=25s"
_END_FROZEN = (  # the list is made first: which condition of one list is tried first is up to the planner
    "WITH frozen AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE datname = current_database()"  # noqa: S608 (our text)
    " AND usename = current_user AND state = 'active' AND wait_event = 'ClientRead'"
    f" AND query = '{_COPY_SCORES}' AND query_start < now() - interval '20 seconds')"
    " SELECT pid FROM frozen WHERE pg_terminate_backend(pid)"
)
_CONNECT = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "client_encoding": "utf8",
}  # ms: a server that takes no bytes any more is gone

UTF8 = (
    "its encoding must be UTF8: make another database, `createdb --encoding=UTF8 --template=template0 NAME`, and name "
    "it in store.url; `pg_dump --encoding=UTF8` copies what this one holds"
)
_MEANINGS = (  # beginnings of SQLSTATE
    ("53100", "the disk of the server is full; free some space, nothing of this commit was written"),
    ("42P01", "the tables are missing or old; run: watchkeeper db upgrade"),
    ("42703", "the tables are missing or old; run: watchkeeper db upgrade"),
    ("42501", "the user lacks a privilege; grant it, or use the owner of the tables"),
    ("25006", "the server is read-only; point store.url at the primary"),
    ("28", "the server refused the login; check user, password and pg_hba.conf"),
    ("3D000", "the database does not exist; create it with: createdb NAME"),
    ("57014", "a statement took longer than 60 s; look for locks and load on the server"),
    ("55P03", "another transaction has held a lock for 25 s; try again, and look for what stands still on the server"),
    ("40", "the server undid the transaction in favour of another; try again"),
    ("08", "the connection was lost; make sure that the server is up"),
    ("57P", "the server is going down or starting up; try again when it is up"),
    ("23505", "such a row is there already; another process was faster, try again"),
    ("23503", "a row that this one refers to was deleted meanwhile; try again"),
    ("23", "the tables are not as Watchkeeper makes them; compare them with docs/sql.md"),
    ("22021", f"the database cannot keep a character; {UTF8}"),
    ("22P05", f"the database cannot keep a character; {UTF8}"),
    ("22", f"a value does not fit its column; {VALUES}"),
    ("54000", "a name is too long to be indexed; shorten it to 500 bytes"),
    ("25P03", "the server ended a transaction that had stood still for 20 s; try again"),
)
# Undone in favour of another, cancelled, out of connections or memory, locked, lost, shutting down or starting up.
_TRANSIENT = ("40", "57014", "53200", "53300", "55P03", "08", "57P", "25P03")
_WAITED = ("55P03", "57014")  # for a lock, or for a statement that waited for one


class Postgres:
    """The backend behind `postgresql+psycopg://` URLs."""

    def __init__(self, url: URL, *, timeouts: bool) -> None:
        arguments: dict[str, Any] = dict(_CONNECT)
        if timeouts and "options" not in url.query:
            arguments["options"] = _TIMEOUTS
        self.engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)
        event.listen(self.engine, "connect", _require_utf8)

    def insert_scores(self, connection: Connection, block: ScoreBlock, model: int | None) -> None:
        """Add a block of scores; NaN becomes NULL."""
        driver: Any = connection.connection.driver_connection
        rows = copy_rows(block, model)
        try:
            with driver.cursor() as cursor, cursor.copy(_COPY_SCORES) as copy:
                copy.write(rows)
        except psycopg.Error as error:
            if driver.closed:  # SQLAlchemy does not see this call: otherwise it would try to roll back
                connection.invalidate(error)
            raise

    def update_streams(self, connection: Connection, streams: Sequence[StreamState], now: int) -> int:
        """Save the state of streams by id, where no other worker has written since."""
        return connection.exec_driver_sql(_UPDATE_STREAMS, (now, *map(list, columns(streams)))).rowcount

    def find_streams(self, connection: Connection, run: str, family: str, names: Sequence[str]) -> list[StreamRow]:
        """Those of `names` that have a row."""
        rows = connection.exec_driver_sql(_FIND_STREAMS, (list(names), run, family))
        return list(map(opened, rows))

    def add_streams(self, connection: Connection, run: str, family: str, names: Sequence[str]) -> list[StreamRow]:
        """Make rows for those of `names` that have none, and return them."""
        rows = connection.exec_driver_sql(_ADD_STREAMS, (run, family, list(names)))
        return [(name, OpenedStream(id_, None)) for name, id_ in rows]

    def transaction_id(self, connection: Connection) -> str | None:
        """The server's number of this transaction."""
        return str(connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar_one())

    def committed(self, connection: Connection, transaction: str) -> bool | None:
        """Whether that transaction took effect; None while the server has not noticed that its client is gone."""
        status = connection.exec_driver_sql("SELECT pg_xact_status(%s::xid8)", (transaction,)).scalar_one()
        return None if status == "in progress" else status == "committed"

    def tidy(self) -> None:
        """The server does that by itself."""

    def end_frozen(self, error: BaseException) -> list[int]:
        """See `Backend`: sessions of ours that have begun a COPY and have sent no more of it for 20 s."""
        if getattr(root_cause(error), "sqlstate", None) not in _WAITED:
            return []
        with self.engine.connect() as connection:
            return [int(row.pid) for row in connection.exec_driver_sql(_END_FROZEN)]

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()

    def explain(self, error: BaseException) -> tuple[str, bool]:
        """See `Backend`: a server that is away, busy, or undid the transaction, may take it later."""
        cause = root_cause(error)
        text = (str(cause).splitlines() or [type(cause).__name__])[0]
        if not (code := getattr(cause, "sqlstate", None) or ""):
            if isinstance(cause, psycopg.OperationalError):
                text = f"the server cannot be reached; make sure that it is up and store.url is right ({text})"
            return text, isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
        said = next((f"{meaning} ({text})" for sign, meaning in _MEANINGS if code.startswith(sign)), text)
        return said, code.startswith(_TRANSIENT)


def _require_utf8(connection: psycopg.Connection, _record: object) -> None:
    """Raise StoreError for a database in which names of all languages cannot be kept and found again."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in (None, "UTF8"):
        name = connection.info.dbname
        connection.close()
        raise StoreError(f"database {name} keeps text as {encoding}; {UTF8}")


def copy_rows(block: ScoreBlock, model: int | None) -> bytes:
    """The block in the binary format of COPY: per row a count of fields, per field its size and big-endian bytes.

    Rows are grouped by which of their numbers are NULL; a row's order means nothing, its key is in it.
    """
    s = block.scores
    fields: list[tuple[str, NDArray[Any]]] = [
        (">i8", block.stream_id), (">i8", s.end), (">i8", s.start),
        (">f4", s.score), (">f4", s.limit), (">f4", s.ratio), (">f4", s.imputed),
        (">i2", s.state), (">i4", np.full(len(s), -1 if model is None else model, np.int32)),
    ]  # fmt: skip
    null = np.zeros((len(s), len(fields)), dtype=bool)
    null[:, 3:6] = np.isnan(np.stack([s.score, s.limit, s.ratio], axis=1))
    null[:, 8] = model is None
    pattern = null @ (1 << np.arange(len(fields)))
    groups = []
    for code in np.unique(pattern):
        rows = np.flatnonzero(pattern == code)
        groups.append(_fixed_rows(fields, rows, null[rows[0]]))
    return b"".join((_COPY_HEADER, *groups, _COPY_TRAILER))


def _fixed_rows(fields: list[tuple[str, NDArray[Any]]], rows: NDArray[np.intp], null: NDArray[np.bool_]) -> bytes:
    """`rows` of the fields, all with the same ones NULL (a size of -1 and no bytes)."""
    layout = [("count", ">i2")]
    for i, (kind, _) in enumerate(fields):
        layout += [(f"size{i}", ">i4")] + ([] if null[i] else [(f"value{i}", kind)])
    out = np.zeros(len(rows), dtype=layout)
    out["count"] = len(fields)
    for i, (kind, column) in enumerate(fields):
        out[f"size{i}"] = -1 if null[i] else np.dtype(kind).itemsize
        if not null[i]:
            out[f"value{i}"] = column[rows]
    return out.tobytes()
