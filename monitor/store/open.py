"""Opening a database whose schema fits this version, or saying which command helps."""

from __future__ import annotations

from pathlib import Path

from monitor.errors import StoreError
from monitor.store import migrations
from monitor.store.engine import Database, connect


def open_database(url: str, *, migrate: bool = False) -> Database:
    """Open `url` and check its schema. `migrate` makes the tables of a new SQLite file; nothing else is ever changed.

    Raises StoreError when the database cannot be used as it is.
    """
    database = connect(url)
    try:
        _prepare(database, migrate)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: Database, migrate: bool) -> None:
    fresh = database.path is not None and not Path(database.path).exists()
    if fresh and not migrate:
        raise StoreError(f"{database.label}: no such file; check store.url, or run: watchkeeper db upgrade")
    revision = migrations.revision_of(database)
    if revision is None and database.path is not None and migrate:
        migrations.upgrade_open(database)
    else:
        _check(database.label, revision)
    database.revision = migrations.head()


def _check(label: str, revision: str | None) -> None:
    head = migrations.head()
    if revision == head:
        return
    if revision is None:
        raise StoreError(f"{label}: it has no tables yet; run: watchkeeper db upgrade")
    migrations.refuse_newer(label, revision)
    raise StoreError(f"{label}: its schema {revision} is too old, {head} is needed; run: watchkeeper db upgrade")
