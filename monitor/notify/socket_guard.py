"""The guard for libraries that open their connections themselves: it sees every address that a thread connects to.

Python reports each look-up and each connection to audit hooks (PEP 578) before it happens, and does not go on where a
hook raises. The hook here minds only threads inside `guarded`, costs others one look at a thread-local value, and stays
for the life of the process, as Python has no way to remove one.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from monitor.notify.hosts import is_public, literal_address, refusal, same_host


class RefusedError(OSError):
    """A connection that is not allowed. An OSError, so that libraries clean up as after any other failure."""


class _Thread(threading.local):
    allowed: frozenset[str] | None = None  # hosts that may be called although they are private; None: not guarded
    host = ""  # looked up last
    refused: RefusedError | None = None


_thread = _Thread()
_lock = threading.Lock()
_installed: list[bool] = []


@contextmanager
def guarded(allow_hosts: Collection[str]) -> Iterator[None]:
    """Let this thread connect to public addresses and to `allow_hosts` only.

    Raises RefusedError at the end where a connection was refused, also if a library has kept that to itself.
    """
    with _lock:
        if not _installed:
            sys.addaudithook(_hook)
            _installed.append(True)
    _thread.allowed, _thread.host, _thread.refused = frozenset(map(same_host, allow_hosts)), "", None
    try:
        yield
    finally:
        _thread.allowed = None
    if _thread.refused is not None:
        raise _thread.refused


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _thread.allowed is None:
        return
    if event == "socket.getaddrinfo":
        host = arguments[0]
        _thread.host = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        connection, address = arguments[:2]
        if connection.family == getattr(socket, "AF_UNIX", None):
            _refuse("a file of this machine", "no host")
        elif address is not None:
            _check(str(address[0]))


def _check(address: str) -> None:
    allowed, host = _thread.allowed or frozenset(), _thread.host or address
    if is_public(address) or same_host(host) in allowed or same_host(address) in allowed:
        return
    _refuse(host, literal_address(address) or address)


def _refuse(host: str, address: str) -> None:
    _thread.refused = RefusedError(refusal(host, address))
    raise _thread.refused
