"""In-memory twins of the ports, for tests of the product and of what people build on it.

Each passes the same contract tests as the real thing (`tests/contract`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import numpy as np

from monitor.pipeline.family import Pipeline
from monitor.records.alerts import Delivery
from monitor.records.batches import Float32
from monitor.sources.memory import ListSource
from monitor.store.memory import MemoryStore
from monitor.store.memory_alerts import MemoryAlertCommands
from monitor.store.memory_delivered_messages import MemoryDeliveredMessages
from monitor.store.memory_outbox import MemoryOutbox

__all__ = [
    "DistanceScorer",
    "ListNotifier",
    "ListSource",
    "MemoryAlertCommands",
    "MemoryDeliveredMessages",
    "MemoryOutbox",
    "MemoryStore",
    "NoModels",
]


class ListNotifier:
    """A notifier that keeps what it is given in `received`.

    `failures` are raised first, one per call; what fails is not kept. Append to it at any time to script more.
    """

    def __init__(self, failures: Iterable[Exception] = ()) -> None:
        self.timeout = 15.0
        self.received: list[Delivery] = []
        self.failures = deque(failures)

    def send(self, delivery: Delivery) -> None:
        """Keep the delivery, or raise the next scripted failure."""
        if self.failures:
            raise self.failures.popleft()
        self.received.append(delivery)


class DistanceScorer:
    """A detector that has nothing to learn: the score is the mean distance from zero."""

    def score(self, windows: Float32) -> Float32:
        """(m, length, channels) to (m,)."""
        return np.asarray(np.abs(windows).mean(axis=(1, 2), dtype=np.float64), dtype=np.float32)

    def reconstruct(self, windows: Float32) -> Float32 | None:
        """Zeros."""
        return np.zeros_like(windows)

    def explain(self, windows: Float32) -> Float32 | None:
        """Share of each cell's distance."""
        size = np.abs(windows)
        return np.asarray(size / np.maximum(size.sum(axis=(1, 2), keepdims=True), np.float32(1e-12)))


class NoModels:
    """No training, no model: every stream stays under cold start."""

    holding = False

    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Nothing to adopt."""

    def trains(self, family: str) -> bool:
        """Never."""
        return False

    def request(self, pipeline: Pipeline, stream_ids: Mapping[str, int]) -> None:
        """Not answered."""
