"""`watchkeeper streams`: how streams are doing, and what they wait for."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4, uuid5

import pytest
from typer.testing import CliRunner

from monitor.cli import streams as command
from monitor.cli.rendering.spans import in_words
from monitor.config.families import Family
from monitor.errors import SettingsError
from monitor.ports.models import ModelRow
from monitor.ports.store import Commit, silent
from monitor.records.alerts import Command, CommandKind, Fact, FactKind
from monitor.records.batches import DeadLetter
from monitor.store.alert_commands import open_alert_commands
from monitor.store.sql import SqlStore, open_store
from monitor.store.stream_commands import Person, open_stream_commands
from tests.champions import make_champion
from tests.store_rows import alert, counts, fact, state
from tests.workers import NOW, serve

DAY = 1_700_000_000 * 10**9


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/w.db"


@pytest.fixture
def store(url: str) -> SqlStore:
    made = open_store(url)
    family = Family.model_validate(
        {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 8}, "train": {"after": 2000}}
    )
    made.note_settings("live", "machines", family.noted())
    made.note_settings("live", "pumps", family.model_copy(update={"interval": None, "topic": "p"}).noted())
    return made


def fill(store: SqlStore, name: str, family: str = "machines", **more: Any) -> None:
    stream = store.open_streams("live", family, [name])[0]
    counted = counts(accepted=4, late=3, duplicate=2, future=1, gaps=2, out_of_range=3)
    store.commit(Commit("live", streams=[state(stream.id, b"", DAY)._replace(counts=counted, **more)]))


def of_kind(kind: str, stream: str = "m-1", fact_kind: FactKind = FactKind.OPENED) -> Fact:
    opened = alert(stream=stream, opened_at=len(kind))
    return fact(replace(opened, id=uuid5(opened.id, kind), kind=kind), fact_kind)


def run(url: str, *arguments: str) -> str:
    result = CliRunner().invoke(command.app, [*arguments, "--url", url])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_what_each_stream_waits_for(store: SqlStore, url: str) -> None:
    fill(store, "m-1", training_readings=812, rate=0.1)
    fill(store, "m-2", training_readings=812)
    fill(store, "m-3", training_readings=2000)
    fill(store, "p-1", "pumps", training_readings=10)
    shown = {row["name"]: row["readiness"] for row in json.loads(run(url, "list", "--json"))}
    assert shown == {
        "m-1": "bootstrap: 812 of 2,000 readings, about 3 h 18 min",
        "m-2": "bootstrap: 812 of 2,000 readings, about 3 h 18 min",
        "m-3": "waits for the training of its model",
        "p-1": "bootstrap: 10 of 2,000 readings",
    }
    make_champion(store, ModelRow(id="0123456789abcdef", family="machines", manifest=""))
    fill(store, "m-1", has_model=True)
    shown = {row["name"]: row["readiness"] for row in json.loads(run(url, "list", "--json", "--family", "machines"))}
    assert (shown["m-1"], shown["m-3"]) == ("ready, model 0123456789ab", "waits to join model 0123456789ab")


def test_states_are_the_kinds_of_open_alerts(store: SqlStore, url: str) -> None:
    for name in ("m-1", "m-2"):
        fill(store, name)
    kinds = [of_kind("silent"), of_kind("anomaly"), of_kind("frozen", fact_kind=FactKind.CLEARED)]
    store.commit(Commit("live", facts=kinds))
    assert [row["state"] for row in json.loads(run(url, "list", "--json"))] == ["anomaly, silent", "ok"]
    store.commit(Commit("live", facts=[of_kind("gateway", "")]))
    assert [row["state"] for row in json.loads(run(url, "list", "--json"))] == ["anomaly, gateway, silent", "gateway"]


def test_one_stream(store: SqlStore, url: str) -> None:
    fill(store, "m-1", training_readings=812, rate=0.1)
    shown = json.loads(run(url, "show", "m-1", "--json"))
    expected = {"gaps": 2, "out_of_range": 3, "late": 3, "duplicate": 2, "future": 1, "needed": 2000}
    expected["training_readings"] = 812
    assert {name: shown[name] for name in expected} == expected
    assert (shown["last_time"], shown["eta_s"], shown["ready"]) == ("2023-11-14T22:13:20Z", 11_880.0, False)
    assert shown["lateness_s"] > 0
    assert shown["ready_at"] == "2023-11-15T01:31:20Z"
    text = run(url, "show", "m-1")
    assert all(
        part in text
        for part in (
            "m-1",
            "2023-11-14 22:13:20",
            "0.1/s",
            "bootstrap: 812 of 2,000 readings",
            "from about 2023-11-15 01:31:20",
        )
    )
    table = run(url, "list")
    assert all(part in table for part in ("m-1", "readiness", "bootstrap 812 of 2,000, 3 h 18 min"))


def test_a_stream_that_nothing_scores_before_its_model_waits_for_it(store: SqlStore, url: str) -> None:
    """Cold start needs 8 readings in a window; companions score windows of any length."""
    family = Family.model_validate({"topic": "t", "interval": "10s", "window": {"length": 4}, "train": {"after": 2000}})
    for name, more in (("short", {"recipe": "plain"}), ("short-default", {"recipe": "default"})):
        store.note_settings("live", name, family.model_copy(update=more).noted())
        fill(store, name, name, training_readings=812)
    shown = {row["name"]: row["readiness"].partition(":")[0] for row in json.loads(run(url, "list", "--json"))}
    assert shown == {"short": "waits for a model", "short-default": "bootstrap"}


def test_what_opens_an_alert_of_a_stream_that_has_spent_of_its_budget(store: SqlStore, url: str) -> None:
    fill(store, "m-1", bar=2.828)
    fill(store, "m-2")
    assert [row["bar"] for row in json.loads(run(url, "list", "--json"))] == [pytest.approx(2.828), 1.0]
    assert "opens at 2.83 x the limit" in run(url, "show", "m-1")
    assert "opens at" not in run(url, "show", "m-2")


def test_names_that_are_none_or_too_many(store: SqlStore, url: str) -> None:
    assert run(url, "list") == "No streams in run live.\n"
    fill(store, "m-1")
    fill(store, "m-1", "pumps")
    with pytest.raises(SettingsError, match="no stream named 'm-9'"):
        run(url, "show", "m-9")
    with pytest.raises(SettingsError, match="machines, pumps; choose one with --family"):
        run(url, "show", "m-1")
    assert json.loads(run(url, "show", "m-1", "--family", "pumps", "--json"))["family"] == "pumps"
    with pytest.raises(SettingsError, match="no run named 'july'; there are: live"):
        run(url, "list", "--run", "july")
    result = CliRunner().invoke(command.app, ["list", "--url", url, "--limit", "1"])
    assert result.stderr.startswith("There are more than these 1 streams; --limit N shows more.\n")


@pytest.mark.parametrize(
    ("what", "owner", "shown"),
    [
        ("beats", "living", "ok"),
        ("died", "lost", "not read"),
        ("ended", "ended", "ok"),
        ("failed", "failed", "not read"),
        ("cut off", "cut off", "not read"),
    ],
)
def test_a_stream_whose_worker_is_lost_is_not_ok(store: SqlStore, url: str, what: str, owner: str, shown: str) -> None:
    fill(store, "m-1")
    fill(store, "m-2", partition=1)
    serve(url, store, "t", 0, what, broker_away=NOW if what == "cut off" else None)

    result = CliRunner().invoke(command.app, ["list", "--url", url, "--json"])

    first, second = json.loads(result.stdout)
    assert (first["owner"], first["state"], second["owner"], second["state"]) == (owner, shown, None, "ok")
    assert first["stored_age_s"] >= 0
    living = what in ("beats", "cut off")
    assert ("Not served: topic t, partition 0: no living worker owns it" in result.stderr) == (not living)
    assert ("no worker is running" in result.stderr) == (not living)
    assert ("no broker has answered it" in result.stderr) == (what == "cut off")
    assert shown in run(url, "show", "m-1")


def test_a_topic_that_is_no_longer_configured_is_not_missed(store: SqlStore, url: str, tmp_path: Path) -> None:
    serve(url, store, "t", 0)
    serve(url, store, "old", 1, "ended")
    config = tmp_path / "c.toml"
    config.write_text(f'[store]\nurl = "{url}"\n[families.a]\ntopic = "t"\ninterval = "10s"\nwindow.length = 8\n')

    said = [
        CliRunner().invoke(command.app, ["list", *where]).stderr
        for where in (["--url", url], ["--config", str(config)])
    ]

    assert ["topic old" in text for text in said] == [True, False]
    assert said[1] == ""


def test_a_replay_is_never_said_to_be_unread(store: SqlStore, url: str) -> None:
    stream = store.open_streams("again", "machines", ["m-1"])[0]
    store.commit(Commit("again", streams=[state(stream.id, b"", DAY)]))

    result = CliRunner().invoke(command.app, ["list", "--url", url, "--run", "again"])

    assert ("ok" in result.stdout, result.stderr) == (True, "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (11_880, "3 h 18 min"), (200_000, "2 d 7 h")],
)
def test_lengths_of_time_in_words(seconds: float, text: str) -> None:
    assert in_words(seconds) == text


def test_records_that_could_not_be_read_are_said_by_topic_and_stream(store: SqlStore, url: str) -> None:
    def letter(offset: int, stream: str, topic: str = "t") -> DeadLetter:
        error = "the field value is missing; the body has temp"
        return DeadLetter(topic=topic, partition=0, offset=offset, reason="missing-value", error=error, stream=stream)

    fill(store, "m-1")
    assert "could not be read" not in run(url, "list")
    store.commit(Commit("live", dead=[letter(n, "m-2") for n in range(7)] + [letter(8, "m-1"), letter(9, "")]))
    store.commit(Commit("live", dead=[letter(0, "x", "unused")]))
    text = run(url, "list")
    assert "topic t: 9 records could not be read (m-2 7, m-1 1, without a known stream 1), the newest at" in text
    assert "the body has temp; `watchkeeper dead list`" in text
    rows = {row["name"]: row for row in json.loads(run(url, "list", "--json"))}
    assert {name: row["unreadable"] for name, row in rows.items()} == {"m-1": 1, "m-2": 7, None: 1, "x": 1}
    assert (rows["m-2"]["state"], rows["m-2"]["reason"], rows["m-1"]["state"]) == ("unreadable", "missing-value", "ok")
    assert "topic unused" not in run(url, "list", "--family", "machines")


def test_a_family_of_which_nothing_was_read_is_not_just_without_streams(store: SqlStore, url: str) -> None:
    dead = DeadLetter(topic="t", partition=0, offset=0, reason="json", error="broken")
    store.commit(Commit("live", dead=[dead]))
    assert "topic t: 1 records could not be read" in run(url, "list")


def test_what_a_replay_of_a_file_could_not_read_belongs_to_its_family(store: SqlStore, url: str) -> None:
    family = Family.model_validate({"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 8}})
    store.note_settings("past", "machines", family.noted())
    dead = DeadLetter(topic="m.csv", partition=0, offset=4, reason="bad-value", error="no number", stream="m-1")
    store.commit(Commit("past", dead=[dead]))
    store.open_streams("past", "machines", ["m-1"])
    (row,) = json.loads(run(url, "list", "--run", "past", "--family", "machines", "--json"))
    assert (row["name"], row["unreadable"]) == ("m-1", 1)


def test_a_stream_that_is_switched_off_is_shown_as_such(store: SqlStore, url: str) -> None:
    fill(store, "m-1")
    fill(store, "m-2")
    table = {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 8}}
    overrides = [{"streams": "m-*", "off": True}, {"streams": "m-2", "off": False}]
    store.note_settings("live", "machines", Family.model_validate({**table, "overrides": overrides}).noted())
    found = {row["name"]: row for row in json.loads(run(url, "list", "--json"))}
    assert (found["m-1"]["state"], found["m-2"]["state"]) == ("off", "ok")


def test_the_default_of_train_after_gives_an_eta_too(store: SqlStore, url: str) -> None:
    table = {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 8}}
    store.note_settings("live", "machines", Family.model_validate(table).noted())
    fill(store, "m-1", training_readings=8000, rate=0.1)
    (row,) = json.loads(run(url, "list", "--json"))
    assert (row["needed"], row["eta_s"]) == (8640, 6400)


def test_a_stream_that_nothing_can_score_yet_is_not_ok(store: SqlStore, url: str) -> None:
    """Windows of fewer than 8 readings wait for a model: until then no fault is found."""
    table = {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": "70s"}}
    store.note_settings("live", "machines", Family.model_validate(table).noted())
    fill(store, "m-1", training_readings=10)
    fill(store, "m-2", training_readings=-1)
    found = {row["name"]: row["state"] for row in json.loads(run(url, "list", "--json"))}
    assert found == {"m-1": "not scored yet", "m-2": "ok"}


def test_what_is_out_of_service_or_shelved_says_so(store: SqlStore, url: str) -> None:
    for name in ("m-1", "m-2", "m-3"):
        fill(store, name)
    store.commit(Commit("live", facts=[of_kind("frozen", "m-2")]))
    with closing(open_stream_commands(url, silent)) as commands:
        commands.take_out_of_service("m-1", None, Person("ann"))
    with closing(open_alert_commands(url, silent)) as given:
        shelved = of_kind("frozen", "m-2").alert
        at = time.time_ns()
        given.give(Command(id=uuid4(), alert=shelved, kind=CommandKind.SHELVE, by="ann", at=at, span=3600 * 10**9))

    rows = {row["name"]: row for row in json.loads(run(url, "list", "--json"))}

    assert {name: (row["out_of_service"], row["shelved"]) for name, row in rows.items()} == {
        "m-1": (True, []), "m-2": (False, ["frozen"]), "m-3": (False, []),
    }  # fmt: skip
    assert [rows[name]["state"].split(",")[0] for name in ("m-1", "m-2")] == ["out of service", "frozen shelved"]
