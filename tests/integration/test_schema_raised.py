"""A worker that runs, and every command, on a database that a later version has upgraded."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from monitor.store import migrations
from monitor.store.engine import connect

WATCHKEEPER = Path(sys.executable).parent / "watchkeeper"
CONFIG = """
store.url = "sqlite:///plant.db"
[families.machines]
topic = "machines"
interval = "10s"
recipe = "plain"
window.length = 8
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "watchkeeper.toml").write_text(CONFIG)
    (tmp_path / "machines.csv").write_text("time,value\n2026-01-01T00:00:00Z,1\n")
    return tmp_path


def raise_schema(folder: Path) -> None:
    with closing(connect(f"sqlite:///{folder}/plant.db")) as database, database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")


def beats(folder: Path) -> int:
    """Number of workers that have reported."""
    with closing(connect(f"sqlite:///{folder}/plant.db")) as database, database.reading() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM workers").scalar_one())


def test_a_worker_without_readings_ends(folder: Path) -> None:
    """Its log has an event, and its exit code is explained."""
    command = [str(WATCHKEEPER), "run", "watchkeeper.toml", "--json"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        try:
            deadline = time.monotonic() + 120
            while not (folder / "plant.db").exists() or migrations.current(f"sqlite:///{folder}/plant.db") is None:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            while not beats(folder):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            raise_schema(folder)
            _, said = worker.communicate(timeout=120)
        finally:
            worker.kill()

    assert worker.returncode == 4, said
    assert '"event":"schema_changed"' in said.replace(" ", "")
    assert "its schema was" in said.splitlines()[-1]
    assert "start the version that made the new schema" in said.splitlines()[-1]
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        "run watchkeeper.toml --until-end", "train watchkeeper.toml", "alerts list", "alerts show 00", "dead list",
        "replay watchkeeper.toml --name again --file machines.csv --time time", "late list", "streams list",
        "streams show m", "streams retire m --config watchkeeper.toml", "status", "db upgrade",
        "check watchkeeper.toml --connect", "alerts ack 00", "late rescore watchkeeper.toml --name late",
    ],
)  # fmt: skip
def test_every_command_says_that_the_database_is_of_a_later_version(folder: Path, arguments: str) -> None:
    migrations.upgrade(f"sqlite:///{folder}/plant.db")
    raise_schema(folder)

    done = subprocess.run(
        [str(WATCHKEEPER), *arguments.split()], cwd=folder, capture_output=True, text=True, check=False
    )

    assert (done.returncode, "Traceback" in done.stderr) == (4, False), done.stderr
    assert "newer than this version of Watchkeeper" in done.stdout + done.stderr
