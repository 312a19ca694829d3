"""The schema's history and the commands on it. Every revision is a file in `versions/`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from monitor.store.engine import Database, connect

_UPGRADE_LOCK = 7_215_309  # any number, the same in every process


def head() -> str:
    """The revision this version of Watchkeeper works with."""
    revision = _scripts().get_current_head()
    assert revision is not None  # noqa: S101 (the package ships at least one)
    return revision


def known() -> set[str]:
    """Every revision this version can upgrade from, and `head()`."""
    return {script.revision for script in _scripts().walk_revisions()}


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
        upgrade_open(database)
    finally:
        database.close()
    return head()


def revision_of(database: Database) -> str | None:
    """As `current`, of an open database."""
    with database.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade_open(database: Database) -> None:
    """As `upgrade`, of an open database. Safe to run from several processes at once: one works, the others wait."""
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
