"""Windows that arrive whole: each message is one."""

from __future__ import annotations

import numpy as np

from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import Gridded
from monitor.records.batches import Windows


class MessageWindower:
    """Every reading is one window of (length, channels), flattened. Keeps no state."""

    def __init__(self, length: int, channels: int) -> None:
        self._shape = (length, channels)
        self._state = Columns({"unused": (np.uint8, (), 0)})
        self.dtype = self._state.dtype
        self.dump, self.load, self.clear, self.grow = (
            self._state.dump, self._state.load, self._state.clear, self._state.grow,
        )  # fmt: skip

    def add(self, readings: Gridded, aligner: Aligner) -> Windows:
        """The messages as windows."""
        time = aligner.times(readings.slot)
        values = readings.values.reshape(len(readings), *self._shape)
        return Windows(readings.stream, time, time, values, readings.imputed.astype(np.float32))
