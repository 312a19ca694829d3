"""The JSON that receivers build on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.notify.payload import MAX_BYTES, payload
from monitor.records.alerts import (
    Alert,
    AlertState,
    Cause,
    CommandKind,
    Evidence,
    FactKind,
    Severity,
    TimerKind,
    Transition,
    alert_id,
)
from monitor.records.times import iso

T0 = 1_700_000_000 * 10**9
STEP = 10 * 10**9
ALERT = Alert(
    id=alert_id("live", "temperature", "m-17", T0), run="live", family="temperature", stream="m-17",
    severity=Severity.CRITICAL, opened_at=T0, started_at=T0 - STEP, last_at=T0, peak_ratio=2.5, peak_at=T0, windows=2,
)  # fmt: skip
OPENED = Transition(
    id=UUID(int=7),
    alert=ALERT.id,
    number=0,
    cause=FactKind.OPENED,
    at=T0,
    state=AlertState.OPEN,
    severity=Severity.CRITICAL,
    ratio=2.5,
    note="2 of 3",
)


def make_evidence(contribution: list[list[float]], channels: tuple[str, ...] = ("inlet", "bearing")) -> Evidence:
    share = np.array(contribution, dtype=np.float32)
    return Evidence(
        alert=ALERT.id, start=T0, end=T0 + (len(share) - 1) * STEP, channels=channels,
        values=np.arange(share.size, dtype=np.float32).reshape(share.shape),
        reconstruction=np.zeros_like(share), contribution=share,
    )  # fmt: skip


STORE = UUID(int=77)


def decoded(alert: Alert = ALERT, transition: Transition = OPENED, evidence: Evidence | None = None) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(payload(alert, transition, evidence, STORE), parse_constant=pytest.fail)
    return message


def test_the_message_in_full() -> None:
    assert {
        "type": "alert.opened",
        "timestamp": "2023-11-14T22:13:20Z",
        "data": {
            "store": str(STORE),
            "alert_id": str(ALERT.id),
            "transition_id": str(OPENED.id),
            "number": 0,
            "run": "live",
            "family": "temperature",
            "stream": "m-17",
            "kind": "anomaly",
            "channel": "",
            "cause": "",
            "accept": f"watchkeeper alerts expect {ALERT.id.hex[:8]}",
            "state": "open",
            "severity": "critical",
            "ratio": 2.5,
            "peak_ratio": 2.5,
            "peak_at": "2023-11-14T22:13:20Z",
            "windows": 2,
            "opened_at": "2023-11-14T22:13:20Z",
            "started_at": "2023-11-14T22:13:10Z",
            "last_at": "2023-11-14T22:13:20Z",
            "resolved_at": None,
            "acknowledged_at": None,
            "acknowledged_by": "",
            "shelved_until": None,
            "flapping": False,
            "verdict": None,
            "actor": "monitor",
            "note": "2 of 3",
            "causes": [],
            "facts": {},
            "summary": "m-17 (temperature): critical, score 2.5 times its limit",
            "contributions": [],
            "score": None,
            "limit": None,
            "value": None,
            "expected": None,
            "link": "",
        },
    } == decoded()


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (FactKind.OPENED, "alert.opened"),
        (FactKind.WORSENED, "alert.updated"),
        (CommandKind.ACKNOWLEDGE, "alert.acknowledged"),
        (CommandKind.UNACKNOWLEDGE, "alert.updated"),
        (CommandKind.NOTE, "alert.updated"),
        (CommandKind.CLOSE, "alert.resolved"),
        (FactKind.CLEARED, "alert.resolved"),
    ],
)
def test_the_type_follows_the_cause(cause: FactKind | CommandKind, kind: str) -> None:
    """Also where the alert was acknowledged before it worsened: that is no acknowledgement."""
    assert kind == decoded(transition=replace(OPENED, cause=cause, state=AlertState.ACKNOWLEDGED))["type"]


@pytest.mark.parametrize(
    ("cause", "state", "kind"),
    [
        (TimerKind.RETURNED, AlertState.OPEN, "alert.opened"),
        (TimerKind.RETURNED, AlertState.ACKNOWLEDGED, "alert.updated"),
        (CommandKind.IN_SERVICE, AlertState.OPEN, "alert.opened"),
        (CommandKind.SHELVE, AlertState.SHELVED, "alert.updated"),
        (TimerKind.REMINDED, AlertState.OPEN, "alert.updated"),
        (CommandKind.ACKNOWLEDGE, AlertState.RESOLVED, "alert.updated"),
        (CommandKind.VERDICT, AlertState.RESOLVED, "alert.updated"),
    ],
)
def test_the_type_says_whether_an_alert_is_open(cause: Cause, state: AlertState, kind: str) -> None:
    """What comes back from a shelf may be said for the first time; what is over does not become acknowledged."""
    assert kind == decoded(transition=replace(OPENED, cause=cause, state=state))["type"]


def test_an_alert_about_the_stream_itself_says_what_is_wrong() -> None:
    frozen = replace(ALERT, kind="frozen", cause="same value for 20 min")

    assert decoded(frozen)["data"]["cause"] == "same value for 20 min"


def test_an_alert_about_a_channel_names_it_and_the_largest_ratio_is_a_number() -> None:
    missing = replace(ALERT, kind="missing", channel="bearing", peak_ratio=1e9)

    data = decoded(missing, replace(OPENED, ratio=1e9))["data"]

    assert (data["channel"], data["ratio"], data["peak_ratio"]) == ("bearing", 1e9, 1e9)


def test_an_acknowledged_alert_says_by_whom() -> None:
    seen = replace(ALERT, acknowledged_at=T0, acknowledged_by="ann")

    data = decoded(seen)["data"]

    assert (data["acknowledged_at"], data["acknowledged_by"]) == ("2023-11-14T22:13:20Z", "ann")


def test_without_a_reconstruction_nothing_was_expected() -> None:
    evidence = replace(make_evidence([[0.25, 0.75]]), reconstruction=None)

    causes = decoded(evidence=evidence)["data"]["causes"]

    assert [(cause["share"], cause["value"], cause["expected"]) for cause in causes] == [
        (0.75, 1.0, None),
        (0.25, 0.0, None),
    ]


def test_a_resolved_alert_says_when() -> None:
    resolved = replace(ALERT, state=AlertState.RESOLVED, resolved_at=T0 + STEP)

    assert decoded(resolved)["data"]["resolved_at"] == "2023-11-14T22:13:30Z"


def test_causes_are_the_three_largest_shares_with_their_place_in_the_window() -> None:
    evidence = make_evidence([[0.0, 0.1], [0.05, 0.5], [0.3, 0.05]])

    causes = decoded(evidence=evidence)["data"]["causes"]

    assert [(c["channel"], c["offset_s"]) for c in causes] == [("bearing", 10.0), ("inlet", 20.0), ("bearing", 0.0)]
    assert tuple(causes[0][k] for k in ("time", "share", "value", "expected")) == (
        "2023-11-14T22:13:30Z",
        0.5,
        3.0,
        0.0,
    )


def test_cells_without_a_share_are_no_causes() -> None:
    causes = decoded(evidence=make_evidence([[0.0, float("nan")], [1.0, 0.0]]))["data"]["causes"]

    assert [(c["channel"], c["share"]) for c in causes] == [("inlet", 1.0)]


def test_a_window_of_one_reading_has_offset_zero() -> None:
    assert decoded(evidence=make_evidence([[1.0, 0.0]]))["data"]["causes"][0]["offset_s"] == 0.0


def test_shares_of_the_components_come_where_there_are_companions() -> None:
    components = {"detector": 0.75, "shift": 0.25}

    found = decoded(evidence=replace(make_evidence([[1.0, 0.0]]), components=components))

    assert found["data"]["components"] == components
    assert "components" not in decoded(evidence=make_evidence([[1.0, 0.0]]))["data"]


def test_facts_of_the_window_come_with_it() -> None:
    facts = {"rr_s": 0.5, "rate_bpm": 120.0, "latency_s": 0.3}

    assert decoded(evidence=replace(make_evidence([[1.0, 0.0]]), facts=facts))["data"]["facts"] == facts


def test_numbers_that_are_not_finite_are_null() -> None:
    message = decoded(replace(ALERT, peak_ratio=float("inf")), replace(OPENED, ratio=float("nan")))

    assert (message["data"]["peak_ratio"], message["data"]["ratio"]) == (None, None)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.500Z"),
        (1_000_001_000, "1970-01-01T00:00:01.000001Z"),
        (1_000_000_001, "1970-01-01T00:00:01.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_times_keep_every_digit(time: int, text: str) -> None:
    assert text == iso(time)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_time_can_be_read_back(time: int) -> None:
    text = iso(time)
    seconds = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    fraction = text[20:-1].ljust(9, "0")

    assert time == (seconds.days * 86400 + seconds.seconds) * 10**9 + int(fraction or 0)


@given(st.text(min_size=1, alphabet=st.characters()).map(lambda text: text * 2000))
def test_no_text_makes_the_message_too_long_or_unreadable(text: str) -> None:
    alert = replace(
        ALERT, run=text, family=text, stream=text, kind=text, cause=text, channel=text, acknowledged_by=text
    )
    change = replace(OPENED, actor=text, note=text)
    link = "https://watch.example/" + 500 * "x"

    message = payload(alert, change, make_evidence([[0.4, 0.3], [0.2, 0.1]], (text, text)), STORE, link)

    assert len(message.encode()) < MAX_BYTES
    assert json.loads(message)["data"]["stream"].endswith("…")
