"""The seam to trained detectors."""

from __future__ import annotations

from typing import Protocol

from monitor.records.batches import Float32


class Scorer(Protocol):
    """A trained detector as the pipeline sees it. Arrays are float32; windows are (m, length, channels).

    Called on the worker's thread; it computes, and neither blocks nor raises.
    """

    def score(self, windows: Float32) -> Float32:
        """How badly each window is explained, (m,), >= 0, higher = worse; equal bits however windows are batched.

        Called for every batch of windows.
        """
        ...

    def reconstruct(self, windows: Float32) -> Float32 | None:
        """What the detector expected to see, (m, length, channels); None where its kind reconstructs nothing.

        Called for the window that opens an alert.
        """
        ...

    def explain(self, windows: Float32) -> Float32 | None:
        """Share of each cell in its window's score, (m, length, channels), summing to 1 per window.

        None where the score of its kind is not a sum over cells. Called for the window that opens an alert.
        """
        ...
