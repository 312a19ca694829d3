"""Which candidates are heartbeats: the rules of Hamilton (2002) with the search-back of Pan and Tompkins (1985).

(P. Hamilton, "Open source ECG analysis", Computers in Cardiology 29, 2002; J. Pan and W. J. Tompkins, "A real-time QRS
detection algorithm", IEEE Trans. Biomed. Eng. 32(3), 1985.)

* The threshold lies 0.3 of the way from the median height of the last 8 other humps to that of the last 8 beats, and
  is up to half as much higher soon after a beat.
* Within 360 ms of a beat, a hump less than half as steep is its T wave; not one of 0.7 times a beat's height, as
  premature ventricular beats are.
* When no beat has come for 1.66 times the median interval, the highest hump since the last one, if it is above half
  the way to the threshold, was a beat.
* At the start, and when nothing came for 4 s, the levels are learned again for 2 s from the highest hump so far.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

import numpy as np

from monitor.records.batches import NEVER

SHARE = 0.3  # of the way from noise to beats
SOON, SOON_SHARE = 0.5, 0.8  # the threshold is so much higher right after a beat; back to itself at 0.8 intervals
T_WAVE, T_SLOPE, T_HEIGHT = 0.36, 0.5, 0.7  # s, and shares of the beat's steepness and of the median height
LATE, LATE_SHARE = 1.66, 0.5  # median intervals without a beat; share of the threshold's distance from noise
LOOK_BACK = 1.25  # s; what lies further back when a beat is late is lost
LEARN, LEARN_SHARE = 2.0, 0.4  # s, and share of the highest hump
LOST = 4.0  # s without a beat after which the levels are learned again
LEAN = 1.5  # how much larger the other polarity must be to hold the R-peak
FEWEST = 3  # intervals before rhythm is judged
MEMORY = 8  # beats, other humps and intervals that are remembered
UNSET = -1
TINY = 1e-300


class Hump(NamedTuple):
    """A candidate of one stream. Places are counted in samples since the stream's beginning."""

    place: int
    height: float
    slope: float
    up: float
    up_at: int
    down: float
    down_at: int


class Beat(NamedTuple):
    """A heartbeat: the R-peak's place, and the number of samples that had to be known to find it.

    `interval` to the beat before is in seconds, NaN when unknown; `rhythm` is its share of the expected one. `size` is
    how far the stream's R-peaks go from the signal's median these days.
    """

    peak: int
    known: int
    interval: float
    rhythm: float
    size: float


_LISTS = ("heights", "noise", "intervals", "sizes")
_NUMBERS = ("lean", "top", "last_slope", "learning", "seen", "last", "last_peak")
ROW = np.dtype(
    [
        *((name, np.float64, (MEMORY,)) for name in _LISTS),
        ("spare", np.float64, (len(Hump._fields),)),
        *((name, np.float64) for name in _NUMBERS[:3]),
        *((name, np.int64) for name in _NUMBERS[3:]),
    ]
)


