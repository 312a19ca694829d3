"""Messages to people: real mails with the picture, chats over HTTP, and what is refused on the way there."""

from __future__ import annotations

import email
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from aiosmtpd.controller import Controller

from monitor.config.notifiers import AppriseNotifier
from monitor.errors import NotifyError, SettingsError
from monitor.notify.apprise import SCHEMAS, Apprise
from monitor.notify.payload import payload
from monitor.notify.socket_guard import RefusedError, guarded
from monitor.records.alerts import Delivery, Evidence
from monitor.testing.json_receiver import JsonReceiver
from monitor.testing.webhook_receiver import Answer
from tests.unit.notify.test_payload import ALERT, OPENED, STORE, make_evidence

PASSWORD = "QZXJKVqzxjkv7"
EVIDENCE = replace(make_evidence([[0.0, 0.1], [0.05, 0.5], [0.3, 0.05]]), facts={"score": 5.0, "limit": 2.0})
DELIVERY = Delivery(
    id=1, message=UUID(int=9), transition=OPENED.id, alert=ALERT.id, channel="mail",
    payload=payload(ALERT, OPENED, EVIDENCE, STORE, "https://watch.example/{alert_id}"), attempts=0,
)  # fmt: skip


class Mailbox:
    """What the SMTP server has taken; with `reply` it refuses."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.reply = "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        if self.reply.startswith("250"):
            mail = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.reply


@contextmanager
def smtp() -> Iterator[tuple[Mailbox, str]]:
    """A real SMTP server, and the address of Apprise that sends there."""
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield box, f"mailto://127.0.0.1:{port}/ops@plant.example?from=wk@plant.example&mode=insecure"
    finally:
        server.stop()


def notifier(url: str, seconds: int = 30, hosts: tuple[str, ...] = ("127.0.0.1",), **settings: Any) -> Apprise:
    how = AppriseNotifier(kind="apprise", url_env="U", allow_hosts=hosts, timeout=seconds * 10**9, **settings)
    return Apprise(how, {"U": url})


def test_a_mail_has_what_an_operator_asks_first_and_the_picture() -> None:
    with smtp() as (box, url):
        made = notifier(url)
        made.illustrate(lambda alert: EVIDENCE if alert == ALERT.id else None)
        made.send(DELIVERY)

    (mail,) = box.mails
    assert mail["subject"].startswith("m-17 (temperature): critical, bearing 3 at 22:13:30 UTC, expected 0, score 2.5")
    (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert picture.get_content().startswith(b"\x89PNG")
    text = mail.as_string()
    assert "50% of the score" in text
    assert f"https://watch.example/{ALERT.id}" in text


def test_without_evidence_or_where_it_is_not_wanted_the_mail_has_no_picture() -> None:
    with smtp() as (box, url):
        notifier(url).send(DELIVERY)
        without = notifier(url, picture=False)
        without.illustrate(lambda _: EVIDENCE)
        without.send(DELIVERY)

    assert [
        part.get_content_type() for mail in box.mails for part in mail.walk() if part.get_content_maintype() == "image"
    ] == []


def test_a_server_that_refuses_is_a_failure_and_the_next_try_works() -> None:
    with smtp() as (box, url):
        made = notifier(url)
        box.reply = f"554 no mail for {PASSWORD}"
        with pytest.raises(NotifyError, match="apprise by mailto"):
            made.send(DELIVERY)
        box.reply = "250 OK"
        made.send(DELIVERY)

    assert len(box.mails) == 1


def test_templates_fill_title_and_body() -> None:
    with JsonReceiver() as receiver:
        made = notifier(
            receiver.url.replace("http", "json"), title="{severity}: {stream}", body="{note}\n{acknowledged_by}\n{{x}}"
        )
        made.send(DELIVERY)

    (body,) = receiver.accepted
    assert (body["title"], body["message"]) == ("critical: m-17", "2 of 3\n{x}")


def test_a_redirect_is_not_followed() -> None:
    with JsonReceiver() as other, JsonReceiver([Answer(302, {"location": other.url})]) as receiver:
        with pytest.raises(NotifyError):
            notifier(receiver.url.replace("http", "json") + "?redirect=yes").send(DELIVERY)

        assert (len(receiver.posts), other.posts) == (1, [])


def test_a_private_address_is_refused_unless_it_is_allowed() -> None:
    with JsonReceiver() as receiver:
        for name in ("127.0.0.1", "localhost"):
            url = receiver.url.replace("http", "json").replace("127.0.0.1", name)
            with pytest.raises(NotifyError, match="which is not a public address; if that is meant, add allow_hosts"):
                notifier(url, hosts=("hooks.example",)).send(DELIVERY)
        assert receiver.posts == []

        notifier(receiver.url.replace("http", "json"), hosts=("127.0.0.1",)).send(DELIVERY)
        notifier(receiver.url.replace("http://127.0.0.1", "json://localhost"), hosts=("localhost",)).send(DELIVERY)
        assert len(receiver.posts) == 2


def test_the_guard_minds_its_thread_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()

        def connect() -> None:
            socket.create_connection(address, timeout=10).close()

        def beside() -> None:
            thread = threading.Thread(target=connect)
            thread.start()
            thread.join()
            server.accept()[0].close()  # the other thread has connected
            connect()

        with pytest.raises(RefusedError, match="not a public address"), guarded(()):
            beside()
        connect()
        with pytest.raises(RefusedError), guarded(()), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(b"x", address)


def test_a_service_that_does_not_answer_ends_with_the_time_limit_and_the_next_tries_are_bounded() -> None:
    with JsonReceiver([Answer(delay=600)] * 8) as receiver:
        made = notifier(receiver.url.replace("http", "json") + "?rto=60", seconds=1)
        began = time.monotonic()
        for _ in range(8):
            with pytest.raises(NotifyError, match="no answer within 1 s"):
                made.send(DELIVERY)
        assert time.monotonic() - began < 60
        with pytest.raises(NotifyError, match="8 earlier tries have not ended yet"):
            made.send(DELIVERY)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("syslog://", "none of the schemas that are allowed"),
        (f"file:///etc/{PASSWORD}", "none of the schemas that are allowed"),
        (PASSWORD, "none of the schemas that are allowed"),
        (f"dbus://{PASSWORD}", "none of the schemas that are allowed"),
        (f"slack://{PASSWORD}", "none that Apprise understands as slack"),
        (f"jsons://wk:{PASSWORD}@host.example/?verify=no", "verify=no"),
    ],
)
def test_an_address_that_cannot_be_used_stops_the_start_and_is_not_shown(url: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why) as caught:
        notifier(url)

    assert PASSWORD not in str(caught.value)


def test_every_schema_is_one_that_apprise_knows() -> None:
    from apprise import Apprise as Library

    known = {
        schema
        for service in Library().details()["schemas"]
        for kind in ("protocols", "secure_protocols")
        for schema in service[kind] or ()
    }
    assert known >= SCHEMAS


def test_nothing_says_the_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    with JsonReceiver([Answer(500, body=PASSWORD.encode())]) as receiver:
        made = notifier(receiver.url.replace("http://", f"json://wk:{PASSWORD}@") + f"/{PASSWORD}")
        with pytest.raises(NotifyError) as caught:
            made.send(DELIVERY)

    assert PASSWORD not in str(caught.value) + repr(made) + caplog.text


def test_a_picture_can_be_drawn_of_any_window() -> None:
    from monitor.notify.picture import picture

    huge = np.full_like(EVIDENCE.values, 3e38)
    for evidence in (
        EVIDENCE,
        replace(EVIDENCE, reconstruction=None, channels=("a$b$", "\x1b[31m")),
        replace(EVIDENCE, values=huge, contribution=EVIDENCE.contribution * float("nan")),
        one_step(EVIDENCE),
    ):
        drawn = picture(evidence, "m-17: $critical$")
        assert drawn.startswith(b"\x89PNG")
        assert len(drawn) < 200_000


def one_step(evidence: Evidence) -> Evidence:
    return replace(
        evidence, end=evidence.start, values=evidence.values[:1], contribution=evidence.contribution[:1],
        reconstruction=None,
    )  # fmt: skip
