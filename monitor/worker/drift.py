"""What a worker shows of its readings to whatever looks for drifts, and what comes back."""

from __future__ import annotations

from typing import Protocol

from monitor.pipeline.outcome import Outcome
from monitor.records.alerts import Fact
from monitor.records.streams import StreamIndex


class DriftWatch(Protocol):
    """Called on the runner's thread for every batch: never blocks, and costs next to nothing."""

    def offer(self, family: str, index: StreamIndex, outcome: Outcome) -> None:
        """A batch of a family was processed; some of it may be looked at, on another thread."""
        ...

    def facts(self) -> list[Fact]:
        """Facts about drifts found since the last call."""
        ...


class NoDrifts:
    """No family looks for drifts."""

    def offer(self, family: str, index: StreamIndex, outcome: Outcome) -> None:
        """Nothing is looked at."""

    def facts(self) -> list[Fact]:
        """None."""
        return []