@dataclass(slots=True)
class Rhythm:
    """What is known of one stream's beats. `margin` samples behind a hump must be known to call it one."""

    rate: float
    margin: int
    heights: list[float] = field(default_factory=list)  # of the last beats
    noise: list[float] = field(default_factory=list)  # heights of the last other humps
    intervals: list[float] = field(default_factory=list)  # s
    sizes: list[float] = field(default_factory=list)  # of the last R-peaks
    spare: Hump | None = None  # the highest hump since the last beat
    lean: float = 0.0  # above 0: R-peaks point up
    top: float = 0.0  # the highest hump while learning
    last_slope: float = 0.0  # of the last beat
    learning: int = UNSET  # place up to which levels are learned
    seen: int = NEVER  # place of the last hump
    last: int = NEVER  # ... of the last beat's hump
    last_peak: int = NEVER  # ... of its R-peak

    def begin(self) -> None:
        """Restart the stream at place 0; learned heights and intervals are kept."""
        self.spare, self.seen, self.last, self.last_peak = None, NEVER, NEVER, NEVER
        self.learning, self.top = (0, 0.0) if len(self.heights) == MEMORY else (UNSET, 0.0)

    def advance(self, humps: Iterable[Hump], known: int) -> list[Beat]:
        """Judge the next humps within the first `known` samples; any cut into calls gives the same beats."""
        beats: list[Beat | None] = []
        for hump in humps:
            beats += [self._late(hump.place - 1), self._judge(hump)]
        beats.append(self._late(known - self.margin - 1))
        return [beat for beat in beats if beat is not None]

    def dump(self) -> tuple[object, ...]:
        """As a row of dtype `ROW`."""
        lists = ([*getattr(self, name), *[math.nan] * MEMORY][:MEMORY] for name in _LISTS)
        spare = (math.nan,) * len(Hump._fields) if self.spare is None else tuple(map(float, self.spare))
        return (*lists, spare, *(getattr(self, name) for name in _NUMBERS))

    def load(self, row: np.void) -> None:
        """Take over what `dump` gave."""
        for name in _LISTS:
            setattr(self, name, row[name][~np.isnan(row[name])].tolist())
        for name in _NUMBERS:
            setattr(self, name, row[name].item())
        place, height, slope, up, up_at, down, down_at = row["spare"].tolist()
        self.spare = None
        if not math.isnan(place):
            self.spare = Hump(int(place), height, slope, up, int(up_at), down, int(down_at))

    def _judge(self, hump: Hump) -> Beat | None:
        self.seen = hump.place
        since = (hump.place - self.last) / self.rate
        if hump.height > self._level(hump, since) and not self._trails(hump, since):
            return self._accept(hump, hump.height, hump.place)
        self.noise = [*self.noise[1 - MEMORY :], hump.height]
        if since > T_WAVE and (self.spare is None or hump.height > self.spare.height):
            self.spare = hump
        return None

    def _trails(self, hump: Hump, since: float) -> bool:
        """Whether the hump is the T wave of the last beat."""
        flat = since < T_WAVE and hump.slope < T_SLOPE * self.last_slope
        return flat and not (self.heights and hump.height > T_HEIGHT * median(self.heights))

    def _level(self, hump: Hump, since: float) -> float:
        """What a hump must exceed, `since` seconds after the last beat."""
        if self.last != NEVER and since > LOST:
            self.heights.clear()
            self.learning, self.top = UNSET, self.spare.height if self.spare else 0.0
        if self.learning == UNSET:
            self.learning = hump.place + round(LEARN * self.rate)
        if hump.place < self.learning or not self.heights:
            self.top = max(self.top, hump.height)
            level = LEARN_SHARE * self.top
            self.heights = [height for height in self.heights if height > level]  # the first ones may be T waves
            return level
        level = self._threshold(SHARE)
        if len(self.intervals) > FEWEST:
            level *= 1 + SOON * max(0.0, 1 - since / (SOON_SHARE * median(self.intervals)))
        return level

    def _threshold(self, share: float) -> float:
        noise = median(self.noise) if self.noise else 0.0
        return noise + share * (median(self.heights) - noise)

    def _late(self, place: int) -> Beat | None:
        """The spare hump as a beat, if the next one is late at `place`."""
        if self.spare is None or len(self.intervals) < 2 or not self.heights:
            return None
        due = self.last + int(LATE * median(self.intervals) * self.rate)
        now = max(due, self.seen)
        if place < due or self.spare.height <= self._threshold(LATE_SHARE * SHARE):
            return None
        if now - self.spare.place > LOOK_BACK * self.rate:
            self.spare = None
            return None
        height = 0.75 * median(self.heights) + 0.25 * self.spare.height
        return self._accept(self.spare, height, now)

    def _accept(self, hump: Hump, height: float, place: int) -> Beat | None:
        """The hump is a beat, known when the one at `place` is."""
        upward = hump.up * (LEAN if self.lean >= 0 else 1 / LEAN) >= hump.down
        peak = hump.up_at if upward else hump.down_at
        self.spare = None
        if peak <= self.last_peak:
            return None
        self.lean += 0.1 * ((hump.up - hump.down) / max(hump.up + hump.down, TINY) - self.lean)
        interval, rhythm = math.nan, 1.0
        if self.last_peak != NEVER:
            interval = (peak - self.last_peak) / self.rate
            rhythm = self._rhythm(interval)
            self.intervals = [*self.intervals[1 - MEMORY :], interval]
        self.heights = [*self.heights[1 - MEMORY :], height]
        self.last, self.last_peak, self.last_slope = hump.place, peak, hump.slope
        self.sizes = [*self.sizes[1 - MEMORY :], hump.up if upward else hump.down]
        return Beat(peak, place + self.margin + 1, interval, rhythm, median(self.sizes))

    def _rhythm(self, interval: float) -> float:
        """The interval as a share of the median one. The pause that makes up for a premature beat is as expected."""
        if len(self.intervals) < FEWEST:
            return 1.0
        expected, before = median(self.intervals), self.intervals[-1]
        if interval > expected > before:
            interval = max(expected, (before + interval) / 2)
        return interval / expected
