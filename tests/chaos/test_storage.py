"""A full disk and a read-only database: a clear end, nothing corrupt, and it goes on once that is mended."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.chaos.conftest import Build
from tests.chaos.fleet import PATIENCE_S, Site

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk to fill")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def ends_with_code_4(site: Site, message: str) -> None:
    worker = site.workers.pop(0)
    assert worker.process.wait(timeout=PATIENCE_S) == 4, worker.text()[-3000:]
    assert message in worker.text()
    assert "Traceback" not in worker.text()


def test_a_full_disk(build: Build, disk: Path) -> None:
    with build(f"sqlite:///{disk}/store.db") as site:
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "ballast").write_bytes(bytes(free - 700_000))
        site.plant.start()
        site.start(0)
        ends_with_code_4(site, "the disk is full; free some space, nothing of this commit was written")
        site.start(0)  # while it is full
        ends_with_code_4(site, "the disk is full")
        (disk / "ballast").unlink()
        connection = sqlite3.connect(disk / "store.db")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        site.start(0)
        site.wait_for_progress(1000)
        site.finish()


def test_a_read_only_disk(build: Build, disk: Path) -> None:
    with build(f"sqlite:///{disk}/store.db") as site:
        site.plant.start()
        site.start(0)
        site.wait_for_progress(200)
        assert site.workers.pop(0).stop() == 0
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        site.start(0)
        ends_with_code_4(site, "the file or its folder is read-only; make both writable for this user")
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        site.start(0)
        site.wait_for_progress(200)
        site.finish()


@pytest.mark.postgres
def test_a_read_only_server(build: Build, postgres_url: str) -> None:
    """As after a failover, when store.url still names the old primary."""
    name = make_url(postgres_url).database
    engine = create_engine(make_url(postgres_url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with build(postgres_url) as site, engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
        site.plant.start()
        site.start(0)
        ends_with_code_4(site, "the server is read-only; point store.url at the primary")
        connection.execute(text(f"ALTER DATABASE {name} RESET default_transaction_read_only"))
        site.start(0)
        site.wait_for_progress(200)
        site.finish()
    engine.dispose()
