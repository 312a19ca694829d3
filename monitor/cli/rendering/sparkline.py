"""Readings as bars: each of the newest has one, older ones share theirs where there is not enough room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_BARS = "▁▂▃▄▅▆▇█"
_BREAK = "│"  # between bars of several readings and bars of one
_LEAST = 8  # bars, however narrow the terminal


@dataclass(frozen=True, slots=True)
class Scale:
    """How `count` readings become at most `width` bars: the newest half one each, `step` older ones share one."""

    count: int
    width: int

    @property
    def whole(self) -> bool:
        """Every reading has a bar."""
        return self.count <= self._width

    @property
    def newest(self) -> int:
        """Readings that have a bar each."""
        return self.count if self.whole else self._width // 2

    @property
    def step(self) -> int:
        """Older readings that share a bar."""
        return 1 if self.whole else math.ceil((self.count - self.newest) / (self._width - self.newest - 1))

    @property
    def _width(self) -> int:
        return max(self.width, _LEAST)

    def draw(self, values: Sequence[float], low: float, high: float) -> str:
        """Bars of `count` values between `low` and `high`; a blank where nothing was measured."""
        if self.whole:
            return bars(values, low, high)
        older, newest = values[: -self.newest], values[-self.newest :]
        return bars(older, low, high, self.step) + _BREAK + bars(newest, low, high)


def bars(values: Sequence[float], low: float, high: float, step: int = 1) -> str:
    """A bar for each `step` values: that of the one farthest from the middle of `low` and `high`."""
    return "".join(_bar(values[i : i + step], low, high) for i in range(0, len(values), step))


def _bar(values: Sequence[float], low: float, high: float) -> str:
    known = [value for value in values if math.isfinite(value)]
    peak = max(known, key=lambda value: abs(value - (low + high) / 2), default=None)
    if peak is None:
        return " "
    share = (peak - low) / (high - low) if high > low else 0.0
    return _BARS[min(max(int(share * len(_BARS)), 0), len(_BARS) - 1)]
