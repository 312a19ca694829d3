"""Connections to hosts named in a configuration: never into the private network by accident.

The name is resolved for each connection, every address it has is checked, and the connection goes to a checked address,
so a name that answers differently the second time (DNS rebinding) gains nothing. The name itself stays in the Host
header and is what the TLS certificate must show. Proxies from the environment are not used: they would resolve the name
again. Connections are kept for the next post.
"""

from __future__ import annotations

import ssl
import time
import weakref
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import httpcore

from monitor.errors import NotifyError
from monitor.notify.attempt import Attempt, AttemptStream
from monitor.notify.dial import dial
from monitor.notify.hosts import Lookup, Resolver, is_public, refusal, resolve, same_host

_KEPT = 8  # connections that wait for the next request
_KEPT_S = 4.0  # common receivers close a connection that was idle for 5 s
FAILURES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)
_STALE = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)


class GuardedTransport:
    """Sends each request to a public address or a host named in `allow_hosts`. Any thread may use it.

    `timeout` in seconds covers all of a request: the name service, connecting, TLS, writing and reading. A refused host
    raises NotifyError, everything else that goes wrong one of `FAILURES`.
    """

    def __init__(self, timeout: float, allow_hosts: Collection[str], resolver: Resolver = resolve) -> None:
        self._context = ssl.create_default_context()  # the machine's own certificates, so a plant's CA counts
        self.attempt = Attempt(timeout)
        self._addresses = _Addresses()
        self._backend = _GuardedBackend(
            self.attempt, self._addresses, frozenset(map(same_host, allow_hosts)), Lookup(resolver)
        )
        # Those that no request uses, the newest last. A pool of httpcore would look at all of them twice a request.
        self._kept: deque[httpcore.HTTPConnection] = deque()
        weakref.finalize(self, _close, self._kept)

    @contextmanager
    def answer(self, request: httpcore.Request) -> Iterator[httpcore.Response]:
        """Send, and once more where the receiver turns out to have closed the connection that was kept.

        The answer can be read until the end of the block, and counts to the time of the request.
        """
        self.attempt.begin()
        connection, response = self._sent(request)
        self._addresses.answered(self.attempt.address)
        try:
            yield response
        finally:
            response.close()
            if connection.is_available() and len(self._kept) < _KEPT:
                self._kept.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        _close(self._kept)

    def _sent(self, request: httpcore.Request) -> tuple[httpcore.HTTPConnection, httpcore.Response]:
        while True:
            connection = self._connection(request.url.origin)
            try:
                return connection, connection.handle_request(request)
            except FAILURES as error:
                attempt = self.attempt
                if isinstance(error, _STALE) and not (attempt.connected or attempt.heard):
                    continue  # ends: each time there is one connection less that was kept
                self._addresses.failed(attempt.address)
                raise

    def _connection(self, origin: httpcore.Origin) -> httpcore.HTTPConnection:
        """One that is kept and still good, or one that connects with its request."""
        with suppress(IndexError):
            while True:
                connection = self._kept.pop()
                if connection.can_handle_request(origin) and not connection.has_expired():
                    return connection
                connection.close()
        return httpcore.HTTPConnection(origin, self._context, keepalive_expiry=_KEPT_S, network_backend=self._backend)


def _close(connections: deque[httpcore.HTTPConnection]) -> None:
    with suppress(IndexError):
        while True:
            connections.pop().close()


class _Addresses:
    """Which addresses of a host have answered, and which have not, although a connection could be made."""

    def __init__(self) -> None:
        self._last = ""  # the one that answered last
        self._failed: dict[str, float] = {}  # when, by the monotonic clock

    def answered(self, address: str) -> None:
        self._last = address
        self._failed.pop(address, None)

    def failed(self, address: str) -> None:
        if address:
            self._failed[address] = time.monotonic()

    def is_good(self, address: str) -> bool:
        return address not in self._failed

    def order(self, addresses: Sequence[str]) -> list[str]:
        """The one that answered last, then the others; those that failed at the end, the one of longest ago first."""
        self._failed = {address: at for address, at in self._failed.items() if address in addresses}
        return sorted(addresses, key=lambda address: (self._failed.get(address, 0.0), address != self._last))


class _GuardedBackend(httpcore.NetworkBackend):
    def __init__(self, attempt: Attempt, addresses: _Addresses, allowed: frozenset[str], lookup: Lookup) -> None:
        self._attempt = attempt
        self._addresses = addresses
        self._allowed = allowed
        self._lookup = lookup
        self._dial = dial

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        self._attempt.connected = True
        order = self._addresses.order(self._permitted(host, port))
        connection, address = self._dial(order, port, self._attempt.end)
        return AttemptStream(connection, address, self._attempt, self._addresses.is_good)

    def _permitted(self, host: str, port: int) -> Sequence[str]:
        try:
            return permitted(host, port, self._allowed, self._lookup.within(self._attempt.left()))
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error}") from None


def permitted(host: str, port: int, allow_hosts: Collection[str], resolver: Resolver = resolve) -> Sequence[str]:
    """Every address of `host`, where all may be called.

    Raises NotifyError where one is not public and the host not allowed, OSError or UnicodeError where it has none.
    """
    addresses = resolver(host, port)
    if same_host(host) not in map(same_host, allow_hosts):
        refused = [address for address in addresses if not is_public(address)]
        if refused:
            raise NotifyError(refusal(host, refused[0]))
    return addresses
