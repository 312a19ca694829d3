"""Channels as a worker makes them from its settings: what they send, repeat and attach comes from the database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from monitor import bootstrap
from monitor.config.settings import Settings, parse
from monitor.ports.store import Commit
from monitor.sources.embedded import EmbeddedBroker
from monitor.testing.json_receiver import JsonReceiver
from tests.store_rows import SECOND, alert, cleared, evidence, fact
from tests.topics import read_topic
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def settings(folder: Path, broker: str, urls: dict[str, str]) -> Settings:
    here = {"allow_hosts": ["127.0.0.1"]}
    return parse(
        {
            "store": {"url": f"sqlite:///{folder}/w.db"},
            "kafka": {"bootstrap_servers": broker},
            "families": {"machines": {"topic": "t", "interval": "10s"}},
            "notify": {
                "link": "https://watch.example/{alert_id}",
                "max_age": "none",
                "am": {"kind": "alertmanager", "url": urls["am"], "ends_after": "10s", **here},
                "oncall": {"kind": "pagerduty", "url": urls["oncall"], "routing_key_env": "WK_KEY", **here},
                "chat": {"kind": "apprise", "url_env": "WK_CHAT", **here},
                "bus": {"kind": "kafka", "topic": "alerts"},
                "log": {"kind": "log"},
            },
        }
    )


def test_every_channel_of_the_settings_gets_every_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = alert(stream="m-17", opened_at=time.time_ns() - 60 * SECOND)
    with JsonReceiver() as am, JsonReceiver() as oncall, JsonReceiver() as chat, EmbeddedBroker() as broker:
        broker.create_topic("alerts")
        monkeypatch.setenv("WK_KEY", "QZXJKVqzxjkv")
        monkeypatch.setenv("WK_CHAT", chat.url.replace("http", "json"))
        made = settings(tmp_path, broker.bootstrap_servers, {"am": am.url, "oncall": oncall.url})
        announce, store = bootstrap.announce(made), bootstrap.store(made)
        dispatcher = bootstrap.dispatcher(made)
        assert dispatcher is not None
        dispatcher.start()
        try:
            store.commit(Commit(run="live", facts=[fact(opened)], evidence=[evidence(opened)], announce=announce))
            assert eventually(lambda: len(am.accepted) > 2)  # it is kept alive
            store.commit(Commit(run="live", facts=[cleared(opened)], announce=announce))
            assert eventually(lambda: len(chat.accepted) == len(oncall.accepted) == 2)
            assert dispatcher.drain(60).waiting == 0
        finally:
            dispatcher.stop()
        store.close()
        records = read_topic(broker.bootstrap_servers, "alerts")

    assert [event["event_action"] for event in oncall.accepted] == ["trigger", "resolve"]
    first, second = chat.accepted
    assert [each["filename"] for each in first["attachments"]] == ["evidence.png"]
    assert second["attachments"] == []
    assert f"https://watch.example/{opened.id}" in first["message"]
    assert {record.key for record in records} == {str(opened.id).encode()}
    assert len(records) == 2
    assert am.accepted[-1][0]["endsAt"] <= am.accepted[0][0]["endsAt"]
