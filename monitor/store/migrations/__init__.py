"""The schema's history and the commands on it. Every revision is a file in `versions/`: its number, and a name.

Alembic is slow to import, so it is loaded where a schema is changed; that nothing is to be done is seen without it.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from monitor.errors import StoreError
from monitor.store.engine import Database, connect

_UPGRADE_LOCK = 7_215_309  # any number, the same in every process


def head() -> str:
    """The revision this version of Watchkeeper works with."""
    return max(known())


def known() -> set[str]:
    """Every revision this version can upgrade from, and `head()`."""
    return {path.name.partition("_")[0] for path in (Path(__file__).parent / "versions").glob("[0-9]*_*.py")}


def current(url: str) -> str | None:
    """The revision of the database at `url`, None where there is no schema yet. Raises StoreError."""
    database = connect(url)
    try:
        return revision_of(database)
    finally:
        database.close()


def upgrade(url: str) -> str:
    """Bring the database at `url` to `head()` in one transaction and return it. Raises StoreError."""
    database = connect(url, timeouts=False)
    try:
        refuse_newer(database.label, revision_of(database))
        upgrade_open(database)
    finally:
        database.close()
    return head()


def refuse_newer(label: str, revision: str | None) -> None:
    """Raise StoreError for a schema that a later version has made."""
    if revision is not None and not (len(revision) == len(head()) and revision.isdecimal()):
        raise _damaged(label, f"holds {revision[:40]!r}")
    if revision is not None and revision not in known():
        raise StoreError(
            f"{label}: its schema {revision} is newer than this version of Watchkeeper, which works with {head()}; "
            "install the version that made it"
        )


def revision_of(database: Database) -> str | None:
    """As `current`, of an open database."""
    with database.reading() as connection:
        tables = inspect(connection)
        if not tables.has_table("alembic_version"):
            return None
        rows = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        if len(rows) > 1 or (not rows and tables.has_table("streams")):
            raise _damaged(database.label, f"has {len(rows)} rows instead of one")
        return str(rows[0]) if rows else None


def _damaged(label: str, what: str) -> StoreError:
    return StoreError(
        f"{label}: table alembic_version, which says of which version the schema is, {what}; nothing was changed: "
        "restore it from a backup, or let it hold one row with the number that the tables have"
    )


def upgrade_open(database: Database) -> None:
    """As `upgrade`, of an open database. Safe to run from several processes at once: one works, the others wait."""
    from alembic import command
    from alembic.config import Config

    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
