"""`watchkeeper alerts kpi`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.cli import alerts as command
from monitor.errors import SettingsError
from monitor.ports.store import Commit
from monitor.records.alerts import AlertState, FactKind, Severity
from monitor.store.migrations import upgrade
from monitor.store.sql import SqlStore, open_store
from tests.store_rows import TOPIC, alert, block, fact, scores, state

SECOND, HOUR = 10**9, 3600 * 10**9
START = 1_000_000 * HOUR


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    url: str = f"sqlite:///{tmp_path}/s.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    upgrade(url)
    found = open_store(url)
    found.url = url  # type: ignore[attr-defined]
    yield found
    found.close()


def run(store: Any, *arguments: str) -> str:
    result = CliRunner().invoke(command.app, ["kpi", "--url", store.url, *arguments], env={"COLUMNS": "120"})
    if result.exception is not None:
        raise result.exception
    return result.stdout


def fill(store: SqlStore, run: str = "live") -> None:
    """Twelve short alerts of one stream in a minute, then one critical one that goes on for two days, then one more."""
    facts = []
    for i in range(12):
        each = alert(run, opened_at=START + 5 * i * SECOND)
        over = replace(each, state=AlertState.RESOLVED, resolved_at=each.opened_at + SECOND)
        facts += [fact(each), fact(over, FactKind.CLEARED, each.opened_at + SECOND)]
    facts.append(fact(replace(alert(run, "m-2", START + HOUR), severity=Severity.CRITICAL)))
    facts.append(fact(alert(run, "m-3", START + 48 * HOUR)))
    store.commit(Commit(run, facts=facts))


def test_figures_stand_beside_what_the_standards_recommend(store: SqlStore) -> None:
    fill(store)
    assert json.loads(run(store, "--until", "2084-03-01", "--since", "3d", "--json"))["alerts"] == 0
    found = json.loads(run(store, "--until", "2084-02-01T16:00:00", "--json"))
    assert (found["alerts"], found["standing"], found["floods"], found["days"]) == (14, 2, 1, 3.0)
    measured = {name: (each["value"], each["verdict"]) for name, each in found["measures"].items()}
    assert measured["ten_minutes_maximum"] == (12, "red")
    assert measured["busy_ten_minutes"] == (pytest.approx(1 / 432), "green")
    assert measured["hour_average"] == (pytest.approx(14 / 72), "green")
    assert measured["chattering"] == (12, "red")
    assert measured["stale_on_a_day"] == (1, "green")
    assert measured["critical"] == (pytest.approx(1 / 14), "red")
    assert measured["top_share"] == (1.0, "none")  # too few to be judged
    assert measured["acknowledged_median"] == (None, "none")
    assert found["most_frequent"][0] == {
        "family": "machines", "stream": "m-1", "kind": "anomaly", "channel": "", "alerts": 12
    }  # fmt: skip
    assert found["opc_ua"]["MaximumAlarmRate"] == 12
    assert found["opc_ua"]["MaximumActiveState"] == pytest.approx(71 * 3600e3)


def test_figures_as_tables(store: SqlStore) -> None:
    fill(store)
    shown = run(store, "--until", "2084-02-01T16:00:00")
    assert "2084-01-29 16:00:00 to 2084-02-01 16:00:00 (UTC): 3 d, from the beginning of the record on." in shown
    assert "14 alerts opened; open at the end: 2; floods: 1." in shown
    lines = {line.split("  ")[0]: line.split() for line in shown.splitlines()}
    assert lines["alerts an hour, average"][-6:] == ["0.1944", "≤", "6", "≤", "12", "green"]
    assert lines["time in flood"][-6:] == ["0.231", "%", "<", "1", "%", "green"]
    assert "IEC 62682:2014" in shown
    assert "this is less" in shown


def test_a_replay_is_measured_to_its_last_alert(store: SqlStore) -> None:
    fill(store, "again")
    found = json.loads(run(store, "--run", "again", "--json"))
    assert (found["start"], found["end"]) == ("2084-01-29T16:00:00Z", "2084-01-31T16:00:00.000000001Z")
    assert found["alerts"] == 14


@pytest.mark.parametrize("name", ["again", "live"])
def test_a_period_begins_with_the_record_and_not_with_the_first_alert(store: SqlStore, name: str) -> None:
    """A quiet plant: one alert, ten days after the first window; a replay ends with its newest reading."""
    (held,) = store.open_streams(name, "machines", ["m-1"])
    epoch = store.take(name, [TOPIC])[TOPIC].epoch
    found = alert(name, opened_at=START + 240 * HOUR)
    ends = [START + hour * HOUR for hour in range(0, 480, 24)]
    store.commit(
        Commit(
            name, facts=[fact(found)], scores=[block(held.id, scores(ends))],
            streams=[state(held.id, b"s", START + 480 * HOUR)], positions={TOPIC: (epoch, 1)},
        )
    )  # fmt: skip
    options = ["--run", name] + ["--until", "2084-02-18T16:00:00"] * (name == "live")
    measured = json.loads(run(store, *options, "--json"))
    assert (measured["start"], measured["begins"]) == ("2084-01-29T16:00:00Z", "record")
    assert measured["days"] == pytest.approx(20)
    assert measured["measures"]["hour_average"]["value"] == pytest.approx(1 / 480)
    later = json.loads(run(store, *options, "--since", "12d", "--json"))
    assert (later["days"], later["begins"]) == (12, "since")
    assert "12 d, from --since on." in run(store, *options, "--since", "12d")


def test_a_plant_that_is_new_is_no_quiet_one(store: SqlStore) -> None:
    """Its first day is measured, not the month before it in which nothing was watched."""
    began = time.time_ns() - HOUR
    store.commit(Commit("live", facts=[fact(alert(stream=f"m-{i}", opened_at=began + i * SECOND)) for i in range(60)]))
    found = json.loads(run(store, "--json"))
    assert found["days"] == pytest.approx(1 / 24, rel=0.2)
    assert found["measures"]["hour_average"]["verdict"] == "red"


def test_a_run_without_alerts_and_one_that_began_later(store: SqlStore) -> None:
    assert run(store) == "No alerts in run live.\n"
    assert json.loads(run(store, "--json")) is None
    fill(store)
    with pytest.raises(SettingsError, match="--until 2000-01-01 00:00:00: run live began later"):
        run(store, "--until", "2000-01-01")
