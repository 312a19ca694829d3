"""Connections: which database, how a transaction begins, and what its errors mean to a person.

Only this module decides between SQLite and PostgreSQL; `sqlite.py` and `postgres.py` hold what differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from monitor.config.secrets import hidden, secrets_of, shown_url
from monitor.errors import SchemaChangedError, StoreError
from monitor.ports.store import OpenedStream, ScoreBlock, StreamState
from monitor.store import schema
from monitor.store.url import parse_url

_REVISION = text("SELECT version_num FROM alembic_version")


StreamRow = tuple[str, OpenedStream]  # with its name


class Backend(Protocol):
    """What SQLite and PostgreSQL do differently. Methods run inside the caller's transaction."""

    engine: Engine

    def insert_scores(self, connection: Connection, block: ScoreBlock, model: int | None) -> None:
        """Add a block of scores; NaN becomes NULL."""
        ...

    def update_streams(self, connection: Connection, streams: Sequence[StreamState], now: int) -> int:
        """Save the state of streams by id, where no other worker has written since; returns how many that were."""
        ...

    def find_streams(self, connection: Connection, run: str, family: str, names: Sequence[str]) -> list[StreamRow]:
        """Those of `names` that have a row."""
        ...

    def add_streams(self, connection: Connection, run: str, family: str, names: Sequence[str]) -> list[StreamRow]:
        """Make rows for those of `names` that have none, and return them."""
        ...

    def transaction_id(self, connection: Connection) -> str | None:
        """A name of this transaction to ask about after a connection was lost; None where that cannot happen."""
        ...

    def committed(self, connection: Connection, transaction: str) -> bool | None:
        """Whether that transaction took effect; None while it is not decided."""
        ...

    def end_frozen(self, error: BaseException) -> list[int]:
        """End transactions of stopped processes, where `error` is a wait for a lock; returns the sessions it ended.

        Called outside every transaction.
        """
        ...

    def tidy(self) -> None:
        """Start maintenance in the background after a commit. Never blocks, never raises."""
        ...

    def close(self) -> None:
        """Give every connection back."""
        ...

    def explain(self, error: BaseException) -> tuple[str, bool]:
        """What the driver's error means and what to do, and whether the same call may succeed without a change here."""
        ...


class Database:
    """An engine with its two kinds of transactions. Every error of SQLAlchemy or the driver leaves as a StoreError.

    `revision` is the schema it was opened with, None before that is known. A transaction that writes reads it again
    before it is committed, and is undone where an upgrade has come in between: it holds locks on the tables it wrote by
    then, so that no upgrade can change those between this look and the end of the transaction.
    """

    revision: str | None = None

    def __init__(self, backend: Backend, url: URL) -> None:
        self.backend = backend
        self.path = url.database if url.get_backend_name() == "sqlite" else None  # of the file
        self._secrets = [*secrets_of(url.render_as_string(hide_password=False))]
        self.label = shown_url(url.set(query={}).render_as_string(hide_password=False))
        self._reader = backend.engine
        self._writer = backend.engine.execution_options(begin="IMMEDIATE")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and writes nothing."""
        with self.translated(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block and undone on any error.

        Raises SchemaChangedError.
        """
        with self.translated(), self._writer.begin() as connection:
            yield connection
            self._require_revision(connection)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the errors of SQLAlchemy and of the driver into StoreError; SchemaChangedError, where that is why."""
        try:
            yield
        except (SQLAlchemyError, self._driver_error) as error:
            said, transient = self.backend.explain(error)
            if not transient:
                with suppress(SQLAlchemyError, self._driver_error), self._reader.begin() as connection:
                    self._require_revision(connection)
            with suppress(SQLAlchemyError, self._driver_error):
                self._end_frozen(error)
            raise StoreError(f"{self.label}: {hidden(said, self._secrets)}", transient=transient) from error
        except (UnicodeEncodeError, OverflowError) as error:  # of the driver, before it asks the database
            raise StoreError(f"{self.label}: a value does not fit its column: {error}; {VALUES}") from error

    def is_conflict(self, error: StoreError) -> bool:
        """Whether a row that was to be added is there already, or one that it refers to is not."""
        kind: type[Exception] = self._reader.dialect.loaded_dbapi.IntegrityError
        return error.__cause__ is not None and isinstance(root_cause(error.__cause__), kind)

    def _end_frozen(self, error: BaseException) -> None:
        if ended := self.backend.end_frozen(error):
            import structlog  # slow to import, and lists write nothing

            structlog.get_logger(__name__).warning("frozen_transactions_ended", database=self.label, sessions=ended)

    def _require_revision(self, connection: Connection) -> None:
        if self.revision is None:
            return
        found = connection.execute(_REVISION).scalar()
        if found != self.revision:
            import structlog  # slow to import, and lists write nothing

            structlog.get_logger(__name__).error(
                "schema_changed", database=self.label, opened=self.revision, found=found
            )
            raise SchemaChangedError(
                f"{self.label}: its schema was {self.revision} when it was opened and is {found} now: another version "
                "of Watchkeeper has upgraded it. Nothing was written; start the version that made the new schema"
            )

    def close(self) -> None:
        """Give every connection back."""
        self.backend.close()

    @cached_property
    def identity(self) -> UUID:
        """What distinguishes this database from all others; read once. Raises StoreError where it has been deleted."""
        with self.reading() as connection:
            found: UUID | None = connection.execute(select(schema.identity.c.id)).scalar()
        if found is None:
            raise StoreError(f"{self.label}: its table identity is empty; put a row with any UUID into it")
        return found

    @property
    def _driver_error(self) -> type[Exception]:
        """Root of the driver's errors: COPY talks to it directly, past SQLAlchemy."""
        error: type[Exception] = self._reader.dialect.loaded_dbapi.Error
        return error


def connect(url: str, *, timeouts: bool = True) -> Database:
    """Open the database at `url` without looking at its schema.

    `url` is `sqlite:///path` or `postgresql+psycopg://user@host/name`. `timeouts` bound each statement and idle
    transaction on PostgreSQL, so that a stopped process cannot hold others up. Raises StoreError, and SettingsError for
    a URL that no driver takes.
    """
    try:
        parsed = parse_url(url)
        if parsed.get_backend_name() == "sqlite":
            from monitor.store.sqlite import Sqlite

            return Database(Sqlite(parsed), parsed)
        from monitor.store.postgres import Postgres

        return Database(Postgres(parsed, timeouts=timeouts), parsed)
    except ImportError as error:
        raise StoreError(f"{error}; for PostgreSQL run: pip install 'watchkeeper[postgres]'") from error


VALUES = "names are text of UTF-8 without NUL, numbers have 64 bits, and times lie between the years 1678 and 2262"


def root_cause(error: BaseException) -> BaseException:
    """The driver's error inside SQLAlchemy's."""
    original: Any = getattr(error, "orig", None)
    return original if isinstance(original, BaseException) else error
