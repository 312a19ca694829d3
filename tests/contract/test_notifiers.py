"""Every notifier of the registry keeps the promises of the port, and so does the in-memory twin."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
import structlog

from monitor.bootstrap import NOTIFIERS
from monitor.config.notifiers import LogNotifier, WebhookNotifier
from monitor.errors import NotifyError
from monitor.notify.log import Log
from monitor.notify.payload import payload
from monitor.notify.webhook import Webhook
from monitor.ports.notifier import Notifier
from monitor.records.alerts import Alert, AlertState, Delivery, FactKind, Severity, Transition, alert_id, message_id
from monitor.testing.in_memory import ListNotifier
from monitor.testing.webhook_receiver import Answer, Receiver

SECRET = "whsec_" + "QUJD" * 12


def _arrived(receiver: Receiver) -> list[UUID]:
    return [UUID(r.message["data"]["transition_id"]) for r in receiver.received if r.status == 204]


def make_delivery(number: int = 0, state: AlertState = AlertState.OPEN) -> Delivery:
    alert = Alert(
        id=alert_id("live", "temperature", "m-17", 1), run="live", family="temperature", stream="m-17",
        opened_at=2 * 10**9, started_at=10**9, last_at=2 * 10**9, peak_ratio=1.5, peak_at=2 * 10**9,
    )  # fmt: skip
    cause = FactKind.CLEARED if state is AlertState.RESOLVED else FactKind.OPENED
    change = Transition(
        id=UUID(int=number), alert=alert.id, number=number, cause=cause, at=2 * 10**9, state=state,
        severity=Severity.WARNING, ratio=1.5,
    )  # fmt: skip
    text = payload(alert, change, None, UUID(int=77))
    return Delivery(
        id=number, message=message_id(UUID(int=77), change.id), transition=change.id, alert=alert.id, channel="ops",
        payload=text, attempts=0,
    )  # fmt: skip


def make_webhook(url: str) -> Webhook:
    settings = WebhookNotifier(kind="webhook", url=url, secret_env=("S",), allow_hosts=("127.0.0.1",))
    return Webhook(settings, {"S": SECRET})


@dataclass
class Case:
    notifier: Notifier
    arrived: Callable[[], list[UUID]]
    fail_next: Callable[[Delivery], Delivery]  # makes the next try of this delivery fail


@pytest.fixture(params=[*NOTIFIERS, "list"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param == "webhook":
        with Receiver(SECRET) as receiver:
            webhook = make_webhook(receiver.url)

            def refuse(delivery: Delivery) -> Delivery:
                receiver.answers.append(Answer(503))
                return delivery

            yield Case(webhook, lambda: _arrived(receiver), refuse)
    elif request.param == "log":
        with structlog.testing.capture_logs() as lines:
            log = Log(LogNotifier(kind="log"), {})
            yield Case(log, lambda: [UUID(line["transition"]) for line in lines], lambda d: replace(d, payload="{}"))
    else:
        assert request.param == "list", "a notifier of the registry needs a case here"
        twin = ListNotifier()

        def script(delivery: Delivery) -> Delivery:
            twin.failures.append(NotifyError("as scripted"))
            return delivery

        yield Case(twin, lambda: [d.transition for d in twin.received], script)


def test_a_delivery_arrives_once_with_its_id(case: Case) -> None:
    delivery = make_delivery()

    case.notifier.send(delivery)

    assert [delivery.transition] == case.arrived()


def test_a_repeat_carries_the_same_id(case: Case) -> None:
    delivery = make_delivery()

    case.notifier.send(delivery)
    case.notifier.send(replace(delivery, attempts=1))

    assert [delivery.transition] * 2 == case.arrived()


def test_deliveries_arrive_in_the_order_sent(case: Case) -> None:
    first, second = make_delivery(0), make_delivery(1, AlertState.RESOLVED)

    case.notifier.send(first)
    case.notifier.send(second)

    assert [first.transition, second.transition] == case.arrived()


def test_a_failed_try_raises_notify_error_and_the_next_one_works(case: Case) -> None:
    delivery = make_delivery()

    with pytest.raises(NotifyError):
        case.notifier.send(case.fail_next(delivery))
    assert case.arrived() == []

    case.notifier.send(delivery)
    assert [delivery.transition] == case.arrived()


def test_the_log_line_names_stream_and_ratio_and_warns_while_open() -> None:
    with structlog.testing.capture_logs() as lines:
        log = Log(LogNotifier(kind="log"), {})
        log.send(make_delivery())
        log.send(make_delivery(1, AlertState.RESOLVED))

    assert [(x["log_level"], x["event"]) for x in lines] == [("warning", "alert.opened"), ("info", "alert.resolved")]
    assert tuple(lines[0][k] for k in ("stream", "ratio", "at")) == ("m-17", 1.5, "1970-01-01T00:00:02Z")


def test_no_library_logs_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Receiver(SECRET) as receiver:
        url = receiver.url + "/a-token-in-the-path"
        webhook = make_webhook(url)
        webhook.send(make_delivery())

    assert "a-token-in-the-path" not in caplog.text + repr(webhook)
    assert SECRET.removeprefix("whsec_") not in caplog.text + repr(webhook)
