"""A name that nothing knows: each command says so in the same words, with what there is, and the same exit code."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.cli.app import main
from monitor.config.unknown_names import SHOWN, unknown
from monitor.ports.store import Commit
from monitor.records.incidents import Grouping
from monitor.store.sql import SqlStore, open_store
from tests.store_rows import alert, cleared, fact

CONFIG = """
[kafka]
bootstrap_servers = "localhost:1"
[store]
url = "sqlite:///plant.db"
[families.pumps]
topic = "p"
interval = "10s"
window.length = 8
[families.ovens]
topic = "o"
interval = "10s"
window.length = 8
[notify.oncall]
kind = "log"
[notify.chat]
kind = "log"
[incidents.groups]
hall = ["m-*"]
"""
OPENED = alert()
FAMILIES = "there are: pumps, ovens; did you mean pumps?"
KNOWN = "there are: pumps, ovens, machines; did you mean pumps?"  # of the configuration and of the database
STREAMS = "there are: m-1, m-2; did you mean m-1?"
TABLE = {
    "streams list --run lvie": "run named 'lvie'; there are: live; did you mean live?",
    "streams list --family pmups": f"family named 'pmups'; {KNOWN}",
    "streams show m1": f"stream named 'm1'; {STREAMS}",
    "streams show m1 --family machines": f"stream named 'm1' in family 'machines'; {STREAMS}",
    "streams show m-1 --run lvie": "run named 'lvie'; there are: live; did you mean live?",
    "streams retire m1": f"stream named 'm1'; {STREAMS}",
    "streams forget m1": f"stream named 'm1'; {STREAMS}",
    "streams rename m1 m-3": f"stream named 'm1'; {STREAMS}",
    "alerts list --run lvie": "run named 'lvie'; there are: live; did you mean live?",
    "alerts list --family pmups": f"family named 'pmups'; {KNOWN}",
    "alerts list --stream m1": f"stream named 'm1'; {STREAMS}",
    "alerts kpi --run lvie": "run named 'lvie'; there are: live; did you mean live?",
    "alerts show 00ff": f"alert named '00ff' in sqlite:///plant.db; there are: {OPENED.id.hex[:8]}",
    "alerts ack 00ff": f"alert named '00ff' in sqlite:///plant.db; there are: {OPENED.id.hex[:8]}",
    "incidents list --group hal": "group named 'hal'; there are: pumps, ovens, hall, machines; did you mean hall?",
    "incidents list --run lvie": "run named 'lvie'; there are: live; did you mean live?",
    "incidents show 00ff": "incident named '00ff' in sqlite:///plant.db; there are: ",
    "maintenance show boler": "maintenance named 'boler'; there are: boiler; did you mean boiler?",
    "maintenance remove boler": "maintenance named 'boler' in the database; there are: boiler; did you mean boiler?",
    "maintenance add x --for 1h --family pmups --yes": f"family named 'pmups'; {FAMILIES}",
    "deliveries list --channel onkall": "channel named 'onkall'; there are: oncall, chat; did you mean oncall?",
    "deliveries redrive --since 1h --channel onkall": "channel named 'onkall'; there are: oncall, chat; did you mean",
    "deliveries redrive --since 1h --alert 00ff": "alert named '00ff' in sqlite:///plant.db; there are: ",
    "deliveries show 7": "notification named '7'; there is none",
    "notify preview watchkeeper.toml onkall": "channel named 'onkall' in the settings; there are: oncall, chat",
    "notify preview watchkeeper.toml chat --alert 00ff": "alert named '00ff' in sqlite:///plant.db; there are: ",
    "notify test watchkeeper.toml onkall": "channel named 'onkall' in the settings; there are: oncall, chat",
    "models list pmups": f"family named 'pmups' in watchkeeper.toml; {FAMILIES}",
    "models promote pmups ab": f"family named 'pmups' in watchkeeper.toml; {FAMILIES}",
    "models promote pumps ab": "model named 'ab' of family pumps; there is none",
    "models rollback pmups": f"family named 'pmups' in watchkeeper.toml; {FAMILIES}",
    "models retrain pmups": f"family named 'pmups' in watchkeeper.toml; {FAMILIES}",
    "train watchkeeper.toml --family pmups": f"family named 'pmups' in watchkeeper.toml; {FAMILIES}",
    "replay watchkeeper.toml --name r --family pmups": f"family named 'pmups' in watchkeeper.toml; {FAMILIES}",
    "late list --run lvie": "run named 'lvie'; there are: live; did you mean live?",
    "late list --family pmups": f"family named 'pmups'; {KNOWN}",
    "late list --stream m1": f"stream named 'm1'; {STREAMS}",
    "late rescore watchkeeper.toml --name r --family pmups": f"family named 'pmups' in watchkeeper.toml; {FAMILIES}",
    "dead list --run lvie": "run named 'lvie'; there are: live; did you mean live?",
}
LISTS = [command for command in TABLE if " list " in command and not command.startswith("models")]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    Path("watchkeeper.toml").write_text(CONFIG, encoding="utf-8")
    found = open_store("sqlite:///plant.db")
    yield found
    found.close()


def fill(store: SqlStore) -> None:
    store.open_streams("live", "machines", ["m-1", "m-2"])
    store.commit(Commit("live", facts=[fact(OPENED), cleared(OPENED)], grouping=Grouping(wait=10**9)))


def code(command: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command))
    return ended.value.code


@pytest.mark.parametrize("command", TABLE)
def test_a_name_that_nothing_knows(command: str, store: SqlStore, capsys: pytest.CaptureFixture[str]) -> None:
    fill(store)
    assert code("maintenance add boiler --for 1h --yes") == 0
    capsys.readouterr()

    assert code(command) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert f"error: no {TABLE[command]}" in err


@pytest.mark.parametrize("command", LISTS)
def test_scripts_get_the_same(command: str, store: SqlStore, capsys: pytest.CaptureFixture[str]) -> None:
    fill(store)
    assert code(f"{command} --json") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"error: no {TABLE[command]}" in err


@pytest.mark.parametrize(
    "command", ["streams list --family ovens", "alerts list --family ovens", "alerts list --stream m-2",
                "incidents list --group hall", "incidents list --group ovens", "late list --family machines",
                "deliveries list --channel chat"],
)  # fmt: skip
def test_a_name_of_which_there_is_nothing_yet_is_no_mistake(
    command: str, store: SqlStore, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(store)
    assert code(command) == 0
    capsys.readouterr()
    assert code(f"{command} --json") == 0
    json.loads(capsys.readouterr().out)


def test_a_stream_is_known_though_there_are_more_than_are_named(
    store: SqlStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    monkeypatch.setattr("monitor.store.known_names.MOST", 1)
    for family in ("", " --family machines"):
        assert code(f"alerts list --stream m-2{family}") == 0
        assert code(f"alerts list --stream m-3{family}") == 2


def test_before_the_first_reading_no_name_of_a_database_is_wrong(
    store: SqlStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code("alerts list --url sqlite:///plant.db --family pumps --stream p-1 --json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert code("alerts list --url sqlite:///plant.db --run july") == 2


def test_a_broken_configuration_does_not_keep_a_list_from_being_empty(
    store: SqlStore, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("watchkeeper.toml").write_text(CONFIG + "[families.mills]\ntopci = 1\n", encoding="utf-8")
    fill(store)
    assert code("alerts list --family machines --stream m-2") == 0
    capsys.readouterr()
    assert code("alerts list --family machine") == 2
    assert "no family named 'machine'; there are: machines; did you mean machines?" in capsys.readouterr().err


def test_only_so_many_are_shown() -> None:
    names = [f"m-{i:04}" for i in range(1500)]
    said = str(unknown("stream", "m-1234x", names))
    assert said.startswith("no stream named 'm-1234x'; there are: m-0000, m-0001, ")
    assert said.endswith(f"m-{SHOWN - 1:04} and 1,490 more; did you mean m-1234?")
