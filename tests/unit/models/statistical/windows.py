"""Windows that the tests of this folder learn from."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


def correlated(count: int, cells: int, seed: int) -> Float32:
    """Random walks as windows (n, cells, 1): neighbours move together."""
    random = np.random.default_rng(seed)
    return random.normal(size=(count, cells)).cumsum(axis=1).astype(np.float32)[:, :, None]


def kinds(count: int, seed: int) -> Float32:
    """Windows (n, 24, 1) of three kinds of waves, and some noise: no one cloud."""
    random = np.random.default_rng(seed)
    steps = np.arange(24) / 24
    waves = np.stack([np.sin(2 * np.pi * turns * steps) for turns in (1, 2, 3)])
    noise = random.normal(0, 0.1, (count, 24)) + random.normal(0, 0.3, (count, 1))
    return (waves[random.integers(0, 3, count)] + noise).astype(np.float32)[:, :, None]


def sliding(series: NDArray[np.floating], length: int, hop: int = 1) -> Float32:
    """Windows (n, length, channels) of a series (rows, channels)."""
    return np.moveaxis(sliding_window_view(series, length, axis=0)[::hop], 2, 1).astype(np.float32)


def of_two_kinds(count: int, cells: int, seed: int) -> Float32:
    """Half of the windows (n, cells, 1) rise and half fall, with noise: their mean is like none of them."""
    random = np.random.default_rng(seed)
    slope = np.linspace(-2, 2, cells) * np.where(random.random((count, 1)) < 0.5, 1, -1)
    return (slope + random.normal(0, 0.4, (count, cells))).astype(np.float32)[:, :, None]


def mixed(cells: int) -> Float32:
    """Windows from like those of `of_two_kinds` to unlike any: for ranks."""
    random = np.random.default_rng(99)
    return of_two_kinds(400, cells, seed=98) + random.normal(0, 1, (400, cells, 1)).astype(np.float32) * np.linspace(
        0, 2, 400, dtype=np.float32
    ).reshape(-1, 1, 1)


def rows(windows: Float32) -> NDArray[np.float64]:
    """As other libraries take them."""
    return windows.reshape(len(windows), -1).astype(np.float64)
