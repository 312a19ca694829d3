"""One attempt to post a message, and the stream whose every operation ends with it.

An attempt has one deadline for everything that happens in it, so that a receiver which sends or takes a byte now and
then cannot hold the caller.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpcore


class Attempt(threading.local):
    """The attempt of the current thread; `timeout` in seconds.

    `connected`: a connection was made for it. `heard`: the receiver has sent something. `address`: where to it went.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self.begin()

    def begin(self) -> None:
        """Start the time limit."""
        self.end = time.monotonic() + self._timeout  # by the monotonic clock
        self.connected = self.heard = False
        self.address = ""

    def shorten(self, seconds: float) -> None:
        """Let it end within so many seconds."""
        self.end = min(self.end, time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds until it must be over. Raises httpcore.ReadTimeout once it must."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("too slow")
        return left


class AttemptStream(httpcore.NetworkStream):
    """A connection that attempts use one after the other; the one in hand says how long an operation may take.

    `is_good` says whether the connections to an address are worth keeping.
    """

    def __init__(
        self, connection: socket.socket, address: str, attempt: Attempt, is_good: Callable[[str], bool]
    ) -> None:
        self._connection = connection
        self._address = address
        self._attempt = attempt
        self._is_good = is_good
        self._unsent = bytearray()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most so many bytes, b"" at the end, once all that was written is sent."""
        if self._unsent:
            with suppress(httpcore.WriteError):  # a receiver may answer, and close, before it has read everything
                self._flush()
        with _translated(httpcore.ReadTimeout, httpcore.ReadError):
            self._connection.settimeout(self._attempt.left())
            found = self._connection.recv(max_bytes)
        self._attempt.heard = self._attempt.heard or bool(found)
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Keep it for the next `read`: so the head and the body of a request go in one piece, and wake others once."""
        self._attempt.address = self._address
        self._unsent += buffer

    def _flush(self) -> None:
        """Send all that is kept, however few bytes the receiver takes at once."""
        rest, self._unsent = memoryview(self._unsent), bytearray()
        with _translated(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._connection.settimeout(self._attempt.left())
                rest = rest[self._connection.send(rest) :]

    def close(self) -> None:
        """Free the socket."""
        self._connection.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted."""
        self._attempt.address = self._address
        try:
            with _translated(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._connection.settimeout(self._attempt.left())
                secured = ssl_context.wrap_socket(self._connection, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        return AttemptStream(secured, self._address, self._attempt, self._is_good)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for: it closes a kept connection that is readable, for the receiver has closed it."""
        if info == "is_readable":
            return not self._is_good(self._address) or _is_readable(self._connection)
        return self._connection if info == "ssl_object" and isinstance(self._connection, ssl.SSLSocket) else None


def _is_readable(connection: socket.socket) -> bool:
    if connection.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


@contextmanager
def _translated(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    """Errors of sockets as those of httpcore."""
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from None
    except OSError as error:
        raise failure(str(error)) from None
