"""What a digest says: whole, short, and safe to show, whatever the messages in it are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from monitor.notify.digest import LISTED, digest
from monitor.notify.payload import MAX_BYTES, payload
from monitor.records.alerts import AlertState, Delivery, FactKind, Severity, alert_id
from tests.unit.notify.test_payload import ALERT, OPENED, STORE

NOW = 1_800_000_000 * 10**9


def message(number: int, stream: str = "m", severity: Severity = Severity.WARNING, *, over: bool = False) -> Delivery:
    """The opening, or the end, of the alert of a stream."""
    state = AlertState.RESOLVED if over else AlertState.OPEN
    of = replace(ALERT, id=alert_id("live", "f", stream, 1), stream=stream, severity=severity, state=state)
    cause = FactKind.CLEARED if over else FactKind.OPENED
    change = replace(OPENED, id=UUID(int=number), alert=of.id, severity=severity, state=state, cause=cause)
    return Delivery(
        id=number, message=UUID(int=number), transition=change.id, alert=of.id, channel="ops",
        payload=payload(of, change, None, STORE), attempts=0,
    )  # fmt: skip


def data(*deliveries: Delivery) -> dict[str, Any]:
    text = digest("rate", NOW)(deliveries, UUID(int=99))
    assert len(text.encode()) < MAX_BYTES
    found = json.loads(text)
    assert (found["type"], found["timestamp"]) == ("digest", "2027-01-15T08:00:00Z")
    return dict(found["data"])


def test_it_counts_messages_and_alerts_after_their_newest_change() -> None:
    found = data(
        message(1, "a"), message(2, "b", Severity.CRITICAL), message(3, "a", over=True), message(4, "c"),
    )  # fmt: skip
    assert (found["messages"], found["alerts"], found["not_listed"]) == (4, 3, 0)
    assert found["by_severity"] == {"warning": 2, "critical": 1}
    assert found["by_state"] == {"open": 2, "resolved": 1}
    assert (found["digest_id"], found["store"], found["reason"]) == (str(UUID(int=99)), str(STORE), "rate")
    first, *_ = found["list"]
    assert (first["stream"], first["severity"]) == ("b", "critical")
    a = next(entry for entry in found["list"] if entry["stream"] == "a")
    assert (a["messages"], a["last"], a["state"]) == (2, "alert.resolved", "resolved")
    assert a["alert_id"] == str(alert_id("live", "f", "a", 1))


@pytest.mark.parametrize("stream", ["m", "\u202e" * 500, '"\\' * 300, "\x1b[2J" * 100, "\U0001f600" * 200])
def test_it_is_short_and_safe_however_many_alerts_and_whatever_their_names(stream: str) -> None:
    found = data(*(message(number, f"{number}{stream}") for number in range(700)))
    assert found["alerts"] == found["messages"] == 700
    assert len(found["list"]) <= LISTED
    assert len(found["list"]) + found["not_listed"] == 700
    assert found["list"]
    text = digest("rate", NOW)([message(1, stream)], UUID(int=99))
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_many_kinds_are_counted_together_at_the_end() -> None:
    messages = [replace(message(number), alert=UUID(int=number)) for number in range(50)]
    found = data(*(replace(m, payload=m.payload.replace('"anomaly"', f'"kind-{m.id}"')) for m in messages))
    assert sum(found["by_kind"].values()) == 50
    assert len(found["by_kind"]) <= 21


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", '{"type": "other", "data": {"id": 7}}', '{"data": 3}'])
def test_messages_of_other_kinds_are_counted_too(text: str) -> None:
    found = data(replace(message(1, "a"), payload=text), message(2, "b"))
    assert (found["messages"], found["alerts"], len(found["list"])) == (2, 2, 2)
