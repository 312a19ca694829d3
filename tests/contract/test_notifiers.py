"""Every notifier of the registry keeps the promises of the port, and so does the in-memory twin."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast
from uuid import UUID

import pytest
import structlog

from monitor.bootstrap import NOTIFIERS
from monitor.config.notifiers import (
    AlertmanagerNotifier,
    AppriseNotifier,
    KafkaNotifier,
    LogNotifier,
    PagerdutyNotifier,
    WebhookNotifier,
)
from monitor.errors import NotifyError, SettingsError
from monitor.notify.alertmanager import Alertmanager
from monitor.notify.apprise import Apprise
from monitor.notify.digest import digest
from monitor.notify.hosts import Resolver, resolve
from monitor.notify.kafka_topic import KafkaTopic
from monitor.notify.log import Log
from monitor.notify.pagerduty import Pagerduty
from monitor.notify.payload import payload
from monitor.notify.webhook import Webhook
from monitor.ports.notifier import Notifier, Previewed
from monitor.records.alerts import Alert, AlertState, Delivery, FactKind, Severity, Transition, alert_id, message_id
from monitor.sources.embedded import EmbeddedBroker
from monitor.testing.in_memory import ListNotifier
from monitor.testing.json_receiver import JsonReceiver
from monitor.testing.webhook_receiver import Answer, Receiver
from tests.topics import read_topic

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


@contextmanager
def webhook_case() -> Iterator[Case]:
    with Receiver(SECRET) as receiver:
        yield Case(make_webhook(receiver.url), lambda: _arrived(receiver), _refusing(receiver))


@contextmanager
def pagerduty_case() -> Iterator[Case]:
    with JsonReceiver() as receiver:
        settings = PagerdutyNotifier(
            kind="pagerduty", url=receiver.url, routing_key_env="K", allow_hosts=("127.0.0.1",)
        )

        def arrived() -> list[UUID]:
            return [UUID(body["payload"]["custom_details"]["transition_id"]) for body in receiver.accepted]

        yield Case(Pagerduty(settings, {"K": "QZXJKVqzxjkv"}), arrived, _refusing(receiver))


@contextmanager
def alertmanager_case() -> Iterator[Case]:
    with JsonReceiver() as receiver:
        settings = AlertmanagerNotifier(
            kind="alertmanager", url=receiver.url, body="{transition_id}", allow_hosts=("127.0.0.1",)
        )

        def arrived() -> list[UUID]:
            return [UUID(each["annotations"]["description"]) for body in receiver.accepted for each in body]

        yield Case(Alertmanager(settings, {}), arrived, _refusing(receiver))


@contextmanager
def kafka_case() -> Iterator[Case]:
    with EmbeddedBroker() as broker:
        broker.create_topic("alerts")
        settings = KafkaNotifier(kind="kafka", topic="alerts", bootstrap_servers=broker.bootstrap_servers)

        def arrived() -> list[UUID]:
            records = read_topic(broker.bootstrap_servers, "alerts")
            return [UUID(json.loads(record.value)["data"]["transition_id"]) for record in records]

        yield Case(KafkaTopic(settings, {}), arrived, lambda d: replace(d, payload="{}"))


@contextmanager
def apprise_case() -> Iterator[Case]:
    with JsonReceiver() as receiver:
        settings = AppriseNotifier(kind="apprise", url_env="U", body="{transition_id}", allow_hosts=("127.0.0.1",))
        notifier = Apprise(settings, {"U": receiver.url.replace("http", "json")})
        yield Case(notifier, lambda: [UUID(body["message"]) for body in receiver.accepted], _refusing(receiver))


@contextmanager
def log_case() -> Iterator[Case]:
    with structlog.testing.capture_logs() as lines:
        log = Log(LogNotifier(kind="log"), {})
        yield Case(log, lambda: [UUID(line["transition"]) for line in lines], lambda d: replace(d, payload="{}"))


@contextmanager
def list_case() -> Iterator[Case]:
    twin = ListNotifier()

    def script(delivery: Delivery) -> Delivery:
        twin.failures.append(NotifyError("as scripted"))
        return delivery

    yield Case(twin, lambda: [d.transition for d in twin.received], script)


def _refusing(receiver: Receiver) -> Callable[[Delivery], Delivery]:
    def refuse(delivery: Delivery) -> Delivery:
        receiver.answers.append(Answer(503))
        return delivery

    return refuse


CASES = {
    "webhook": webhook_case, "pagerduty": pagerduty_case, "alertmanager": alertmanager_case, "kafka": kafka_case,
    "apprise": apprise_case, "log": log_case,
    "list": list_case,
}  # fmt: skip


@pytest.fixture(params=[*NOTIFIERS, "list"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """A notifier of the registry needs a case here."""
    with CASES[request.param]() as found:
        yield found


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


def other_delivery(kind: str) -> Delivery:
    """A digest of two alerts, or a heartbeat: a message that is about no single alert."""
    id_ = UUID(int=99)
    if kind == "digest":
        text = digest("rate", 10**18)([make_delivery(0), make_delivery(1, AlertState.RESOLVED)], id_)
    else:
        data = {"period_s": 60.0, "workers": 1, "committed_at": "2027-01-15T08:00:00Z"}
        text = json.dumps({"type": "heartbeat", "timestamp": "2027-01-15T08:00:00Z", "data": data})
    return Delivery(id=9, message=id_, transition=id_, alert=id_, channel="ops", payload=text, attempts=0)


@pytest.mark.parametrize("kind", ["digest", "heartbeat"])
def test_digests_and_heartbeats_are_taken_and_the_next_change_too(case: Case, kind: str) -> None:
    case.notifier.send(other_delivery(kind))
    case.notifier.send(make_delivery())


def test_the_log_shows_a_digest_as_a_warning_and_a_heartbeat_as_none() -> None:
    with structlog.testing.capture_logs() as lines:
        log = Log(LogNotifier(kind="log"), {})
        log.send(other_delivery("digest"))
        log.send(other_delivery("heartbeat"))

    assert [(x["log_level"], x["event"]) for x in lines] == [("warning", "digest"), ("info", "heartbeat")]
    assert (lines[0]["messages"], lines[1]["workers"]) == (2, 1)


def over_http(kind: str, url: str, hosts: tuple[str, ...], resolver: Resolver = resolve) -> Notifier:
    if kind == "webhook":
        how = WebhookNotifier(kind="webhook", url=url, secret_env=("S",), allow_hosts=hosts)
        return Webhook(how, {"S": SECRET}, resolver=resolver)
    if kind == "pagerduty":
        pager = PagerdutyNotifier(kind="pagerduty", url=url, routing_key_env="S", allow_hosts=hosts)
        return Pagerduty(pager, {"S": SECRET}, resolver=resolver)
    return Alertmanager(AlertmanagerNotifier(kind="alertmanager", url=url, allow_hosts=hosts), {}, resolver=resolver)


OVER_HTTP = ["webhook", "pagerduty", "alertmanager"]  # tests/integration/test_apprise.py has its own guard


@pytest.mark.parametrize("kind", OVER_HTTP)
def test_a_private_address_is_refused_whatever_its_name_is(kind: str) -> None:
    with JsonReceiver() as receiver:
        with pytest.raises(SettingsError, match="not a public address"):
            over_http(kind, receiver.url, ())
        named = receiver.url.replace("127.0.0.1", "hooks.example")
        rebound = over_http(kind, named, (), lambda host, port: ["127.0.0.1"])
        with pytest.raises(NotifyError, match=r"hooks\.example is 127\.0\.0\.1, which is not a public address"):
            rebound.send(make_delivery())

    assert receiver.posts == []


@pytest.mark.parametrize("kind", OVER_HTTP)
def test_a_redirect_is_not_followed(kind: str) -> None:
    with JsonReceiver() as other, JsonReceiver([Answer(307, {"location": other.url})]) as receiver:
        notifier = over_http(kind, receiver.url, ("127.0.0.1",))
        with pytest.raises(NotifyError, match=r"HTTP 307 .*redirects are not followed"):
            notifier.send(make_delivery())

        assert (len(receiver.posts), other.posts) == (1, [])


@pytest.mark.parametrize("kind", OVER_HTTP)
def test_answers_say_what_becomes_of_the_message(kind: str) -> None:
    answers = [Answer(429, {"retry-after": "20"}), Answer(410), Answer(400), Answer(500)]
    with JsonReceiver(answers) as receiver:
        notifier, found = over_http(kind, receiver.url, ("127.0.0.1",)), []
        for _ in answers:
            with pytest.raises(NotifyError) as caught:
                notifier.send(make_delivery())
            found.append((caught.value.retry_after, caught.value.permanent, caught.value.refused))

    assert found == [(20, False, False), (None, True, False), (None, False, True), (None, False, False)]


def test_what_would_be_sent_can_be_shown(case: Case) -> None:
    if not isinstance(case.notifier, ListNotifier):
        shown = cast(Previewed, case.notifier).preview(make_delivery())
        assert "m-17" in shown
        assert case.arrived() == []


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
