"""Answers over HTTP that are bounded in bytes and in time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2

LARGEST = 2**22  # bytes of an answer: a schema of the largest size, all of it escaped
LONGEST_S = 30.0  # for the body of an answer


class TooLargeError(ValueError):
    """An answer has more than `LARGEST` bytes."""


def bound(session: httpx2.Client) -> None:
    """Make a client ask for answers that are not compressed, and give up those that are too large or too slow.

    Too large is a TooLargeError, too slow a ReadTimeout.
    """
    session.event_hooks = {"request": [_plain], "response": [_limit]}


def _plain(request: httpx2.Request) -> None:
    request.headers["Accept-Encoding"] = "identity"


def _limit(response: httpx2.Response) -> None:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise httpx2.DecodingError("the answer is compressed though it must not be", request=response.request)
    if isinstance(response.stream, httpx2.SyncByteStream):
        response.stream = _Limited(response.stream, response.request)


class _Limited(httpx2.SyncByteStream):
    """The bytes of another stream, up to a number and for a time."""

    def __init__(self, stream: httpx2.SyncByteStream, request: httpx2.Request) -> None:
        self._stream, self._request = stream, request
        self._end = time.monotonic() + LONGEST_S

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for piece in self._stream:
            size += len(piece)
            if size > LARGEST:
                raise TooLargeError(f"the registry's answer has more than {LARGEST:,} bytes")
            if time.monotonic() > self._end:
                raise httpx2.ReadTimeout(f"the answer takes more than {LONGEST_S:g} s", request=self._request)
            yield piece

    def close(self) -> None:
        self._stream.close()
