"""A connection to the first of several addresses that answers, after RFC 8305.

An address that drops packets without a word would otherwise take the whole timeout of every try although another
address of the same host works.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import httpcore

STAGGER = 0.25  # seconds that an address may take before the next one is tried beside it
_MOST = 16  # addresses that are tried


def dial(addresses: Sequence[str], port: int, end: float) -> tuple[socket.socket, str]:
    """The connection that was made first, and its address. `end` by the monotonic clock, in seconds.

    Raises httpcore.ConnectTimeout then, and httpcore.ConnectError once every address has refused.
    """
    left, failure = deque(addresses[:_MOST]), "there is no address"
    with selectors.DefaultSelector() as under_way:
        try:
            begin_at = time.monotonic()
            while left or under_way.get_map():
                now = time.monotonic()
                if now >= end:
                    raise httpcore.ConnectTimeout("no connection")
                try:
                    if left and (now >= begin_at or not under_way.get_map()):
                        begin_at = now + STAGGER
                        _begin(under_way, left.popleft(), port)
                    else:
                        until = min(end, begin_at) if left else end
                        if made := _finished(under_way, until - now):
                            return made
                except OSError as error:
                    failure, begin_at = error.strerror or str(error), now
        finally:
            for key in list(under_way.get_map().values()):
                cast("socket.socket", key.fileobj).close()
    raise httpcore.ConnectError(failure)


def _begin(under_way: selectors.BaseSelector, address: str, port: int) -> None:
    """Begin to connect. Raises OSError where the address cannot be reached at all."""
    family, kind, protocol, _, name = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )[0]
    connection = socket.socket(family, kind, protocol)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BlockingIOError):  # it is under way
            connection.connect(name)
        under_way.register(connection, selectors.EVENT_WRITE, address)
    except BaseException:
        connection.close()
        raise


def _finished(under_way: selectors.BaseSelector, seconds: float) -> tuple[socket.socket, str] | None:
    """A connection that was made within so many seconds, or None. Raises OSError where one has failed."""
    for key, _ in under_way.select(seconds):
        connection = cast("socket.socket", key.fileobj)
        under_way.unregister(connection)
        if error := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            connection.close()
            raise OSError(error, os.strerror(error))
        return connection, str(key.data)
    return None
