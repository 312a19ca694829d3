"""Open alerts in the states of earlier versions, which had one for all channels of a stream: they end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from monitor.pipeline.alerting.health_alerts import FROZEN, OUT_OF_RANGE, Episode
from monitor.pipeline.state.columns import Spec
from monitor.records.batches import NEVER

SPEC: dict[str, Spec] = {
    "range_opened": (np.int64, (), NEVER),
    "range_closed": (np.int64, (), NEVER),
    "range_last": (np.int64, (), NEVER),
    "range_peak": (np.float64, (), 0.0),
    "range_peak_at": (np.int64, (), NEVER),
    "range_count": (np.int32, (), 0),
    "range_calm": (np.int32, (), 0),
    "range_cell": (np.int32, (), 0),
    "frozen_opened": (np.int64, (), NEVER),
    "frozen_started": (np.int64, (), NEVER),
}


def open_alerts(rows: np.ndarray[tuple[int], np.dtype[np.void]], names: list[str]) -> Iterator[tuple[int, Episode]]:
    """By its place among saved rows, each alert that is open in them; `names` are those of the streams."""
    for i in np.flatnonzero(rows["range_opened"] != NEVER).tolist():
        fields = (f"range_{name}" for name in ("opened", "last", "peak", "peak_at", "count"))
        opened, last, peak, peak_at, count = (rows[field][i].item() for field in fields)
        yield i, Episode(OUT_OF_RANGE, names[i], opened, opened, last, peak, peak_at, count)
    for i in np.flatnonzero(rows["frozen_opened"] != NEVER).tolist():
        opened, started = rows["frozen_opened"][i].item(), rows["frozen_started"][i].item()
        yield i, Episode(FROZEN, names[i], opened, started, opened, 1.0, opened)
