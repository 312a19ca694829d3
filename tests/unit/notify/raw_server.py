"""Receivers made of bare sockets, and addresses whose packets are dropped: for what no HTTP server does by itself."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from monitor.config.notifiers import WebhookNotifier
from monitor.errors import NotifyError
from monitor.notify.hosts import Resolver
from monitor.notify.webhook import Webhook
from tests.unit.notify.test_webhook import DELIVERY, NEW

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 %d Because\r\ntransfer-encoding: chunked\r\n\r\n7\r\nbecause\r\n"
SOON = 20.0  # seconds: what a busy machine needs at most for what takes a moment


class Server:
    """Listens on an address of this machine and calls `serve` for every connection, in a thread each.

    `posts` counts the requests that `request` has read, `connections` those that were made. `over` is set at the end.
    """

    def __init__(
        self, serve: Callable[[Server, socket.socket], None], address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._serve = serve
        self._socket = socket.create_server((address, port))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        self.posts = 0
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def request(self, connection: socket.socket) -> bool:
        """Read a request to its end; False where the sender has closed the connection instead."""
        found = b""
        while not found.endswith(DELIVERY.payload.encode()):
            part = connection.recv(65536)
            if not part:
                return False
            found += part
        with self._lock:
            self.posts += 1
        return True

    def close(self) -> None:
        self.over.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(SOON)
            assert not thread.is_alive()
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._handle, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _handle(self, connection: socket.socket) -> None:
        connection.settimeout(0.05)
        with connection, suppress(ConnectionError):
            self._serve(self, Patient(connection, self.over))  # type: ignore[arg-type]


class Patient:
    """A socket whose `recv` waits until the test is over."""

    def __init__(self, connection: socket.socket, over: threading.Event) -> None:
        self._connection = connection
        self._over = over

    def recv(self, count: int) -> bytes:
        while not self._over.is_set():
            with suppress(TimeoutError):
                return self._connection.recv(count)
        return b""

    def sendall(self, data: bytes) -> None:
        while data and not self._over.is_set():
            with suppress(TimeoutError):
                data = data[self._connection.send(data) :]


@contextmanager
def serving(
    serve: Callable[[Server, socket.socket], None], address: str = "127.0.0.1", port: int = 0
) -> Iterator[Server]:
    server = Server(serve, address, port)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def black_hole(port: int, address: str = "127.0.0.2") -> Iterator[None]:
    """An address whose packets are dropped: its queue of connections that were not accepted yet is full."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex((address, port))
        try:
            yield
        finally:
            for one in waiting:
                one.close()


def make_webhook(port: int, timeout: float = SOON, resolver: Resolver | None = None, scheme: str = "http") -> Webhook:
    settings = WebhookNotifier(
        kind="webhook", url=f"{scheme}://hooks.test:{port}/hook", secret_env=("S",), allow_hosts=("hooks.test",),
        timeout=round(timeout * 1e9),
    )  # fmt: skip
    return Webhook(settings, {"S": NEW}, resolver=resolver or (lambda host, port: ["127.0.0.1"]))


def keep_answering(server: Server, connection: socket.socket) -> None:
    while server.request(connection):
        connection.sendall(OK)


def drip(server: Server, connection: socket.socket, data: bytes) -> None:
    while not server.over.wait(0.02):
        connection.sendall(data)


def seconds_of(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def fails(webhook: Webhook, words: str) -> None:
    with pytest.raises(NotifyError, match=words) as caught:
        webhook.send(DELIVERY)
    assert (caught.value.permanent, caught.value.refused) == (False, False)
