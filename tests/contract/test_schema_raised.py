"""A later version upgrades the database while this one runs: nothing is written into the tables it does not know."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from monitor.errors import SchemaChangedError, StoreError
from monitor.ports.store import Commit
from monitor.records.workers import WorkerReport
from monitor.store import migrations, schema
from monitor.store.engine import Database, connect
from monitor.store.queries import open_reader
from monitor.store.sql import SqlStore, open_store
from monitor.store.workers import open_heartbeats
from monitor.worker.heartbeat import HeartbeatThread
from monitor.worker.partitions import Partitions
from monitor.worker.progress import Progress
from tests.store_rows import TOPIC, block, scores, state

LATER = "9999"
REPORT = WorkerReport(
    id="a1", run="live", host="plant", pid=7, version="0.1.0", started=1, at=9, idle=3, committed=5, families={"f": "t"}
)


@dataclass
class Site:
    """A store in use, and the same database as the later version sees it."""

    url: str
    store: SqlStore
    later: Database

    def raise_schema(self, *changes: str) -> None:
        """What `db upgrade` of that version does."""
        with self.later.writing() as connection:
            for change in (*changes, f"UPDATE alembic_version SET version_num = '{LATER}'"):
                connection.exec_driver_sql(change)

    def commit(self) -> Commit:
        """With a score, the state of a stream and an offset."""
        stream = self.store.open_streams("live", "machines", ["m-1"])[0].id
        epoch = self.store.take("live", [TOPIC])[TOPIC].epoch
        return Commit(
            "live", positions={TOPIC: (epoch, 42)}, scores=[block(stream, scores([100]))], streams=[state(stream, b"x")]
        )

    def written(self) -> tuple[Any, ...]:
        """Number of scores, and the offset."""
        with self.later.reading() as connection:
            count = connection.execute(select(func.count()).select_from(schema.scores)).scalar()
            return count, connection.execute(select(schema.positions.c.next_offset)).scalar()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path}/w.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrations.upgrade(url)
    with ExitStack() as stack:
        store, later = stack.enter_context(closing(open_store(url))), stack.enter_context(closing(connect(url)))
        yield Site(url, store, later)


def test_a_commit_is_undone(site: Site) -> None:
    commit = site.commit()
    site.raise_schema()

    with pytest.raises(SchemaChangedError, match=f"is {LATER} now.*Nothing was written") as caught:
        site.store.commit(commit)

    assert not caught.value.transient
    assert caught.value.exit_code == 4
    assert site.written() == (0, None)


@pytest.mark.parametrize(
    "change",
    ["ALTER TABLE streams RENAME COLUMN state TO body", "ALTER TABLE scores RENAME TO results", "DROP TABLE positions"],
)
def test_tables_that_are_not_there_any_more_are_explained(site: Site, change: str) -> None:
    """Not as tables that are too old, which another upgrade would help."""
    commit = site.commit()
    site.raise_schema(change)

    with pytest.raises(SchemaChangedError, match=f"is {LATER} now"):
        site.store.commit(commit)


def test_an_upgrade_that_goes_on_during_a_commit(site: Site) -> None:
    """The commit waits for its locks, and is undone behind them."""
    commit, failed, started = site.commit(), [], threading.Event()

    def write() -> None:
        started.set()
        try:
            site.store.commit(commit)
        except StoreError as error:
            failed.append(error)

    worker = threading.Thread(target=write)
    with site.later.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE scores ADD COLUMN later integer")
        worker.start()
        started.wait()
        worker.join(0.5)  # it may have come to the lock by then; nothing depends on that
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{LATER}'")
    worker.join(60)

    assert [type(error) for error in failed] == [SchemaChangedError]
    assert site.written() == (0, None)


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.take("live", [TOPIC]),
        lambda store: store.open_streams("live", "machines", ["new"]),
        lambda store: store.note_settings("live", "machines", "{}"),
        lambda store: store.start_run("again"),
    ],
)
def test_nothing_else_is_written_either(site: Site, write: Callable[[SqlStore], object]) -> None:
    site.raise_schema()

    with pytest.raises(SchemaChangedError):
        write(site.store)

    with site.later.reading() as connection:
        for table in (schema.positions, schema.streams, schema.changes):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0


def test_a_heartbeat_ends_a_worker_that_commits_nothing(site: Site) -> None:
    progress, partitions = Progress(), Partitions()
    with closing(open_heartbeats(site.url)) as heartbeats:
        thread = HeartbeatThread(REPORT, progress, heartbeats, lambda _: {})
        thread.beat()
        progress.turned(partitions)
        site.raise_schema()

        thread.beat()

    with pytest.raises(SchemaChangedError):
        progress.turned(partitions)


def test_a_database_of_a_later_version_is_not_opened(site: Site) -> None:
    site.raise_schema()

    for use in (open_store, open_reader, open_heartbeats, migrations.upgrade):
        with pytest.raises(StoreError, match=r"newer than this version of Watchkeeper.*install the version") as caught:
            use(site.url)
        assert not caught.value.transient
    assert migrations.current(site.url) == LATER
