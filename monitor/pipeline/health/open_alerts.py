"""Alerts of channels that may outlive the settings they were opened under."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.pipeline.state.columns import Columns
from monitor.records.batches import NEVER


class OpenAlerts(Columns):
    """Columns of alerts, of which "opened" is NEVER where there is none; `left` = some came with a saved state."""

    left = False

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """See `Columns`."""
        super().load(codes, rows)
        self.left |= bool((rows["opened"] != NEVER).any())
