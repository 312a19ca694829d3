"""Where the score of an alert lies among those of the stream's last seven days, added when its message is first sent.

It needs all scores of the stream, which the transaction that opens the alert must not wait for. The text is kept
before it is sent, so that every repeat of a message is the same.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import structlog

from monitor.config.durations import parse_time
from monitor.errors import StoreError
from monitor.ports.score_ranks import Scored, ScoreRanks
from monitor.records.alerts import Delivery

AT_ONCE = 20  # look-ups for the messages of a claim, and
LONGEST = 0.1  # seconds for them: in a flood the others go without
FIELD = "percentile_7d"
_OPENED = '"type":"alert.opened"'

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class _Data(msgspec.Struct):
    run: str
    family: str
    stream: str
    started_at: str
    score: float | None = None


class _Message(msgspec.Struct):
    data: _Data


class Ranking:
    """Completes messages about alerts that open."""

    def __init__(self, ranks: ScoreRanks) -> None:
        self._ranks = ranks
        self._failed = False

    def complete(self, claimed: Sequence[Delivery]) -> list[Delivery]:
        """The messages, those that lack it with their percentile or null. Raises StoreError where it is not kept."""
        asked = {each.id: scored for each in claimed if (scored := _asked(each)) is not None}
        if not asked:
            return list(claimed)
        looked_up = dict(zip(asked, self._found(list(asked.values())[:AT_ONCE]), strict=False))
        texts = {
            each.id: f"{each.payload[:-2]},{msgspec.json.encode({FIELD: looked_up.get(each.id)})[1:-1].decode()}}}}}"
            for each in claimed
            if each.id in asked
        }
        self._ranks.reword(texts)
        return [replace(each, payload=texts.get(each.id, each.payload)) for each in claimed]

    def _found(self, asked: Sequence[Scored]) -> Sequence[float | None]:
        """One for each of the first ones, None where it cannot be said; alerts do not wait for a look-up that fails."""
        found: list[float | None] = []
        until = time.monotonic() + LONGEST
        try:
            for each in asked:
                if time.monotonic() < until:
                    found += self._ranks.percentiles([each])
        except StoreError as error:
            if not self._failed:
                log.warning("percentile_not_found", error=str(error))
            self._failed = True
            return found
        self._failed = False
        return found


def _asked(delivery: Delivery) -> Scored | None:
    """What a message about an alert that opens says of its first window; None of one that is complete or has none."""
    text = delivery.payload
    if delivery.attempts or _OPENED not in text[:300] or f'"{FIELD}":' in text or not text.endswith("}}"):
        return None
    try:
        data = msgspec.json.decode(text, type=_Message).data
        if data.score is None:
            return None
        return Scored(data.run, data.family, data.stream, parse_time(data.started_at), data.score)
    except (msgspec.DecodeError, ValueError):
        return None
