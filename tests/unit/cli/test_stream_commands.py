"""`watchkeeper streams retire`, `forget` and `rename`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from monitor.cli import streams as command
from monitor.errors import SettingsError
from monitor.ports.store import Commit
from monitor.store import schema
from monitor.store.engine import connect
from monitor.store.queries import open_reader
from monitor.store.sql import SqlStore, open_store
from monitor.store.stream_commands import LATELY
from tests.store_rows import alert, counts, fact, state

URL = "sqlite:///plant.db"
CONFIG = """
[store]
url = "sqlite:///plant.db"
[families.machines]
topic = "t"
interval = "1s"
recipe = "plain"
window.length = 8
[notify.ops]
kind = "log"
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    monkeypatch.chdir(tmp_path)
    Path("watchkeeper.toml").write_text(CONFIG)
    found = open_store(URL)
    for name in ("m-1", "m-2"):
        held = found.open_streams("live", "machines", [name])[0]
        saved = state(held.id, b"")._replace(counts=counts(accepted=4))
        found.commit(Commit("live", facts=[fact(alert(stream=name))], streams=[saved]))
    yield found
    found.close()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command.app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result.stdout


def listed(*more: str) -> dict[str, str]:
    return {row["name"]: row["state"] for row in json.loads(run("list", "--json", *more))}


def test_a_stream_is_retired_listed_on_demand_and_forgotten(store: SqlStore) -> None:
    said = run("retire", "m-1", "--note", "sold", "--by", "ann")
    assert said == "Stream m-1 of family machines is retired until it sends again; 1 open alert closed.\n"
    assert listed() == {"m-2": "anomaly"}
    assert listed("--all") == {"m-1": "retired", "m-2": "anomaly"}
    assert json.loads(run("show", "m-1", "--json"))["retired"] is not None
    assert "retired" in run("show", "m-1")
    with pytest.raises(SettingsError, match="forget it 10m after"):
        run("forget", "m-1")
    database = connect(URL)
    with database.writing() as connection:
        s = schema.streams.c
        connection.execute(update(schema.streams).values(updated=s.updated - LATELY))
    database.close()
    assert run("forget", "m-1") == "Stream m-1 of family machines is forgotten.\n"
    assert listed("--all") == {"m-2": "anomaly"}


def test_closed_alerts_are_notified_by_the_channels_of_the_configuration(store: SqlStore) -> None:
    del store
    run("retire", "m-1", "--by", "ann")
    said = CliRunner().invoke(command.app, ["retire", "m-2", "--url", URL])
    assert "no channel is known" in said.stderr
    reader = open_reader(URL)
    found = {each.stream: reader.get_alert(str(each.id)) for each in reader.list_alerts("live")}
    reader.close()
    assert {name: len(detail.deliveries) for name, detail in found.items()} == {"m-1": 1, "m-2": 0}
    assert (found["m-1"].transitions[-1].actor, found["m-1"].transitions[-1].note) == ("ann", "retired")


def test_a_stream_is_renamed(store: SqlStore) -> None:
    del store
    assert json.loads(run("rename", "m-1", "press-1", "--family", "machines", "--json")) == {
        "family": "machines", "name": "press-1", "closed_alerts": 1,
    }  # fmt: skip
    assert listed() == {"m-2": "anomaly", "press-1": "ok"}
    with pytest.raises(SettingsError, match="no stream named 'm-1'"):
        run("rename", "m-1", "other")
