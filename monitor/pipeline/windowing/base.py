"""What the pipeline and the training ask of a kind of windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from monitor.pipeline.state.codec import StreamPart
from monitor.pipeline.state.segments import Gridded
from monitor.records.batches import Float32, Float64, Int64, Windows


class History(NamedTuple):
    """What a model learns of one stream: windows (m, length, channels), their ends (m,), and the readings
    (n, channels) whose level and spread is the stream's."""

    windows: Float32
    end: Int64
    readings: Float32


class Windower(StreamPart, Protocol):
    """Cuts the windows of a family's streams."""

    @property
    def earlier(self) -> tuple[np.dtype[np.void], ...]:
        """Layouts of saved states of the versions before."""
        ...

    @property
    def memory(self) -> int:
        """Bytes a stream takes in a process of very many, about."""
        ...

    @property
    def facts(self) -> Mapping[str, Float64]:
        """What is known of the windows of the last `add` or `finish` beside their values, (m,) each; NaN = unknown."""
        ...

    def add(self, readings: Gridded) -> Windows:
        """The windows that these readings, sorted by stream, complete; sorted by stream and time."""
        ...

    def finish(self, readings: Gridded) -> Windows:
        """As `add`, of the last readings of a source: also the windows that wait for more."""
        ...

    def cut_history(self, values: Float32, time: Int64, most: int) -> History:
        """The windows of one stream's past readings, (n, width) at times (n,), whatever streams were added.

        In order of time, without any that spans a gap, thinned to about `most` where neighbours overlap.
        """
        ...

    def cold_start(self, windows: Float32) -> Float32:
        """Score (m,) of windows (m, length, channels) without a model, to be judged by `cold_start.LIMIT`."""
        ...
