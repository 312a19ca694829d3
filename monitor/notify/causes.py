"""The readings that explain most of a window's score."""

from __future__ import annotations

from typing import NamedTuple

from monitor.records.alerts import Evidence

_MOST = 3


class Cause(NamedTuple):
    """A cell of the window. Times in ns; `offset` after the window's start; `share` of the score, 0 to 1.

    `expected` is None where the detector reconstructs nothing.
    """

    channel: str
    time: int
    offset: int
    share: float
    value: float
    expected: float | None


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
    expected = evidence.reconstruction
    return Cause(
        channel=evidence.channels[channel], time=evidence.start + offset, offset=offset,
        share=float(evidence.contribution[step, channel]), value=float(evidence.values[step, channel]),
        expected=None if expected is None else float(expected[step, channel]),
    )  # fmt: skip
