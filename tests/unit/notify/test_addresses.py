"""Hosts with several addresses: one that is of no use costs a moment, and is not tried first again."""

from __future__ import annotations

import socket
import threading
import time

import httpcore
import pytest

from monitor.notify.dial import dial
from tests.unit.notify.raw_server import (
    OK,
    SOON,
    Server,
    black_hole,
    fails,
    keep_answering,
    make_webhook,
    seconds_of,
    serving,
)
from tests.unit.notify.test_webhook import DELIVERY


def test_an_address_that_drops_packets_takes_a_moment_once() -> None:
    """And not the whole timeout of every try; the address that has answered is the first one from then on."""
    with serving(keep_answering) as server, black_hole(server.port):
        webhook = make_webhook(server.port, resolver=lambda host, port: ["127.0.0.2", "127.0.0.1"])

        assert seconds_of(lambda: webhook.send(DELIVERY)) < SOON / 2
        assert webhook._poster._transport._addresses.order(["127.0.0.2", "127.0.0.1"]) == ["127.0.0.1", "127.0.0.2"]


def test_only_addresses_that_drop_packets_end_with_the_timeout() -> None:
    with serving(keep_answering, "127.0.0.4") as other, black_hole(other.port), black_hole(other.port, "127.0.0.3"):
        webhook = make_webhook(other.port, 0.6, lambda host, port: ["127.0.0.2", "127.0.0.3"])

        assert 0.5 < seconds_of(lambda: fails(webhook, r"no answer within 0\.6 s")) < SOON / 2


def test_addresses_that_refuse_are_passed_over_at_once() -> None:
    with serving(keep_answering) as server:
        addresses = [f"127.0.1.{number}" for number in range(1, 15)] + ["127.0.0.1"]

        connection, address = dial(addresses, server.port, time.monotonic() + SOON)

        connection.close()
        assert address == "127.0.0.1"


def test_the_error_of_the_last_address_is_the_one_that_is_shown() -> None:
    with serving(keep_answering) as server:
        port = server.port

    with pytest.raises(httpcore.ConnectError, match="Connection refused"):
        dial(["127.0.0.1", "127.0.0.2"], port, time.monotonic() + SOON)
    with pytest.raises(httpcore.ConnectError, match="there is no address"):
        dial([], port, time.monotonic() + SOON)


def test_an_address_that_takes_posts_and_does_not_answer_is_the_last_one_from_then_on() -> None:
    def swallow(server: Server, connection: socket.socket) -> None:
        while server.request(connection):
            pass

    with serving(keep_answering) as good, serving(swallow, "127.0.0.2", good.port) as silent:
        webhook = make_webhook(good.port, 1.0, lambda host, port: ["127.0.0.2", "127.0.0.1"])

        fails(webhook, "no answer within 1 s")
        webhook.send(DELIVERY)
        webhook.send(DELIVERY)

        assert (silent.posts, good.posts) == (1, 2)


def test_a_kept_connection_to_an_address_that_fails_is_not_used_again() -> None:
    answers = threading.Semaphore(2)

    def twice(server: Server, connection: socket.socket) -> None:
        while server.request(connection) and answers.acquire(blocking=False):
            while server.posts < 2 and not server.over.wait(0.01):
                pass
            connection.sendall(OK)

    with serving(twice) as first, serving(keep_answering, "127.0.0.2", first.port) as second:
        webhook = make_webhook(first.port, resolver=lambda host, port: ["127.0.0.1", "127.0.0.2"])
        both = [threading.Thread(target=webhook.send, args=(DELIVERY,)) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        webhook._poster._transport._addresses.failed("127.0.0.1")
        webhook.send(DELIVERY)

        assert (first.posts, second.posts) == (2, 1)
