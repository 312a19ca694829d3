"""Records that could not be read. Without numpy, so that commands which only look into SQL start quickly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that could not be read, kept with the reason. `body` may be cut short by the store.

    `stream` is the stream's name where it is known although the record cannot be read, else "". `time` is when the
    record was sent, or the time that it holds, ns; None where neither is known.
    """

    topic: str
    partition: int
    offset: int
    reason: str  # short and stable, e.g. "json", "missing-time"; counters use it
    error: str  # the sentence for a person
    stream: str = ""
    time: int | None = None
    key: bytes | None = None
    body: bytes | None = None
