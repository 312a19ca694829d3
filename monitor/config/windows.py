"""The `window` table of a family: what is cut out of a stream to be scored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from monitor.config.durations import Spanned
from monitor.config.sections import Section

SLOWEST, FASTEST = 100.0, 4000.0  # Hz at which heartbeats can be found


class Window(Section):
    """The fixed-length vectors that are scored. `hop` defaults to 1 (sliding) or `length` (tumbling).

    `beat`: each heartbeat of an ECG, resampled to `length` points; `rate` is its sampling rate in Hz, without a grid.
    """

    kind: Literal["sliding", "tumbling", "message", "beat"] = "sliding"
    length: Spanned
    hop: Spanned | None = None
    rate: float | None = Field(default=None, ge=SLOWEST, le=FASTEST)


def beat_problems(window: Window, interval: int | None, channels: int) -> Iterator[str]:
    """What is wrong with the settings of beats, of a family with this interval (ns) and so many channels."""
    if window.kind != "beat":
        if window.rate is not None:
            yield 'window.rate: only beats have one; set window.kind = "beat", or leave it out'
        return
    if (window.rate is None) == (interval is None):
        yield 'window.rate: for beats, give either the rate in Hz (and interval = "none"), or the interval'
    elif interval is not None and not SLOWEST <= 1e9 / interval <= FASTEST:
        yield f"interval: beats can be found at {SLOWEST:g} to {FASTEST:g} readings a second"
    if window.length.count is None or window.length.count < 20:
        yield "window.length: for beats, give the number of points each is resampled to, at least 20, e.g. 128"
    if window.hop is not None:
        yield "window.hop: every beat is a window; leave it out"
    if channels != 1:
        yield "channels: beats are found in one channel; make a family for each lead"
