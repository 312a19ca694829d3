"""docs/notifications.md against the sender: the receiver it shows, the fields, the events and the waits it names."""

from __future__ import annotations

import json
import re
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from monitor.bootstrap import NOTIFIERS
from monitor.config.notifiers import WebhookNotifier
from monitor.config.settings import parse
from monitor.errors import NotifyError
from monitor.notify.apprise import SCHEMAS
from monitor.notify.payload import MAX_BYTES, payload
from monitor.notify.retry_schedule import TRIES
from monitor.notify.webhook import Webhook
from monitor.records.alerts import Delivery
from tests.unit.notify.test_payload import ALERT, OPENED, STORE, make_evidence

PAGE = (Path(__file__).parents[3] / "docs/notifications.md").read_text(encoding="utf-8")
SECRET, OTHER = "whsec_" + "QUJD" * 12, "whsec_" + "REVG" * 12
BODY = payload(ALERT, OPENED, make_evidence([[0.4, 0.3], [0.2, 0.1]], ("a", "b")), STORE)
DELIVERY = Delivery(
    id=1, message=UUID(int=9), transition=OPENED.id, alert=ALERT.id, channel="ops", payload=BODY, attempts=0
)


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the receiver of the page listens, as its code stands there."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(code, "receiver.py", "exec"), names)
    names["Hook"].log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), names["Hook"]) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def sender(url: str, secret: str) -> Webhook:
    settings = WebhookNotifier(kind="webhook", url=url, secret_env=("S",), allow_hosts=("127.0.0.1",))
    return Webhook(settings, {"S": secret})


def test_the_receiver_takes_a_message_once_however_often_it_comes(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    hook = sender(url, SECRET)
    hook.send(DELIVERY)
    hook.send(DELIVERY)
    hook.send(replace(DELIVERY, message=UUID(int=10)))

    assert capfd.readouterr().out == f"alert.opened {ALERT.stream} {ALERT.severity}\n" * 2


def test_the_receiver_refuses_another_secret(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotifyError, match="HTTP 401"):
        sender(url, OTHER).send(DELIVERY)

    assert capfd.readouterr().out == ""


def test_the_receiver_is_twenty_lines() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

    assert len([line for line in code.splitlines() if line.strip()]) <= 20


def test_every_field_is_on_the_page() -> None:
    data = json.loads(BODY)["data"]
    (cause, *_) = data["causes"]
    named = set(re.findall(r"`(\w+)`", PAGE))

    assert data.keys() | {"components"} <= set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `.*?\|", PAGE, re.M))))
    assert cause.keys() <= named


def test_every_event_is_on_the_page() -> None:
    source = (Path(__file__).parents[3] / "monitor/notify/payload.py").read_text(encoding="utf-8")
    events = set(re.findall(r"alert\.(?:opened|updated|acknowledged|resolved)", source))

    assert events == set(re.findall(r"^\| `(alert\.\w+)` \|", PAGE, re.MULTILINE))


def test_there_is_an_example_of_every_kind_and_it_can_be_used() -> None:
    shown = "\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
    family = '[families.f]\ntopic = "t"\ninterval = "10s"\n'

    kinds = {how.kind for how in parse(tomllib.loads(family + shown)).notify.values()}
    assert kinds == set(NOTIFIERS)


def test_the_schemas_on_the_page_are_those_that_are_allowed() -> None:
    (listed,) = re.findall(r"by the schemas (.*?), and those with an `s`", PAGE, re.DOTALL)
    named = set(re.findall(r"`(\w+)`", listed))

    assert named <= SCHEMAS
    assert [schema for schema in SCHEMAS - named if schema.removesuffix("s") not in named] == []


def test_the_waits_on_the_page_are_those_of_the_dispatcher() -> None:
    seconds = [0, 5, 15, 30, *(60 * minutes for minutes in (1, 2, 5, 15)), *(3600 * hour for hour in range(1, 73))]

    assert "0, 5, 15, 30 s, 1, 2, 5, 15 min after the first try, then every hour to 72 h, each wait ±20 %" in " ".join(
        PAGE.split()
    )
    assert list(TRIES) == seconds
    assert f"{MAX_BYTES:,} bytes" in PAGE
