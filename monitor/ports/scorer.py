"""The seam to trained detectors."""

from __future__ import annotations

from typing import Protocol

from monitor.records.batches import Float32


class Scorer(Protocol):
    """A trained detector as the pipeline sees it. Arrays are float32; windows are (m, length, channels)."""

    def score(self, windows: Float32) -> Float32:
        """How badly each window is explained, (m,), >= 0, higher = worse; equal bits however windows are batched."""
        ...

    def reconstruct(self, windows: Float32) -> Float32:
        """What the detector expected to see, (m, length, channels)."""
        ...

    def explain(self, windows: Float32) -> Float32:
        """Share of each cell in its window's score, (m, length, channels), summing to 1 per window."""
        ...
