"""A worker process without any reading: an alert comes back from the shelf, is sent, and a restart sends nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.ports.store import Commit
from monitor.records.alerts import AlertState
from monitor.store.queries import AlertDetail, open_reader
from monitor.store.sql import open_store
from tests.store_rows import alert, fact

CONFIG = """
[kafka]
bootstrap_servers = "embedded"
[store]
url = "sqlite:///plant.db"
[families.machines]
topic = "machines"
interval = "1s"
[notify.ops]
kind = "log"
"""
WATCHKEEPER = [sys.executable, "-m", "monitor"]


def detail(of: str) -> AlertDetail:
    reader = open_reader("sqlite:///plant.db")
    try:
        return reader.get_alert(of)
    finally:
        reader.close()


def run_until_delivered(of: str, messages: int) -> None:
    """A worker, until so many messages about an alert are delivered."""
    with Path("run.log").open("ab") as log:
        worker = subprocess.Popen([*WATCHKEEPER, "run", "watchkeeper.toml", "--json"], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 120
            while sum(row.delivered_at is not None for row in detail(of).deliveries) < messages:
                assert worker.poll() is None, Path("run.log").read_text()
                assert time.monotonic() < deadline, Path("run.log").read_text()
                time.sleep(0.2)
        finally:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0


def test_a_shelf_ends_without_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("watchkeeper.toml").write_text(CONFIG)
    opened = alert(opened_at=time.time_ns())
    store = open_store("sqlite:///plant.db")
    store.commit(Commit("live", facts=[fact(opened)]))
    store.close()
    shelve = ["alerts", "shelve", opened.id.hex, "--for", "1s", "--by", "ann"]
    subprocess.run([*WATCHKEEPER, *shelve], check=True)

    run_until_delivered(opened.id.hex, 2)

    found = detail(opened.id.hex)
    assert found.alert.state is AlertState.OPEN
    causes = {change.id: str(change.cause) for change in found.transitions}
    assert list(causes.values()) == ["opened", "shelve", "returned"]
    assert [causes[row.transition] for row in found.deliveries if row.transition] == ["shelve", "returned"]

    subprocess.run([*WATCHKEEPER, "alerts", "note", opened.id.hex, "seen", "--by", "ann"], check=True)
    run_until_delivered(opened.id.hex, 3)  # the note, and nothing by the restart
    assert len(detail(opened.id.hex).deliveries) == len(detail(opened.id.hex).transitions) - 1 == 3
