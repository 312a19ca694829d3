"""Connections to hosts named in a configuration: never into the private network by accident.

The name is resolved once, every address it has is checked, and the connection goes to a checked address, so a name
that answers differently the second time (DNS rebinding) gains nothing. The name itself stays in the Host header and is
what the TLS certificate must show. Proxies from the environment are not used: they would resolve the name again.

Each connection has one deadline for everything that happens on it, so that a receiver which sends a byte now and then
cannot hold the caller. Only the resolver's own timeout comes on top.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import httpcore
import httpx

from monitor.errors import NotifyError
from monitor.notify.hosts import Resolver, is_public, refusal, resolve, same_host


class GuardedTransport(httpx.HTTPTransport):
    """Sends each request over a new connection, to a public address or a host named in `allow_hosts`.

    `timeout` in seconds covers connecting, TLS, writing and reading together. A refused host raises NotifyError,
    everything else that goes wrong an httpx.HTTPError.
    """

    def __init__(self, timeout: float, allow_hosts: Collection[str], resolver: Resolver = resolve) -> None:
        context = ssl.create_default_context()  # the machine's own certificates, so a plant's CA counts
        super().__init__(verify=context, trust_env=False)
        # httpx has no parameter for the network backend; a test fails if this line ever stops working.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_keepalive_connections=0,
            network_backend=_GuardedBackend(timeout, frozenset(map(same_host, allow_hosts)), resolver),
        )


class _GuardedBackend(httpcore.NetworkBackend):
    def __init__(self, timeout: float, allowed: frozenset[str], resolver: Resolver) -> None:
        self._timeout = timeout
        self._allowed = allowed
        self._resolver = resolver
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        deadline = time.monotonic() + self._timeout
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._addresses(host, port):
            try:
                stream = self._network.connect_tcp(address, port, _left(deadline), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _BoundedStream(stream, deadline)
        raise failure

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            return permitted(host, port, self._allowed, self._resolver)
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


def _left(deadline: float) -> float:
    """Seconds until the deadline. Raises httpcore.ReadTimeout once it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("too slow")
    return left


class _BoundedStream(httpcore.NetworkStream):
    """A stream whose reads and writes all end by the same deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _BoundedStream(
            self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
