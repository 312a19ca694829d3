"""Connections to hosts named in a configuration: never into the private network by accident.

The name is resolved for each connection, every address it has is checked, and the connection goes to a checked address,
so a name that answers differently the second time (DNS rebinding) gains nothing. The name itself stays in the Host
header and is what the TLS certificate must show. Proxies from the environment are not used: they would resolve the name
again. Connections are kept for the next request.

Each request has one deadline for everything that happens in it: the resolver, connecting, TLS, writing and reading, so
that a receiver which sends a byte now and then cannot hold the caller.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import httpcore
import httpx

from monitor.errors import NotifyError
from monitor.notify.hosts import Resolver, is_public, refusal, resolve, same_host, within

KEPT = 8  # connections that wait for the next request
KEPT_S = 30.0
ELSEWHERE = 2.0  # seconds, at most, before the next address of a host is tried


class GuardedTransport(httpx.HTTPTransport):
    """Sends each request to a public address or a host named in `allow_hosts`. Any thread may use it.

    `timeout` in seconds covers all of a request. A refused host raises NotifyError, everything else that goes wrong an
    httpx.HTTPError.
    """

    def __init__(self, timeout: float, allow_hosts: Collection[str], resolver: Resolver = resolve) -> None:
        context = ssl.create_default_context()  # the machine's own certificates, so a plant's CA counts
        super().__init__(verify=context, trust_env=False)
        self._deadline = _Deadline(timeout)
        # httpx has no parameter for the network backend; a test fails if this line ever stops working.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_keepalive_connections=KEPT,
            keepalive_expiry=KEPT_S,
            network_backend=_GuardedBackend(self._deadline, frozenset(map(same_host, allow_hosts)), resolver),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send; a second time where a kept connection turns out to have been closed by the receiver."""
        self._deadline.begin()
        try:
            return super().handle_request(request)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if self._deadline.connected:
                raise
        return super().handle_request(request)


class _Deadline(threading.local):
    """When the request of this thread must be done, and whether it has made a connection."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self.begin()

    def begin(self) -> None:
        """A request begins."""
        self._end = time.monotonic() + self._timeout
        self.connected = False

    def left(self) -> float:
        """Seconds until then. Raises httpcore.ReadTimeout once it has passed."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("too slow")
        return left


class _GuardedBackend(httpcore.NetworkBackend):
    def __init__(self, deadline: _Deadline, allowed: frozenset[str], resolver: Resolver) -> None:
        self._deadline = deadline
        self._allowed = allowed
        self._resolver = resolver
        self._network = httpcore.SyncBackend()
        self._answered: dict[tuple[str, int], str] = {}  # by host and port, the address that was connected to last

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers, the one of last time first; none may take the time of the next."""
        self._deadline.connected = True
        addresses = sorted(self._addresses(host, port), key=lambda address: address != self._answered.get((host, port)))
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for others, address in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
            left = self._deadline.left()
            share = min(left / (others + 1), ELSEWHERE) if others else left
            try:
                stream = self._network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                self._answered[host, port] = address
                return _BoundedStream(stream, self._deadline)
        raise failure

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            return permitted(host, port, self._allowed, within(self._deadline.left(), self._resolver))
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} cannot be resolved: no answer in time") from None
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


class _BoundedStream(httpcore.NetworkStream):
    """A stream whose reads and writes end by the deadline of the request that uses it."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _BoundedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
