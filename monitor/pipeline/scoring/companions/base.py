"""What a recipe asks of a companion."""

from __future__ import annotations

from typing import Protocol

from monitor.pipeline.state.codec import StreamPart
from monitor.records.batches import Float32, Windows


class Companion(StreamPart, Protocol):
    """A statistic of each stream of a family; its state is saved with the stream, under the companion's name."""

    def score(self, windows: Windows) -> Float32:
        """Score (m,) of windows, sorted by stream and time; higher = less usual, NaN while too little is known.

        Each window is scored by what was learned from those before it, and then learned from: by its newest readings,
        or as a whole. Cells before the first reading of a run are NaN, and so may be others. The scores are the same to
        the bit however the windows are cut into calls. Called for every window of a family, also of streams without a
        model; no loop over streams, no I/O, no clock, no random numbers.
        """
        ...
