"""Log lines about streams that are not scored: one for each cause in a batch, however many streams share it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import structlog

from monitor.records.alerts import Fact, FactKind

KINDS = ("unscored", "no-beat")
_LOGGED = (FactKind.OPENED, FactKind.CLEARED)
_NUMBERS = re.compile(r"[\d.,]+")

log = structlog.get_logger()


def log_health(facts: Iterable[Fact]) -> None:
    """A warning where such alerts open, with the first stream as an example, and a line where they are over."""
    alike: dict[tuple[str, ...], list[Fact]] = {}
    for fact in facts:
        if fact.alert_kind in KINDS and fact.kind in _LOGGED:
            cause = _NUMBERS.sub("#", fact.cause)
            alike.setdefault((fact.kind, fact.family, fact.alert_kind, cause), []).append(fact)
    for same in alike.values():
        first = same[0]
        known = {"run": first.run, "family": first.family, "kind": first.alert_kind, "stream": first.stream}
        if first.kind is FactKind.OPENED:
            log.warning("streams_not_scored", streams=len(same), cause=first.cause, **known)
        else:
            log.info("streams_scored_again", streams=len(same), **known)
