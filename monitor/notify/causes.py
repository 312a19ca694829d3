"""The readings that explain most of a window's score."""

from __future__ import annotations

import math
from typing import NamedTuple

from monitor.records.alerts import Evidence

_MOST = 3
HOURLY = "time of day"  # the component that knows what is usual of each hour


class Cause(NamedTuple):
    """A cell of the window. Times in ns; `offset` after the window's start; `share` of the score, 0 to 1.

    `expected` is None where the detector reconstructs nothing. `usual` is the band in which such a reading lies, None
    where that is not known; `hourly`: at that hour of the day.
    """

    channel: str
    time: int
    offset: int
    share: float
    value: float
    expected: float | None
    usual: tuple[float, float] | None = None
    hourly: bool = False


def causes(evidence: Evidence) -> list[Cause]:
    """The 3 cells with the largest share of the score, largest first; cells without any share are left out."""
    import numpy as np  # slow to import, and lists of alerts need none

    share = np.nan_to_num(evidence.contribution, nan=0.0, posinf=0.0, neginf=0.0)  # (length, channels)
    largest = np.argsort(-share, axis=None, kind="stable")[:_MOST]
    cells = [divmod(int(cell), share.shape[1]) for cell in largest]
    return [_cause(evidence, step, channel) for step, channel in cells if share[step, channel] > 0]


def _cause(evidence: Evidence, step: int, channel: int) -> Cause:
    gaps = max(1, len(evidence.contribution) - 1)
    offset = (evidence.end - evidence.start) * step // gaps  # the cells of a window are evenly spaced in time
    expected, band = evidence.reconstruction, evidence.band
    usual = None if band is None else (float(band.low[step, channel]), float(band.high[step, channel]))
    return Cause(
        channel=evidence.channels[channel], time=evidence.start + offset, offset=offset,
        share=float(evidence.contribution[step, channel]), value=float(evidence.values[step, channel]),
        expected=None if expected is None else float(expected[step, channel]),
        usual=None if usual is None or not all(map(math.isfinite, usual)) else usual,
        hourly=HOURLY in evidence.components,
    )  # fmt: skip


def compared(cause: Cause) -> str:
    """What the reading is compared with, in words behind its value: ", usually 9.8 to 10.6 at this hour".

    What the detector expected is said where no band is known, or the reading lies in it: then its shape is unusual.
    """
    expected = "" if cause.expected is None else f", expected {number(cause.expected)}"
    if cause.usual is None:
        return expected
    low, high = cause.usual
    said = f", usually {number(low)} to {number(high)}" + (" at this hour" if cause.hourly else "")
    return expected + said if low <= cause.value <= high else said


def number(value: float) -> str:
    """Four digits of a reading."""
    return f"{value:.4g}" if math.isfinite(value) else "missing"
