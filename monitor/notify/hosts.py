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


def within(seconds: float, resolver: Resolver) -> Resolver:
    """The same resolver, which raises TimeoutError where it takes longer: the system's has no limit."""

    def bounded(host: str, port: int) -> Sequence[str]:
        found: Future[Sequence[str]] = Future()

        def look_up() -> None:
            try:
                found.set_result(resolver(host, port))
            except BaseException as error:  # raised where it is waited for
                found.set_exception(error)

        threading.Thread(target=look_up, name="resolver", daemon=True).start()
        return found.result(seconds)

    return bounded


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
