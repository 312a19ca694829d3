"""No foreign exception leaves the store, and every message says what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from monitor.errors import FencedError, SettingsError, StoreError
from monitor.ports.store import Commit
from monitor.store import checkpoints
from monitor.store import sqlite as sqlite_backend
from monitor.store.queries import open_reader
from monitor.store.sql import SqlStore, open_store
from tests.store_rows import TOPIC, full, state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    monkeypatch.setattr(sqlite_backend, "BUSY_SECONDS", 0.1)
    found = open_store(f"sqlite:///{path}")
    yield found
    found.close()


def commit_for(store: SqlStore) -> Commit:
    stream = store.open_streams("live", "machines", ["m-1"])[0]
    return full(stream, store.take("live", [TOPIC])[TOPIC].epoch)


def test_a_locked_file_says_so_and_the_commit_can_be_tried_again(store: SqlStore, path: Path) -> None:
    commit = commit_for(store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"store\.db: another process kept the file locked"):
        store.commit(commit)
    other.execute("ROLLBACK")
    other.close()
    store.commit(commit)
    assert store.take("live", [TOPIC])[TOPIC].next_offset == 42


def test_what_became_of_one_commit_says_nothing_of_another(store: SqlStore) -> None:
    """The answer to an earlier commit was lost, and it was given up: the next one is written without a question."""
    store._in_doubt = (Commit("live"), "1")
    store.commit(commit_for(store))
    assert store.take("live", [TOPIC])[TOPIC].next_offset == 42


def test_the_log_is_copied_into_the_file_after_commits(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a thread of its own: what the file alone holds, without its log, is all that was committed."""
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
    store = open_store(f"sqlite:///{path}")
    store.commit(commit_for(store))
    deadline = time.monotonic() + 30
    while True:
        shutil.copy(path, tmp_path / "alone.db")
        with closing(sqlite3.connect(tmp_path / "alone.db")) as alone, suppress(sqlite3.Error):
            if alone.execute("SELECT next_offset FROM positions").fetchall() == [(42,)]:
                break
        assert time.monotonic() < deadline
        time.sleep(0.01)
    store.close()


def test_a_log_that_cannot_be_copied_does_no_harm(store: SqlStore, path: Path) -> None:
    """A reader that stays in the past keeps its part of the log; commits go on, and so does the next copy."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM streams").fetchall()
    copies = checkpoints.Checkpoints(store._database.backend.engine)
    commit = commit_for(store)
    for _ in range(3):
        copies._due = 0.0
        copies.begin()
        copies.close()
    store.commit(commit)
    other.close()
    assert store.take("live", [TOPIC])[TOPIC].next_offset == 42


def test_readers_do_not_wait_for_a_writer(store: SqlStore, path: Path) -> None:
    commit = commit_for(store)
    store.commit(commit)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    reader = open_reader(f"sqlite:///{path}")
    assert len(reader.list_alerts("live")) == 1
    reader.close()
    other.close()


def test_a_read_only_database(store: SqlStore, path: Path) -> None:
    commit = commit_for(store)
    database = store._database
    with database.reading() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")  # file modes do not stop root
    with pytest.raises(StoreError, match="read-only; make both writable"):
        store.commit(commit)
    with database.reading() as connection:
        connection.exec_driver_sql("PRAGMA query_only = OFF")
    store.commit(commit)


def test_missing_tables_name_the_command(store: SqlStore, path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE positions")
    other.close()
    with pytest.raises(StoreError, match="watchkeeper db upgrade"):
        store.take("live", [TOPIC])


def test_not_a_database(path: Path) -> None:
    path.write_bytes(b"no database, but a text that is long enough to be taken for one" * 20)
    with pytest.raises(StoreError, match="no SQLite database"):
        open_store(f"sqlite:///{path}")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="make sure that its folder exists"):
        open_store(f"sqlite:///{tmp_path}/no/where.db")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database URL"),
        ("mysql://host/db", "mysql is not supported"),
        ("oddbase://user:hush@host/db", "oddbase is not supported"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("postgresql://user:hush@127.0.0.1:1/db?connect_timeout=2", "the server cannot be reached"),
    ],
)
def test_urls(url: str, message: str) -> None:
    with pytest.raises((StoreError, SettingsError), match=message) as caught:
        open_store(url)
    assert "hush" not in str(caught.value)


def test_a_name_that_sql_cannot_keep(store: SqlStore) -> None:
    for name in ("a\x00b", "\udcff"):
        with pytest.raises(StoreError, match="holds characters"):
            store.open_streams("live", "machines", [name])


def test_a_fenced_commit_is_a_store_error_of_its_own(store: SqlStore) -> None:
    commit = commit_for(store)
    store.take("live", [TOPIC])
    with pytest.raises(FencedError, match="newer owner than epoch 1"):
        store.commit(commit)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk to fill")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        _fill(disk)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def _fill(disk: Path) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    store = open_store(f"sqlite:///{disk}/store.db")
    names = [f"m-{i}" for i in range(300)]
    streams = [state(stream.id, os.urandom(4000)) for stream in store.open_streams("live", "machines", names)]
    epoch = store.take("live", [TOPIC])[TOPIC].epoch
    commit = Commit(run="live", streams=streams, positions={TOPIC: (epoch, 7)})
    with pytest.raises(StoreError, match="the disk is full; free some space"):
        store.commit(commit)
    ballast.unlink()
    assert all(stream.state is None for stream in store.open_streams("live", "machines", names))
    commit.streams[:] = commit.streams[:50]
    store.commit(commit)
    assert store.take("live", [TOPIC])[TOPIC].next_offset == 7
    store.close()
