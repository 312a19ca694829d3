"""The `window` table of a family: what is cut out of a stream to be scored, and what each kind of window allows.

How the windows of a kind are cut, learned from and covered without a model stands in `monitor.pipeline.windowing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field

from monitor.config.durations import Spanned
from monitor.config.sections import Section

SLOWEST, FASTEST = 100.0, 4000.0  # Hz at which heartbeats can be found
DERIVED: Final = {  # conditions that follow from the time of a reading, and the channels they make
    "hour_of_day": ("hour of day, sine", "hour of day, cosine"),
    "day_of_week": ("day of week, sine", "day of week, cosine"),
}
RHYTHM = 20  # one in so many points of a heartbeat's window draws the rhythm


class Window(Section):
    """The fixed-length vectors that are scored. `hop` defaults to 1 (sliding) or `length` (tumbling).

    `length` may be left out where the recipe has its own.

    `message`: each message is a window of `length` readings.
    `beat`: each heartbeat of an ECG, resampled to `length` points; `rate` is its sampling rate in Hz, without a grid.
    `derived`: conditions for the detector, which follow from the time of a reading.
    """

    kind: Literal["sliding", "tumbling", "message", "beat"] = "sliding"
    length: Spanned | None = None
    hop: Spanned | None = None
    rate: float | None = Field(default=None, ge=SLOWEST, le=FASTEST)
    derived: tuple[Literal["hour_of_day", "day_of_week"], ...] = ()

    @property
    def rules(self) -> Kind:
        """What its kind means for the other settings."""
        return KINDS[self.kind]


Problems = Callable[[Window, int | None, int], Iterator[str]]


def _counted(window: Window, interval: int | None, channels: int) -> Iterator[str]:
    """Sliding and tumbling windows."""
    del interval, channels
    if window.rate is not None:
        yield 'window.rate: only beats have one; set window.kind = "beat", or leave it out'


def _messages(window: Window, interval: int | None, channels: int) -> Iterator[str]:
    yield from _counted(window, interval, channels)
    if window.length is not None and window.length.count is None:
        yield "window.length: a message holds a number of readings; give it, e.g. 140 (interval is between messages)"
    if window.hop is not None:
        yield "window.hop: every message is a window; leave it out"


def _beats(window: Window, interval: int | None, channels: int) -> Iterator[str]:
    if (window.rate is None) == (interval is None):
        yield 'window.rate: for beats, give either the rate in Hz (and interval = "none"), or the interval'
    elif interval is not None and not SLOWEST <= 1e9 / interval <= FASTEST:
        yield f"interval: beats can be found at {SLOWEST:g} to {FASTEST:g} readings a second"
    if window.length is not None and (window.length.count is None or window.length.count < 20):
        yield "window.length: for beats, give the number of points each is resampled to, at least 20, e.g. 128"
    if window.hop is not None:
        yield "window.hop: every beat is a window; leave it out"
    if channels != 1:
        yield "channels: beats are found in one channel; make a family for each lead"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of window means for the other settings of its family.

    `consecutive`: a window is `length` consecutive readings of a stream; `tumbles`: its hop is the length by default.
    `whole`: each message is a window; there is no grid, and an interval is the time between messages.
    `found`: the signal says where a window is, so that their number is not known beforehand.
    `problems` (of a window, with the interval in ns and the number of channels): settings that the kind does not allow.
    """

    problems: Problems
    consecutive: bool = False
    tumbles: bool = False
    whole: bool = False
    found: bool = False

    def fewest_readings(self, length: int, windows: int) -> int:
        """The fewest readings that hold so many windows; 0 where that depends on the signal."""
        if self.found:
            return 0
        return windows + (length - 1 if self.consecutive else 0)


KINDS: Final = {
    "sliding": Kind(_counted, consecutive=True),
    "tumbling": Kind(_counted, consecutive=True, tumbles=True),
    "message": Kind(_messages, whole=True),
    "beat": Kind(_beats, found=True),
}
