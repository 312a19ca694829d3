"""Names and addresses of hosts: which are public, and what is said about others."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

Resolver = Callable[[str, int], Sequence[str]]
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")  # all else is local, reserved, or wraps an IPv4 address
# Protocol assignments, relays, tunnels, documentation: `is_global` differs between Python versions about these.
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)


def resolve(host: str, port: int) -> list[str]:
    """Every address of `host` as the system knows it. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Lookup:
    """A resolver with a time limit, which the system's does not have. Any thread may use it.

    A look-up that is not answered in time goes on, and the next one for the same host waits for it too: a name service
    that hangs costs one thread for each host.
    """

    def __init__(self, resolver: Resolver = resolve) -> None:
        self._resolver = resolver
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int], Future[Sequence[str]]] = {}

    def within(self, seconds: float) -> Resolver:
        """The resolver, which raises TimeoutError where the answer takes longer than that."""

        def bounded(host: str, port: int) -> Sequence[str]:
            answer = self._ask(host, port)
            try:
                return answer.result(seconds)
            except TimeoutError:
                if answer.done():
                    raise  # the resolver's
                raise TimeoutError(f"the name service has not answered within {seconds:.3g} s") from None

        return bounded

    def _ask(self, host: str, port: int) -> Future[Sequence[str]]:
        with self._lock:
            if (host, port) not in self._open:
                self._open[host, port] = Future()
                threading.Thread(target=self._look_up, args=(host, port), name="lookup", daemon=True).start()
            return self._open[host, port]

    def _look_up(self, host: str, port: int) -> None:
        try:
            found, error = self._resolver(host, port), None
        except Exception as failure:
            found, error = (), failure
        with self._lock:
            answer = self._open.pop((host, port))
        if error is None:
            answer.set_result(found)
        else:
            answer.set_exception(error)


def is_public(address: str) -> bool:
    """Whether `address` is an ordinary host of the internet: not loopback, private, link-local, shared, multicast..."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed not in _GLOBAL_IPV6:
        return False
    special = any(parsed in network for network in _SPECIAL)
    return parsed.is_global and not (special or parsed.is_multicast or parsed.is_reserved)


def literal_address(host: str) -> str | None:
    """The address that a host's name is by itself, however it is written (2130706433, 127.1, localhost); else None."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    name = same_host(host)
    if name == "localhost" or name.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return socket.inet_ntoa(socket.inet_aton(name)) if name.isascii() else None
    except OSError:
        return None


def same_host(host: str) -> str:
    """The form in which host names are compared."""
    return host.lower().rstrip(".").strip("[]")


def refusal(host: str, address: str) -> str:
    """Why `host` is not called, and how to allow it."""
    return f'{host} is {address}, which is not a public address; if that is meant, add allow_hosts = ["{host}"]'
