"""The demo from end to end: the embedded broker, both models, webhooks and the replay, on a small plant."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from monitor.cli import demo as command
from monitor.cli.app import main
from monitor.demo.audit import Audit
from monitor.demo.plants import Plants, Size
from monitor.demo.play import REPLAY

SMALL = Size(machines=2, healthy_hours=6, faulty_hours=4, patients=1, healthy_minutes=4, faulty_minutes=4)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same demo on a smaller plant."""
    monkeypatch.setattr(command, "Plants", lambda seed: Plants(seed, SMALL))


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What a command prints as JSON; it must succeed."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    structlog.reset_defaults()  # the demo's log file is closed
    printed = capsys.readouterr()

    assert ended.value.code in (0, None), printed.out + printed.err
    return json.loads(printed.out)


@pytest.mark.usefixtures("small")
def test_everything_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    report = _run(capsys, "demo", "--folder", str(folder), "--json")

    assert report["problems"] == []
    assert report["messages"] == report["records"] == sum(report["readings"].values())
    assert report["readings"]["accepted"] == report["messages"]
    assert report["rows"]["scores"] == report["windows"] > 1000
    assert report["found"] >= 1
    assert report["rows"]["alerts"] == report["alerts"]
    with closing(sqlite3.connect(folder / "watchkeeper.db")) as connection:
        ((anomalies,),) = connection.execute("SELECT count(*) FROM alerts WHERE kind = 'anomaly' AND run = 'live'")
    assert report["rows"]["evidence"] == anomalies >= 1  # an alert about a stream's health has none
    assert report["rows"]["outbox"] == 2 * report["rows"]["transitions"]
    assert report["webhooks"] == {"verified": report["rows"]["transitions"], "refused": 0}
    assert report["replay"]["rows"] == report["rows"] | {"outbox": 0}
    assert set(report["replay"]["differences"].values()) == {0}
    assert {"watchkeeper.toml", "watchkeeper.db", "watchkeeper.log", "artefacts"} <= {p.name for p in folder.iterdir()}
    secret = (folder / "webhook.secret").read_text(encoding="utf-8")
    assert secret not in (folder / "watchkeeper.log").read_text(encoding="utf-8")

    listed = _run(capsys, "alerts", "list", "--config", str(folder / "watchkeeper.toml"), "--json")
    assert len(listed) == min(50, report["alerts"])

    _spoil(folder / "watchkeeper.db")
    assert {what for what, count in Audit(folder / "watchkeeper.db").differences(REPLAY).items() if count} == {
        "scores that differ or are missing",
        "alerts that differ or are missing",
        "transitions that differ or are missing",
        "evidence that differs or is missing",
    }


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("policy", ["anomalies", "rollup"])
def test_the_demo_keeps_the_scores_that_the_settings_ask_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """Its live run and its replay: it reads the environment as every command does."""
    monkeypatch.setenv("WATCHKEEPER__STORE__SCORES", policy)
    report = _run(capsys, "demo", "--folder", str(tmp_path / "demo"), "--json")

    assert report["problems"] == []
    assert 0 < report["rows"]["scores"] < report["windows"] / 10
    assert report["replay"]["rows"]["scores"] == report["rows"]["scores"] + report["replay"]["windows_beyond"]
    with closing(sqlite3.connect(tmp_path / "demo" / "watchkeeper.db")) as connection:
        query = "SELECT t.run, sum(r.windows) FROM rollups r JOIN streams t ON t.id = r.stream_id GROUP BY 1"
        sums = dict(connection.execute(query).fetchall())
    assert sums.get("live", 0) == (report["windows"] if policy == "rollup" else 0)
    assert set(sums) == ({"live", REPLAY} if policy == "rollup" else set())


def _spoil(database: Path) -> None:
    """Change the last bit of a replayed score, and lose an alert."""
    with closing(sqlite3.connect(database)) as connection, connection:
        chosen = connection.execute(
            "SELECT stream_id, end_ns, score FROM scores s JOIN streams t ON t.id = s.stream_id"
            " WHERE t.run = ? AND score IS NOT NULL LIMIT 1",
            (REPLAY,),
        ).fetchone()
        more = float(np.nextafter(np.float32(chosen[2]), np.float32(np.inf)))
        connection.execute("UPDATE scores SET score = ? WHERE stream_id = ? AND end_ns = ?", (more, *chosen[:2]))
        connection.execute("DELETE FROM alerts WHERE id = (SELECT id FROM alerts WHERE run = ? LIMIT 1)", (REPLAY,))
