"""`watchkeeper notify`: what a channel would send, and what its receiver answers, through the real command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli.notify import app
from monitor.errors import NotifyError, SettingsError
from monitor.ports.store import Commit
from monitor.store.sql import open_store
from monitor.testing.json_receiver import JsonReceiver
from monitor.testing.webhook_receiver import Answer
from tests.store_rows import alert, evidence, fact

CONFIG = """\
store.url = "sqlite:///{folder}/w.db"
[families.machines]
topic = "t"
interval = "10s"
[notify]
link = "https://watch.example/{{alert_id}}"
[notify.oncall]
kind = "pagerduty"
url = "{url}"
routing_key_env = "WK_KEY"
allow_hosts = ["127.0.0.1"]
[notify.chat]
kind = "apprise"
url_env = "WK_CHAT"
title = "{{stream}} is {{state}}"
body = "{{contributions}}\\n{{link}}"
allow_hosts = ["127.0.0.1"]
[notify.log]
kind = "log"
"""
KEY = "QZXJKVqzxjkvQZXJKVqzxjkv"


@pytest.fixture
def receiver() -> Iterator[JsonReceiver]:
    with JsonReceiver() as found:
        yield found


@pytest.fixture
def config(tmp_path: Path, receiver: JsonReceiver, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "w.toml"
    path.write_text(CONFIG.format(folder=tmp_path, url=receiver.url))
    monkeypatch.setenv("WK_KEY", KEY)
    monkeypatch.setenv("WK_CHAT", receiver.url.replace("http", "json"))
    return str(path)


def run(*arguments: str) -> str:
    found = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def test_a_test_opens_an_alert_and_resolves_it(config: str, receiver: JsonReceiver) -> None:
    said = run("test", config, "oncall")

    first, second = receiver.accepted
    assert (first["event_action"], second["event_action"]) == ("trigger", "resolve")
    assert first["dedup_key"] == second["dedup_key"]
    assert len(first["dedup_key"]) <= 255
    assert "nothing is wrong" in first["payload"]["summary"]
    assert "notify.oncall: alert.opened delivered in" in said
    assert said.count("HTTP 202 Accepted") == 2


def test_each_test_is_another_alert(config: str, receiver: JsonReceiver) -> None:
    run("test", config, "oncall")
    run("test", config, "oncall")

    assert len({body["dedup_key"] for body in receiver.accepted}) == 2


def test_a_refusal_is_reported_with_the_exit_code_of_notifications(config: str, receiver: JsonReceiver) -> None:
    receiver.answers.append(Answer(400, body=f"invalid routing key {KEY}".encode()))
    with pytest.raises(NotifyError, match=r"alert\.opened was not delivered: .*HTTP 400") as caught:
        run("test", config, "oncall")
    assert caught.value.exit_code == 7
    assert KEY not in str(caught.value)

    receiver.answers.append(Answer(503))
    found = CliRunner().invoke(app, ["test", config, "oncall", "--json"])
    assert (found.exit_code, json.loads(found.output)["delivered"]) == (7, False)


def test_json_says_what_was_answered(config: str) -> None:
    lines = [json.loads(line) for line in run("test", config, "oncall", "--json").splitlines()]

    assert [(line["type"], line["delivered"]) for line in lines] == [("alert.opened", True), ("alert.resolved", True)]


def test_a_preview_sends_nothing_and_shows_no_secret(config: str, receiver: JsonReceiver) -> None:
    event = json.loads(run("preview", config, "oncall"))

    assert (event["event_action"], event["payload"]["severity"]) == ("trigger", "warning")
    assert KEY not in json.dumps(event)
    assert receiver.posts == []


def test_a_preview_of_an_alert_is_the_message_about_its_newest_change(config: str, tmp_path: Path) -> None:
    opened = alert(stream="m-17")
    store = open_store(f"sqlite:///{tmp_path}/w.db")
    store.commit(Commit(run="live", facts=[fact(opened)], evidence=[evidence(opened)]))
    store.close()

    shown = run("preview", config, "chat", "--alert", opened.id.hex[:8]).splitlines()

    assert shown[0] == "m-17 is open"
    assert "of the score" in shown[2]
    assert shown[-1] == f"https://watch.example/{opened.id}"


def test_a_channel_that_is_not_there_is_named(config: str) -> None:
    with pytest.raises(
        SettingsError, match="no channel named 'onkall' in the settings; there are: oncall, chat, log; did you"
    ):
        run("test", config, "onkall")


def test_a_template_with_an_unknown_field_is_refused(config: str) -> None:
    path = Path(config)
    path.write_text(path.read_text().replace("{stream} is", "{stream.__class__} is"))

    with pytest.raises(SettingsError, match=r"notify\.chat\.title: {stream\.__class__} is no field"):
        run("preview", config, "chat")
