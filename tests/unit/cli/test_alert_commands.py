"""`watchkeeper alerts ack`, `unack`, `expect` and `note`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli import alerts as command
from monitor.errors import SettingsError
from monitor.ports.store import Commit
from monitor.records.alerts import Alert
from monitor.store.queries import open_reader
from monitor.store.sql import SqlStore, open_store
from tests.store_rows import alert, cleared, fact

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
OPENED = alert()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    monkeypatch.chdir(tmp_path)
    Path("watchkeeper.toml").write_text(CONFIG)
    found = open_store("sqlite:///plant.db")
    found.commit(Commit("live", facts=[fact(OPENED), fact(alert(opened_at=101))]))
    yield found
    found.close()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command.app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_an_alert_is_acknowledged_and_opened_again(store: SqlStore) -> None:
    prefix = OPENED.id.hex[:8]
    assert run("ack", prefix, "--by", "ann", "--note", "on my way") == f"Alert {prefix} is acknowledged by ann.\n"
    shown = json.loads(run("show", prefix, "--json"))
    assert (shown["state"], shown["acknowledged_by"], shown["note"]) == ("acknowledged", "ann", "on my way")
    last = shown["transitions"][-1]
    assert (last["cause"], last["actor"], last["ratio"]) == ("acknowledge", "ann", None)
    assert last["acted_at"] == shown["acknowledged_at"]
    assert shown["transitions"][0]["acted_at"] is None
    assert [(row["channel"], row["transition"]) for row in shown["deliveries"]] == [("ops", last["id"])]
    assert "acknowledged by ann" in run("show", prefix)

    assert json.loads(run("unack", prefix, "--by", "bob", "--json"))["state"] == "open"
    assert run("note", prefix, "a loose belt", "--by", "ann") == f"Alert {prefix} is open.\n"
    assert json.loads(run("show", prefix, "--json"))["note"] == "a loose belt"


def test_a_level_is_expected_and_every_view_of_an_open_anomaly_says_how(store: SqlStore) -> None:
    prefix = OPENED.id.hex[:8]
    assert f"if this is the new normal: watchkeeper alerts expect {prefix}" in run("show", prefix)
    assert json.loads(run("show", prefix, "--json"))["accept"] == f"watchkeeper alerts expect {prefix}"
    assert (
        run("expect", prefix, "--by", "ann", "--note", "new pump")
        == f"Alert {prefix} is resolved, and acknowledged by ann.\n"
    )
    shown = json.loads(run("show", prefix, "--json"))
    assert (shown["state"], shown["accept"], shown["transitions"][-1]["cause"]) == ("resolved", "", "expect")
    assert [row["channel"] for row in shown["deliveries"]] == ["ops"]
    assert "new normal" not in run("show", prefix)
    with pytest.raises(SettingsError, match="the alert is resolved already"):
        run("expect", prefix)


def test_a_resolved_alert_says_that_it_was_never_acknowledged(store: SqlStore) -> None:
    store.commit(Commit("live", facts=[cleared(OPENED)]))
    assert "never acknowledged" in run("show", OPENED.id.hex)
    unseen = json.loads(run("list", "--unseen", "--json"))
    assert [row["id"] for row in unseen] == [str(OPENED.id)]
    assert ", not seen" in run("list", "--state", "resolved")

    assert (
        run("ack", OPENED.id.hex, "--by", "ann") == f"Alert {OPENED.id.hex[:8]} is resolved, and acknowledged by ann.\n"
    )
    assert run("list", "--unseen") == "No alerts in run live.\n"
    assert "not seen" not in run("list")


def test_an_alert_is_shelved_and_taken_from_the_shelf(store: SqlStore) -> None:
    prefix = OPENED.id.hex[:8]
    assert run("shelve", prefix, "--for", "2h", "--by", "ann").startswith(f"Alert {prefix} is shelved by ann until 2")
    shown = json.loads(run("show", prefix, "--json"))
    assert (shown["state"], shown["shelved_by"]) == ("shelved", "ann")
    assert "shelved by ann until" in run("show", prefix)
    assert [row["id"] for row in json.loads(run("list", "--state", "shelved", "--json"))] == [str(OPENED.id)]
    assert run("unshelve", prefix, "--by", "ann") == f"Alert {prefix} is open.\n"
    assert json.loads(run("shelve", prefix, "--once", "--json"))["state"] == "shelved"
    with pytest.raises(SettingsError, match="an alert is shelved for 7 days at most"):
        run("shelve", prefix, "--for", "8d")
    with pytest.raises(SettingsError, match="that time is over at once"):
        run("shelve", prefix, "--for", "0s")
    for given in ((), ("--for", "2h", "--once")):
        with pytest.raises(SystemExit):
            run("shelve", prefix, *given)


def test_an_alert_is_resolved_and_judged_by_hand(store: SqlStore) -> None:
    prefix = OPENED.id.hex[:8]
    assert run("resolve", prefix, "--by", "ann") == f"Alert {prefix} is resolved, and acknowledged by ann.\n"
    assert json.loads(run("verdict", prefix, "false", "--reason", "a test", "--json"))["verdict"] == "false"
    run("verdict", prefix, "true", "--from", "1970-01-01T00:00:00Z", "--by", "bob")
    assert "verdict: true" in run("show", prefix)
    life = json.loads(run("show", prefix, "--json"))["transitions"]
    assert [(row["cause"], row["note"]) for row in life[1:]] == [("close", ""), ("verdict", "a test"), ("verdict", "")]
    with pytest.raises(SettingsError, match="the range ends before it begins"):
        run("verdict", prefix, "true", "--to", "1969-01-01T00:00:00Z")
    with pytest.raises(SystemExit):
        run("verdict", prefix, "perhaps")


def test_a_stream_is_taken_out_of_service(store: SqlStore) -> None:
    store.open_streams("live", "machines", ["m-1"])
    assert run("out-of-service", "m-1", "--by", "ann") == (
        "Stream m-1 of family machines is out of service; open alerts: 2.\n"
    )
    assert json.loads(run("show", OPENED.id.hex, "--json"))["state"] == "out-of-service"
    with pytest.raises(SettingsError, match="is out of service already"):
        run("out-of-service", "m-1")
    store.commit(Commit("live", facts=[fact(alert(opened_at=300))]))
    assert len(json.loads(run("list", "--state", "out-of-service", "--json"))) == 3
    assert "out of service for" in run("list")
    assert json.loads(run("in-service", "m-1", "--json"))["open_alerts"] == 3
    assert json.loads(run("show", OPENED.id.hex, "--json"))["state"] == "open"
    with pytest.raises(SettingsError, match="is in service"):
        run("in-service", "m-1")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("ack", "0" * 32), "no alert named"),
        (("ack", "xyz"), "is no alert id"),
        (("unack", OPENED.id.hex), "the alert is not acknowledged"),
    ],
)
def test_what_cannot_be_done_is_said(store: SqlStore, arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem) as error:
        run(*arguments)
    assert error.value.exit_code == 2


def test_a_blank_note_is_refused(store: SqlStore) -> None:
    with pytest.raises(SystemExit) as error:
        run("note", OPENED.id.hex, " ")
    assert error.value.code == 2


def test_a_prefix_of_several_and_a_resolved_alert(store: SqlStore) -> None:
    store.commit(Commit("live", facts=[fact(alert(opened_at=200 + i)) for i in range(20)]))
    with pytest.raises(SettingsError, match="several alerts begin with"):
        run("ack", next(d for d in "0123456789abcdef" if sum(r.id.hex[0] == d for r in alerts()) > 1))
    store.commit(Commit("live", facts=[cleared(OPENED)]))
    with pytest.raises(SettingsError, match=f"alert {OPENED.id.hex[:8]}: the alert is resolved already"):
        run("unack", OPENED.id.hex)


def alerts() -> list[Alert]:
    reader = open_reader("sqlite:///plant.db")
    found = reader.list_alerts("live")
    reader.close()
    return found


def test_a_database_alone_notifies_nobody(store: SqlStore) -> None:
    result = CliRunner().invoke(command.app, ["ack", OPENED.id.hex, "--url", "sqlite:///plant.db"])
    assert result.stderr.startswith("Without --config no channel is known")
    assert json.loads(run("show", OPENED.id.hex, "--json"))["deliveries"] == []


def test_alerts_of_a_replay_notify_nobody(store: SqlStore) -> None:
    replayed = alert("again")
    store.commit(Commit("again", facts=[fact(replayed)]))
    run("ack", replayed.id.hex)
    assert json.loads(run("show", replayed.id.hex, "--json"))["deliveries"] == []
