"""Log lines about records that cannot be read: at the first of a kind, then at most every 30 s with their number."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from monitor.records.batches import DeadLetter
from monitor.records.excerpts import excerpt

REPEAT_S = 30.0  # seconds until the same kind is logged again
EXAMPLE = 120  # characters of a body in a log line
_MOST_KINDS = 1_000

log = structlog.get_logger()


@dataclass(slots=True)
class _Kind:
    """Dead letters of one reason and topic since their last line."""

    logged: float
    count: int = 0
    example: dict[str, object] | None = None  # what is said of the first of them; holds no whole body


class DeadLetterLog:
    """Logs `records_unreadable` for each topic and reason. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def note(self, dead: Sequence[DeadLetter]) -> None:
        """Count what a poll brought, and log what is due; called after every poll, with none too."""
        if not dead and not self._kinds:
            return
        now = self._clock()
        for letter in dead:
            kind = self._kinds.get((letter.topic, letter.reason))
            if kind is None and len(self._kinds) < _MOST_KINDS:
                kind = self._kinds[letter.topic, letter.reason] = _Kind(now - REPEAT_S)
            if kind is not None:
                kind.count += 1
                kind.example = kind.example or _facts(letter)
        for kind in self._kinds.values():
            if kind.example is not None and now - kind.logged >= REPEAT_S:
                log.warning("records_unreadable", **kind.example, count=kind.count)
                kind.logged, kind.count, kind.example = now, 0, None


def _facts(letter: DeadLetter) -> dict[str, object]:
    return {
        "topic": letter.topic, "reason": letter.reason, "error": letter.error, "stream": letter.stream,
        "partition": letter.partition, "offset": letter.offset, "example": excerpt(letter.body, EXAMPLE),
    }  # fmt: skip
