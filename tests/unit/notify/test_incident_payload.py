"""What messages about incidents say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.channels import Channel
from monitor.config.notifiers import LogNotifier
from monitor.errors import NotifyError
from monitor.notify.incident_payload import incident_announcement, incident_payload
from monitor.notify.log import Log
from monitor.notify.payload import MAX_BYTES
from monitor.ports.incidents import News
from monitor.records.alerts import AlertState, Delivery, Severity
from monitor.records.incidents import Incident
from tests.store_rows import alert

INCIDENT = Incident(
    id=UUID(int=9), run="live", group="machines", opened_at=100, newest_at=190, members=30, open=29, acknowledged=2,
    severity=Severity.CRITICAL,
)  # fmt: skip
ALERTS = [alert(stream=f"m-{i}", opened_at=100 + i) for i in range(30)]
ALERTS[20] = replace(ALERTS[20], severity=Severity.CRITICAL, kind="frozen", channel="inlet", cause="it stands still")
ALERTS[25] = replace(ALERTS[25], peak_ratio=float("nan"))
ALERTS[7] = replace(ALERTS[7], peak_ratio=8.0, state=AlertState.RESOLVED, resolved_at=180)
NEWS = News("updated", 190, INCIDENT, ALERTS, UUID(int=5))


def test_a_message_says_what_there_is_and_lists_the_first_and_the_worst() -> None:
    message = json.loads(incident_payload(NEWS))
    data: dict[str, Any] = message["data"]
    listed = data.pop("members")
    assert message["type"] == "incident.updated"
    assert message["timestamp"] == "1970-01-01T00:00:00.000000190Z"
    assert data == {
        "store": str(UUID(int=5)), "incident_id": str(UUID(int=9)), "run": "live", "group": "machines", "state": "open",
        "severity": "critical", "opened_at": "1970-01-01T00:00:00.000000100Z",
        "newest_at": "1970-01-01T00:00:00.000000190Z", "resolved_at": None, "alerts": 30, "open": 29, "acknowledged": 2,
        "kinds": {"anomaly": 29, "frozen": 1}, "more": 10,
    }  # fmt: skip
    assert [row["stream"] for row in listed[:4]] == ["m-0", "m-20", "m-7", "m-1"]
    assert len(listed) == 20
    assert listed[1] == {
        "alert_id": str(ALERTS[20].id), "family": "machines", "stream": "m-20", "kind": "frozen", "channel": "inlet",
        "severity": "critical", "state": "open", "opened_at": "1970-01-01T00:00:00.000000120Z", "resolved_at": None,
        "peak_ratio": 1.5, "cause": "it stands still",
    }  # fmt: skip


@given(st.text(min_size=1, alphabet=st.characters()).map(lambda text: text * 2000))
def test_no_text_makes_the_message_too_long_or_unreadable(text: str) -> None:
    of = [replace(each, family=text, stream=text, kind=text, cause=text, channel=text) for each in ALERTS]
    message = incident_payload(NEWS._replace(incident=replace(INCIDENT, group=text, run=text), alerts=of))

    assert len(message.encode()) < MAX_BYTES
    data = json.loads(message)["data"]
    assert len(data["members"]) + data["more"] == 30
    assert len(data["members"]) >= 3


def test_channels_get_it_whose_filters_let_a_member_through() -> None:
    channels = {"a": Channel(), "b": Channel(), "none": Channel(families=("another",))}

    assert incident_announcement(channels)(NEWS) == [("a", incident_payload(NEWS)), ("b", incident_payload(NEWS))]
    assert incident_announcement({})(NEWS) == []


@pytest.mark.parametrize(("what", "open_", "level"), [("opened", 29, "warning"), ("resolved", 0, "info")])
def test_the_log_writes_a_line(what: str, open_: int, level: str) -> None:
    news = NEWS._replace(what=what, incident=replace(INCIDENT, open=open_, acknowledged=0))
    delivery = Delivery(
        id=1, message=UUID(int=1), transition=UUID(int=2), alert=UUID(int=9), channel="log",
        payload=incident_payload(news), attempts=0,
    )  # fmt: skip
    with structlog.testing.capture_logs() as lines:
        Log(LogNotifier(kind="log"), {}).send(delivery)
    (line,) = lines
    assert (line["event"], line["log_level"], line["alerts"]) == (f"incident.{what}", level, 30)
    with pytest.raises(NotifyError, match="damaged"):
        Log(LogNotifier(kind="log"), {}).send(replace(delivery, payload='{"type": "incident.opened", "data": {}}'))
