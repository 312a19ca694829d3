"""`watchkeeper incidents list` and `show`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli import alerts, incidents
from monitor.errors import SettingsError
from monitor.ports.store import Commit
from monitor.records.alerts import FactKind, Severity
from monitor.records.incidents import Grouping, incident_id
from monitor.store.sql import SqlStore, open_store
from tests.store_rows import alert, cleared, fact

OVER = incident_id("live", "pumps", 100)
OPEN = incident_id("live", "machines", 100)
HOUR = 3600 * 10**9


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    monkeypatch.chdir(tmp_path)
    Path("watchkeeper.toml").write_text('store.url = "sqlite:///plant.db"\n', encoding="utf-8")
    found = open_store("sqlite:///plant.db")
    yield found
    found.close()


def fill(store: SqlStore) -> None:
    of = [alert(stream=f"m-{i}", opened_at=100 + i) for i in range(3)]
    worse = replace(of[2], severity=Severity.CRITICAL, peak_ratio=4.0, peak_at=200, last_at=200)
    pump = alert(stream="p-1", family="pumps")
    facts = [*map(fact, of), fact(worse, FactKind.WORSENED, 200), cleared(of[1]), fact(pump), cleared(pump)]
    store.commit(Commit("live", facts=facts, grouping=Grouping(wait=10**9)))


def run(*arguments: str, app: object = incidents.app) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "140"})  # type: ignore[arg-type]
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_open_ones_come_first(store: SqlStore) -> None:
    fill(store)
    later = alert(stream="p-2", family="pumps", opened_at=100 + HOUR)
    store.commit(Commit("live", facts=[fact(later), cleared(later)]))
    found = json.loads(run("list", "--json"))
    assert [(each["group"], each["state"], each["alerts"], each["open"]) for each in found] == [
        ("machines", "open", 3, 2), ("pumps", "resolved", 1, 0), ("pumps", "resolved", 1, 0)
    ]  # fmt: skip
    assert [each["opened_at"][:13] for each in found[1:]] == ["1970-01-01T01", "1970-01-01T00"]
    lines = run("list").splitlines()
    assert lines[0].split() == [
        "id",
        "since",
        "(UTC)",
        "newest",
        "group",
        "state",
        "worst",
        "alerts",
        "open",
        "messages",
    ]
    assert lines[2].startswith(f"{OPEN.hex[:8]}  1970-01-01 00:00:00  ")
    assert re.search(r"  [\d,]+ y ago  machines  open for", lines[2])
    assert lines[2].split()[-4:] == ["critical", "3", "2", "0"]
    assert [each["id"] for each in json.loads(run("list", "--group", "pumps", "--json"))][1] == str(OVER)
    assert json.loads(run("list", "--limit", "1", "--json")) == found[:1]


def test_what_is_in_one(store: SqlStore) -> None:
    fill(store)
    shown = json.loads(run("show", OPEN.hex[:10], "--json"))
    assert [(each["stream"], each["severity"], each["state"]) for each in shown["members"]] == [
        ("m-0", "warning", "open"), ("m-2", "critical", "open"), ("m-1", "warning", "resolved")
    ]  # fmt: skip
    assert (shown["kinds"], shown["severity"], shown["resolved_at"]) == ({"anomaly": 3}, "critical", None)
    assert [(each["stream"], each["cause"]) for each in shown["timeline"]] == [
        ("m-0", "opened"), ("m-1", "opened"), ("m-2", "opened"), ("m-1", "cleared"), ("m-2", "worsened")
    ]  # fmt: skip
    assert shown["due_at"] is not None
    text = run("show", OPEN.hex[:10])
    for each in ("machines, run live", "critical, open for", "3 alerts, 2 open, 0 acknowledged: 3 anomaly", "worsened"):
        assert each in text
    assert f"in incident {OPEN.hex[:8]}" in run("show", alert(stream="m-0").id.hex[:10], app=alerts.app)


def test_what_is_not_there(store: SqlStore) -> None:
    assert run("list") == "No incidents in run live.\n"
    assert json.loads(run("list", "--json")) == []
    with pytest.raises(SettingsError, match="no incident named 'abc'"):
        run("show", "abc")
    with pytest.raises(SettingsError, match="'xyz' is no incident id"):
        run("show", "xyz")
