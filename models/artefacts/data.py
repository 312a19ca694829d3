"""Windows before the net sees them: shape check, split in time order, scaling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import DataError, ShapeError

Float32 = NDArray[np.float32]

MIN_LEARNED = 5  # below this nothing is known of how windows vary
MIN_WINDOWS = 20  # below this a held-out part says nothing about the spread of scores
NORMAL_IQR = 1.349  # interquartile range of a standard normal
RESOLUTION = 1e-6  # a spread below this share of the level is float32 rounding, not signal
PAIRS = 100  # of windows that say how far apart windows are
LEAST_SCALE = float(np.finfo(np.float32).tiny)  # the inverse of a smaller one would be infinite


def as_windows(values: ArrayLike, length: int, channels: int) -> Float32:
    """`values` as float32 (n, length, channels). Raises ShapeError otherwise."""
    try:
        windows = np.ascontiguousarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:  # words, or rows of unequal length
        raise ShapeError(f"windows must be an array of numbers, (n, {length}, {channels}): {error}") from error
    if windows.ndim != 3 or windows.shape[1:] != (length, channels):
        raise ShapeError(
            f"windows have shape {windows.shape}, expected (n, {length}, {channels}): n windows of {length} steps "
            f"and {channels} channel{'s'[: channels != 1]}"
        )
    return windows


def complete(windows: Float32) -> Float32:
    """The windows without NaN or infinity, in their order. Raises DataError when too few are left to learn from."""
    whole = windows[np.isfinite(windows).all(axis=(1, 2))]
    if len(whole) < MIN_WINDOWS:
        raise DataError(
            f"{len(whole)} complete windows of {len(windows)} given, but training needs at least {MIN_WINDOWS}; "
            "give a longer history, or fill its gaps"
        )
    return whole


def split(windows: Float32, held_out: float) -> tuple[Float32, Float32]:
    """First and last part of windows in time order; the last is the share `held_out`, at least one window.

    Raises DataError when too few are left in the first.
    """
    cut = len(windows) - max(1, round(len(windows) * held_out))
    if cut < MIN_LEARNED:
        raise DataError(
            f"validation = {held_out:g} leaves {cut} of {len(windows)} windows to learn from, but at least "
            f"{MIN_LEARNED} are needed; hold out a smaller share, or give a longer history"
        )
    return windows[:cut], windows[cut:]


def hop(windows: Float32) -> int:
    """By how many readings each of the windows (n, length, channels) follows on the one before, at most their length.

    What most of the first pairs show: windows that share no readings are a whole length apart.
    """
    before, after = windows[:-1][:PAIRS], windows[1:][:PAIRS]
    length = int(windows.shape[1])
    for step in range(1, length):
        if (before[:, step:] == after[:, : length - step]).all(axis=(1, 2)).mean() > 0.5:
            return step
    return length


def shared(windows: Float32) -> int | None:
    """With how many windows before it each of the windows, in order of time, has readings in common.

    None where that is not known: they have none, or are those of several streams.
    """
    step, length = hop(windows), windows.shape[1]
    return None if step == length else math.ceil(length / step) - 1


@dataclass(frozen=True)
class Scaler:
    """Per channel `(x - centre) / scale`, so that the net works on numbers around one. Both float32 (channels,)."""

    centre: Float32
    scale: Float32

    @classmethod
    def robust(cls, windows: Float32) -> Scaler:
        """Median and interquartile range (as a standard deviation): a few faults in the history do not move them.

        A channel that hardly ever moves has no interquartile range: its standard deviation serves. One that never
        moves is scaled by 1 % of its level, or by 1, so that its first change counts without drowning the others.
        """
        cells = windows.reshape(-1, windows.shape[2]).astype(np.float64)
        low, centre, high = np.quantile(cells, (0.25, 0.5, 0.75), axis=0)
        spread = (high - low) / NORMAL_IQR
        floor = RESOLUTION * np.abs(centre)
        spread = np.where(spread > floor, spread, cells.std(axis=0))
        still = np.where(centre == 0, 1.0, 0.01 * np.abs(centre))
        scale = np.maximum(np.where(spread > floor, spread, still), LEAST_SCALE)
        return cls(centre.astype(np.float32), scale.astype(np.float32))

    @classmethod
    def none(cls, channels: int) -> Scaler:
        """Leaves windows as they are."""
        return cls(np.zeros(channels, np.float32), np.ones(channels, np.float32))

    def fits(self, channels: int) -> bool:
        """Whether it has a number for each channel, and could have been learned."""
        sound = all(row.shape == (channels,) and np.isfinite(row).all() for row in (self.centre, self.scale))
        return sound and bool((self.scale > 0).all())

    def forward(self, windows: Float32) -> Float32:
        """Scaled windows, same shape."""
        return (windows - self.centre) / self.scale

    def backward(self, scaled: Float32) -> Float32:
        """Windows in their own units again."""
        return scaled * self.scale + self.centre

    @classmethod
    def from_dict(cls, given: dict[str, list[float]]) -> Scaler:
        """What `to_dict` gave."""
        centre, scale = (np.array(given[name], np.float32) for name in ("centre", "scale"))
        return cls(centre, scale)

    def to_dict(self) -> dict[str, list[float]]:
        """JSON-ready; the numbers keep their bits."""
        return {"centre": self.centre.tolist(), "scale": self.scale.tolist()}
