"""What channels for people make of a payload, also of one that an earlier version wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.message_templates import FIELDS, template_problems
from monitor.config.notifiers import BODY, TITLE, AlertmanagerNotifier, PagerdutyNotifier
from monitor.errors import NotifyError
from monitor.notify.alertmanager import Alertmanager
from monitor.notify.message import message_of
from monitor.notify.pagerduty import Pagerduty
from monitor.notify.payload import payload
from monitor.records.alerts import AlertState, CommandKind, Delivery, FactKind, Severity, TimerKind
from tests.unit.notify.test_payload import ALERT, OPENED, STEP, STORE, T0, make_evidence

NEW = ("summary", "contributions", "score", "limit", "value", "expected", "link")


def delivery(text: str) -> Delivery:
    return Delivery(
        id=1, message=UUID(int=9), transition=OPENED.id, alert=ALERT.id, channel="ops", payload=text, attempts=0
    )


EVIDENCE = make_evidence([[0.0, 0.1], [0.05, 0.5], [0.3, 0.05]])
FULL = delivery(payload(ALERT, OPENED, EVIDENCE, STORE, "https://watch.example/{alert_id}"))


def earlier() -> Delivery:
    """As a version wrote it that did not say itself in words."""
    message = json.loads(FULL.payload)
    for name in NEW:
        del message["data"][name]
    return delivery(json.dumps(message))


def test_a_template_is_filled_with_texts_and_readable_numbers() -> None:
    message = message_of(FULL)

    assert message.fill("{stream}: {ratio} {type} {{x}} {resolved_at}") == "m-17: 2.5 alert.opened {x}"
    assert message.fill("a\n{resolved_at}\n{acknowledged_by}{note}\n{channel}") == "a\n2 of 3"
    assert message.title("{stream}\n\n {state}") == "m-17 open"


def test_the_default_body_says_what_is_known_a_line_each() -> None:
    lines = message_of(FULL).fill(BODY).splitlines()

    assert lines[0].startswith("m-17 (temperature): critical, bearing 3 at 22:13:30 UTC, expected 0, score 2.5 times")
    assert lines[2] == "bearing 3 at 22:13:30 UTC, expected 0, 50% of the score"
    assert f"https://watch.example/{ALERT.id}" in lines
    assert lines[-1] == f"alert {ALERT.id}, family temperature, run live"


def test_a_payload_of_an_earlier_version_can_be_sent() -> None:
    message = message_of(earlier())

    assert message.title(TITLE) == "temperature m-17 anomaly open"
    assert "temperature m-17 anomaly open" in message.fill(BODY)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"type": "a", "timestamp": "b", "data": {}}', '{"data": 1}'])
def test_a_damaged_payload_is_given_up(text: str) -> None:
    with pytest.raises(NotifyError, match="is damaged") as caught:
        message_of(delivery(text))
    assert caught.value.permanent


@given(st.text(alphabet=st.characters(codec="utf-8")), st.text())
def test_no_name_makes_a_title_of_two_lines_or_fills_another_field(name: str, note: str) -> None:
    alert, change = replace(ALERT, stream=name + "{state}"), replace(OPENED, note=note + "{link}")
    message = message_of(delivery(payload(alert, change, None, STORE)))

    title = message.title("{stream} {note}")
    assert len(title.splitlines()) <= 1
    assert "{state}" in title or len(name) > 190
    assert all(character >= " " for character in title)


@given(st.text(alphabet="{}abc.!:[]_ stream", max_size=12))
def test_a_template_that_is_accepted_can_be_filled(text: str) -> None:
    if not list(template_problems(text)):
        assert "{stream}" not in message_of(FULL).fill(text)


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{stream.name}", "{stream!r}", "{ratio:.1f}", "{data[x]}", "{__class__}"]
)
def test_a_template_that_is_more_than_text_with_fields_is_refused(text: str) -> None:
    assert list(template_problems(text))


def test_every_field_can_stand_in_a_template() -> None:
    message = message_of(FULL)
    assert [name for name in FIELDS if "{" in message.fill(f"{{{name}}}x")] == []


def event(alert: Any, change: Any) -> dict[str, Any]:
    settings = PagerdutyNotifier(kind="pagerduty", routing_key_env="K")
    text = payload(alert, change, None, STORE, "https://watch.example/{alert_id}")
    found: dict[str, Any] = json.loads(Pagerduty(settings, {"K": "key"}).preview(delivery(text)))
    return found


@pytest.mark.parametrize(
    ("state", "cause", "action"),
    [
        (AlertState.OPEN, FactKind.OPENED, "trigger"),
        (AlertState.OPEN, FactKind.WORSENED, "trigger"),
        (AlertState.ACKNOWLEDGED, CommandKind.ACKNOWLEDGE, "acknowledge"),
        (AlertState.ACKNOWLEDGED, FactKind.WORSENED, "acknowledge"),
        (AlertState.SHELVED, CommandKind.SHELVE, "resolve"),  # a trigger pages again only behind a resolve
        (AlertState.OPEN, TimerKind.RETURNED, "trigger"),
        (AlertState.OUT_OF_SERVICE, CommandKind.NOTE, "resolve"),
        (AlertState.OPEN, CommandKind.UNACKNOWLEDGE, "trigger"),
        (AlertState.RESOLVED, FactKind.CLEARED, "resolve"),
    ],
)
def test_an_incident_follows_the_state_of_its_alert(state: AlertState, cause: Any, action: str) -> None:
    found = event(replace(ALERT, state=state), replace(OPENED, state=state, cause=cause))

    assert found["event_action"] == action
    assert found["dedup_key"] == f"watchkeeper/{STORE}/{ALERT.id}"
    assert len(found["dedup_key"]) <= 255


def test_an_event_has_what_pagerduty_asks_for() -> None:
    found = event(ALERT, OPENED)

    assert found["links"] == [{"href": f"https://watch.example/{ALERT.id}", "text": "Evidence"}]
    assert {name: found["payload"][name] for name in ("source", "severity", "group", "class", "timestamp")} == {
        "source": "m-17", "severity": "critical", "group": "temperature", "class": "anomaly",
        "timestamp": "2023-11-14T22:13:20Z",
    }  # fmt: skip
    assert found["payload"]["summary"] == "m-17 (temperature): critical, score 2.5 times its limit"
    assert event(replace(ALERT, stream=""), OPENED)["payload"]["source"] == "temperature"
    assert len(event(replace(ALERT, stream="x" * 5000), OPENED)["payload"]["summary"]) <= 1024


def posted(alert: Any, change: Any, now: int) -> list[dict[str, Any]]:
    settings = AlertmanagerNotifier(kind="alertmanager", url="http://am.example")
    found: list[dict[str, Any]] = json.loads(
        Alertmanager(settings, {}, lambda: now).preview(delivery(payload(alert, change, None, STORE)))
    )
    return found


def test_an_alert_of_alertmanager_ends_later_than_now_until_it_is_over() -> None:
    warning = replace(ALERT, severity=Severity.WARNING)
    (found,) = posted(warning, replace(OPENED, severity=Severity.WARNING), T0 + STEP)
    assert (found["startsAt"], found["endsAt"]) == ("2023-11-14T22:13:20Z", "2023-11-14T22:18:30Z")

    over = replace(warning, state=AlertState.RESOLVED, resolved_at=T0 + STEP // 2)
    change = replace(OPENED, severity=Severity.WARNING, state=AlertState.RESOLVED, cause=FactKind.CLEARED)
    (ended,) = posted(over, change, T0 + STEP)
    assert ended["labels"] == found["labels"]
    assert ended["endsAt"] == "2023-11-14T22:13:25Z"

    (shelved,) = posted(warning, replace(OPENED, severity=Severity.WARNING, state=AlertState.SHELVED), T0 + STEP)
    assert shelved["endsAt"] == "2023-11-14T22:13:30Z"


def test_a_critical_alert_ends_the_warning_that_it_was() -> None:
    critical, warning = posted(ALERT, OPENED, T0 + STEP)

    assert (critical["labels"]["severity"], warning["labels"]["severity"]) == ("critical", "warning")
    assert {**critical["labels"], "severity": "warning"} == warning["labels"]
    assert (critical["endsAt"], warning["endsAt"]) == ("2023-11-14T22:18:30Z", "2023-11-14T22:13:30Z")


@given(st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62), st.integers(0, 2**62))
def test_no_alert_ends_before_it_begins(opened: int, resolved: int, now: int) -> None:
    over = replace(ALERT, opened_at=opened, resolved_at=resolved, state=AlertState.RESOLVED)
    change = replace(OPENED, state=AlertState.RESOLVED, cause=FactKind.CLEARED)

    assert all(each["endsAt"][:19] >= each["startsAt"][:19] for each in posted(over, change, now))
