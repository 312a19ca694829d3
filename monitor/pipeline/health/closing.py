"""Open alerts that end without a reading that ends them: their stream was switched off, retired or renamed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from monitor.pipeline.alerting.health_alerts import HealthFacts

SWITCHED_OFF = "switched off in the settings"


class Closable(Protocol):
    """What keeps alerts of streams, and what leads to them."""

    def close(self, code: int, at: int, facts: HealthFacts) -> None:
        """Resolve the stream's alerts at `at`, ns, or when they had their newest numbers; what comes next is new."""
        ...


class ClosedAlerts:
    """Facts about alerts that were closed when the state of their stream was loaded, for the next batch to report."""

    def __init__(self, run: str, family: str, parts: Iterable[Closable]) -> None:
        self._run, self._family, self._parts = run, family, list(parts)
        self._waiting: dict[int, HealthFacts] = {}  # by stream

    def close(self, code: int, at: int, reason: str) -> None:
        """Close the alerts of a stream that is loaded, whose clock is at `at`."""
        facts = HealthFacts(self._run, self._family, reason)
        for part in self._parts:
            part.close(code, at, facts)
        if facts.facts:
            self._waiting[code] = facts

    def drop(self, code: int, at: int, but: Closable | None) -> None:
        """As `close`, without a report: the database has closed them already, `but` those of one part."""
        unsaid = HealthFacts(self._run, self._family)
        for part in self._parts:
            if part is not but:
                part.close(code, at, unsaid)
        self._waiting.pop(code, None)

    def forget(self, codes: Iterable[int]) -> None:
        """These streams left this worker before that was reported: the next owner does it."""
        for code in codes:
            self._waiting.pop(code, None)

    def report(self, facts: HealthFacts) -> HealthFacts:
        """The facts of a new batch, with what waits."""
        for code, waiting in self._waiting.items():
            facts.facts += waiting.facts
            facts.touched |= {code, *waiting.touched}
        self._waiting.clear()
        return facts
