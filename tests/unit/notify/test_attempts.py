"""One attempt against receivers that are slow, silent or gone in every way: bounded in time and memory."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import pytest

from monitor.config.notifiers import WebhookNotifier
from monitor.errors import NotifyError
from monitor.notify.webhook import Webhook
from monitor.testing.webhook_receiver import Receiver
from tests.unit.notify.raw_server import (
    CHUNKED,
    OK,
    SOON,
    Server,
    drip,
    fails,
    keep_answering,
    make_webhook,
    seconds_of,
    serving,
)
from tests.unit.notify.test_webhook import DELIVERY, NEW


def test_posts_share_one_connection() -> None:
    with serving(keep_answering) as server:
        webhook = make_webhook(server.port)
        for _ in range(50):
            webhook.send(DELIVERY)

        assert (server.posts, server.connections) == (50, 1)


def test_refusals_with_a_reason_keep_the_connection_too() -> None:
    def refuse(server: Server, connection: socket.socket) -> None:
        while server.request(connection):
            connection.sendall(b"HTTP/1.1 400 Bad\r\ncontent-length: 2000\r\n\r\n" + b"why " * 500)

    with serving(refuse) as server:
        webhook = make_webhook(server.port)
        for _ in range(5):
            with pytest.raises(NotifyError, match="HTTP 400 Bad Request: why why") as caught:
                webhook.send(DELIVERY)
            assert caught.value.refused

        assert (server.posts, server.connections) == (5, 1)


def test_threads_do_not_wait_for_one_another() -> None:
    """More of them than connections are kept for: each request is answered once all have come."""
    gate = threading.Barrier(20)

    def answer_together(server: Server, connection: socket.socket) -> None:
        while server.request(connection):
            gate.wait(SOON)
            connection.sendall(OK)

    with serving(answer_together) as server:
        webhook = make_webhook(server.port)
        threads = [threading.Thread(target=webhook.send, args=(DELIVERY,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON)

        assert server.posts == 20


@pytest.mark.parametrize("farewell", [b"", b"HTTP/1.1 408 Idle\r\nconnection: close\r\n\r\n"])
def test_a_connection_that_was_closed_while_it_was_kept_costs_no_try(farewell: bytes) -> None:
    closed = threading.Event()

    def once(server: Server, connection: socket.socket) -> None:
        if server.request(connection):
            connection.sendall(OK)
            time.sleep(0.05)
            connection.sendall(farewell)
            closed.set()

    with serving(once) as server:
        webhook = make_webhook(server.port)
        for _ in range(3):
            webhook.send(DELIVERY)
            assert closed.wait(SOON)
            closed.clear()
            time.sleep(0.05)

        assert server.posts == 3


def test_a_connection_that_is_closed_under_a_post_costs_no_try() -> None:
    """The receiver closes it at the moment at which it is used again."""

    def once(server: Server, connection: socket.socket) -> None:
        if server.request(connection):
            connection.sendall(OK)
            server.request(connection)

    with serving(once) as server:
        webhook = make_webhook(server.port)
        for _ in range(4):
            webhook.send(DELIVERY)

        assert server.connections == 4


def test_a_new_connection_that_is_closed_without_an_answer_is_a_failure_and_not_tried_again() -> None:
    def hang_up(server: Server, connection: socket.socket) -> None:
        server.request(connection)

    with serving(hang_up) as server:
        fails(make_webhook(server.port), "disconnected without")

        assert server.posts == 1


@pytest.mark.parametrize("status", [200, 503])
def test_a_body_that_does_not_end_is_not_waited_for(status: int) -> None:
    def answer(server: Server, connection: socket.socket) -> None:
        server.request(connection)
        connection.sendall(CHUNKED % status)
        drip(server, connection, b"1\r\nx\r\n")

    with serving(answer) as server:
        webhook = make_webhook(server.port)
        act = (lambda: webhook.send(DELIVERY)) if status == 200 else (lambda: fails(webhook, "HTTP 503 .*: becausex"))

        assert seconds_of(act) < SOON / 2


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 100 Continue\r\n\r\n", b"H", b"HTTP/1.1 200 OK\r\nx: y", b"\x16\x03\x01\x00"]
)
def test_an_answer_in_drops_is_given_up_after_the_timeout(data: bytes) -> None:
    def answer(server: Server, connection: socket.socket) -> None:
        server.request(connection)
        connection.sendall(data)
        drip(server, connection, data if data.endswith(b"\n") else b"H")

    with serving(answer) as server:
        webhook = make_webhook(server.port, 0.5)

        assert seconds_of(lambda: fails(webhook, "no answer within|illegal|Illegal")) < SOON / 2


def test_a_handshake_in_drops_is_given_up_after_the_timeout() -> None:
    def answer(server: Server, connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\x00")  # a long record that never ends
        drip(server, connection, b"\x03")

    with serving(answer) as server:
        webhook = make_webhook(server.port, 0.5, scheme="https")

        assert seconds_of(lambda: fails(webhook, "no answer within")) < SOON / 2


def test_a_receiver_that_takes_a_post_in_drops_is_given_up_after_the_timeout() -> None:
    def sip(server: Server, connection: socket.socket) -> None:
        while not server.over.wait(0.02):
            connection.recv(2048)

    with serving(sip) as server:
        webhook = make_webhook(server.port, 0.6)
        big = replace(DELIVERY, payload='"' + "x" * 30_000_000 + '"')

        def act() -> None:
            with pytest.raises(NotifyError, match="no answer within"):
                webhook.send(big)

        webhook._headers(DELIVERY)  # imports
        assert seconds_of(act) < SOON / 2


@pytest.mark.parametrize(
    "flood", [b"HTTP/1.1 200 OK\r\n" + b"x-much: y\r\n" * 5000, b"HTTP/1.1 500 No\r\ncontent-length: 99999999\r\n\r\n"]
)
def test_answers_take_little_memory_however_long_they_are(flood: bytes) -> None:
    def answer(server: Server, connection: socket.socket) -> None:
        server.request(connection)
        connection.sendall(flood)
        while not server.over.is_set():
            connection.sendall(b"x: yyyyyyyyyyyy\r\n" * 10_000)

    with serving(answer) as server:
        webhook = make_webhook(server.port)
        webhook._headers(DELIVERY)
        fails(webhook, "HTTP 500|Receive buffer too long")
        tracemalloc.start()
        try:
            fails(webhook, "HTTP 500|Receive buffer too long")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak < 4_000_000


def test_a_name_service_that_hangs_is_given_up_after_the_timeout_and_costs_one_thread() -> None:
    answered, asked = threading.Event(), []

    def hang(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        answered.wait(SOON * 2)
        return ["127.0.0.1"]

    with serving(keep_answering) as server:
        webhook = make_webhook(server.port, 0.3, hang)
        for _ in range(3):
            took = seconds_of(lambda: fails(webhook, r"hooks\.test cannot be resolved: .* has not answered within"))
            assert took < SOON / 2
        assert asked == ["hooks.test"]

        answered.set()
        make_webhook(server.port, SOON, hang).send(DELIVERY)
        assert server.posts == 1


def test_the_timestamp_is_that_of_the_try() -> None:
    now = [1_800_000_000]
    with Receiver(NEW) as receiver:
        settings = WebhookNotifier(kind="webhook", url=receiver.url, secret_env=("S",), allow_hosts=("127.0.0.1",))
        webhook = Webhook(settings, {"S": NEW}, clock=lambda: now[0] * 10**9)
        first = webhook._headers(DELIVERY)["webhook-timestamp"]
        now[0] += 60

        assert (first, webhook._headers(DELIVERY)["webhook-timestamp"]) == ("1800000000", "1800000060")
