"""Records that could not be read. Without numpy, so that commands which only look into SQL start quickly."""

from __future__ import annotations

from dataclasses import dataclass

BODY_LIMIT = 64 * 1024  # bytes kept of a key or body
_ERROR_LIMIT = 2_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that could not be read, kept with the reason. Key and body are cut at `BODY_LIMIT`.

    `size` is that of the whole body in bytes; left out, it is taken from `body`. What waits for a commit is so bounded.
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
    size: int = -1

    def __post_init__(self) -> None:
        if self.size < 0:
            object.__setattr__(self, "size", len(self.body or b""))
        for name, limit in (("key", BODY_LIMIT), ("body", BODY_LIMIT), ("error", _ERROR_LIMIT)):
            if len(value := getattr(self, name) or b"") > limit:
                object.__setattr__(self, name, value[:limit])

    @property
    def weight(self) -> int:
        """About the bytes of memory that it takes."""
        return 500 + len(self.error) + len(self.key or b"") + len(self.body or b"")
