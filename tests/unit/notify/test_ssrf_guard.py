"""No connection into the private network unless the host is allowed by name."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NoReturn

import httpcore
import pytest

from monitor.errors import NotifyError
from monitor.notify.hosts import is_public
from monitor.notify.ssrf_guard import FAILURES, GuardedTransport
from monitor.testing.webhook_receiver import Receiver


class Recorder:
    """Notes which addresses it is asked to connect to, and connects to none."""

    def __init__(self) -> None:
        self.dialled: list[str] = []

    def __call__(self, addresses: Sequence[str], port: int, end: float) -> NoReturn:
        self.dialled += addresses
        raise httpcore.ConnectError("no server")


class Names:
    """A resolver that gives its answers one after the other."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: int) -> Sequence[str]:
        return self.answers.pop(0)


def request_to(url: str) -> httpcore.Request:
    headers = [("host", url.split("/")[2]), ("content-length", "2")]
    return httpcore.Request("POST", url, headers=headers, content=b"{}")


def post(url: str, allow_hosts: Sequence[str] = (), names: Names | None = None) -> tuple[Exception, list[str]]:
    """The error of a post, and the addresses that were dialled."""
    transport = GuardedTransport(1.0, allow_hosts, names) if names else GuardedTransport(1.0, allow_hosts)
    recorder = Recorder()
    transport._backend._dial = recorder
    with pytest.raises((NotifyError, *FAILURES)) as caught, transport.answer(request_to(url)):
        pass
    return caught.value, recorder.dialled


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.8.9.1", "[::1]", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "0.0.0.0", "0.1.2.3", "100.64.0.1", "100.100.100.200", "192.0.0.8", "192.88.99.1",
        "198.18.0.1", "192.0.2.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "[::]", "[::ffff:127.0.0.1]", "[::ffff:8.8.8.8]", "[::127.0.0.1]", "[fe80::1]", "[fc00::1]", "[fd12::1]",
        "[fec0::1]", "[ff02::1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001::1]",
        "[2001:db8::1]", "[3fff::1]",
        "2130706433", "0x7f000001", "0x7f.1", "127.1", "0", "localhost", "LOCALHOST", "localhost.",
    ],
)  # fmt: skip
def test_a_host_that_is_not_public_is_refused_before_anything_is_sent(host: str) -> None:
    error, dialled = post(f"http://{host}/hook")

    assert isinstance(error, (NotifyError, httpcore.ConnectError))  # some systems do not resolve "localhost."
    assert "not a public address" in str(error) or "cannot be resolved" in str(error)
    assert dialled == []


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["", "example.org", "8.8.8.8.8", "fe80::1%eth0"])
def test_what_is_no_address_is_not_public(address: str) -> None:
    assert not is_public(address)


def test_one_private_address_among_public_ones_refuses_the_host() -> None:
    error, dialled = post("http://hooks.example/", names=Names(["8.8.8.8", "10.0.0.1"]))

    assert isinstance(error, NotifyError)
    assert "10.0.0.1" in str(error)
    assert dialled == []


def test_a_name_is_resolved_once_and_the_checked_address_is_dialled() -> None:
    names = Names(["8.8.8.8"], ["127.0.0.1"])

    _, dialled = post("http://rebinding.example/", names=names)

    assert (dialled, names.answers) == (["8.8.8.8"], [["127.0.0.1"]])


def test_a_name_that_turns_private_is_refused_at_the_next_post() -> None:
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    post("http://rebinding.example/", names=names)

    error, dialled = post("http://rebinding.example/", names=names)

    assert isinstance(error, NotifyError)
    assert dialled == []


def test_every_checked_address_is_tried() -> None:
    _, dialled = post("http://hooks.example/", names=Names(["2606:4700::1111", "8.8.8.8"]))

    assert dialled == ["2606:4700::1111", "8.8.8.8"]


@pytest.mark.parametrize("allowed", ["plc-gateway", "PLC-Gateway."])
def test_a_host_allowed_by_name_may_be_private(allowed: str) -> None:
    _, dialled = post("http://plc-gateway/", [allowed], Names(["10.0.0.1"]))

    assert dialled == ["10.0.0.1"]


def test_allowing_one_name_allows_no_other_with_the_same_address() -> None:
    error, dialled = post("http://other/", ["plc-gateway"], Names(["10.0.0.1"]))

    assert isinstance(error, NotifyError)
    assert 'allow_hosts = ["other"]' in str(error)
    assert dialled == []


def test_an_unknown_name_is_an_ordinary_failure() -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    transport = GuardedTransport(1.0, (), unknown)

    wanted = pytest.raises(httpcore.ConnectError, match=r"hooks\.example cannot be resolved")
    with wanted, transport.answer(request_to("http://hooks.example/")):
        pass


def test_a_first_address_that_does_not_answer_leaves_time_for_the_next_one_and_is_tried_last_after_that() -> None:
    with Receiver("whsec_" + "QUJD" * 12) as receiver, closing(socket.socket()) as silent, ExitStack() as stack:
        port = int(receiver.url.split(":")[2].split("/")[0])
        silent.bind(("127.0.0.2", port))
        silent.listen(0)
        for _ in range(4):  # its queue of connections is full: the next one gets no answer at all
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", port))
        transport = GuardedTransport(6.0, ["both.example"], lambda *_: ["127.0.0.2", "127.0.0.1"])
        for within in (5, 0.9):
            began = time.monotonic()
            with transport.answer(request_to(f"http://both.example:{port}/hook")) as answer:
                answer.read()
            assert time.monotonic() - began < within
        transport.close()
        assert receiver.refused == 2  # they have no signature


def test_a_resolver_that_does_not_answer_costs_no_more_than_the_timeout() -> None:
    never = threading.Event()

    def hangs(*_: object) -> list[str]:
        never.wait(20)
        return []

    transport, began = GuardedTransport(0.3, (), hangs), time.monotonic()
    wanted = pytest.raises(httpcore.ConnectError, match="cannot be resolved")
    with wanted, transport.answer(request_to("http://somewhere.example/")):
        pass
    assert time.monotonic() - began < 5
    never.set()
    transport.close()


def test_connections_are_kept_and_one_that_was_closed_meanwhile_is_made_again() -> None:
    """The receiver closes after its answer, though it has promised to keep the connection."""
    served: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            served.append(self.client_address[1])
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(204)
            self.end_headers()
            self.close_connection = len(served) == 2

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    transport = GuardedTransport(5.0, ["127.0.0.1"])
    for _ in range(4):
        with transport.answer(request_to(f"http://127.0.0.1:{server.server_port}/")) as answer:
            answer.read()
    transport.close()
    server.shutdown()
    server.server_close()
    assert len(served) == 4
    assert len(set(served)) == 2
