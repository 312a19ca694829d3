"""Faults put into clean windows, and how well a detector ranks them above the windows without: what a search improves.

The loss of held-out windows would choose the net that rebuilds everything, faults too: it falls as long as the narrow
part of an autoencoder widens. Rank does so less, which is why `spaces` bounds that width. The faults are of five kinds,
most of them small, so that there is something to improve; they stand for those that a plant may have, and are drawn
once from the seed.

>>> clean = np.zeros((200, 12, 2), np.float32)
>>> faulty = with_faults(clean + np.arange(12, dtype=np.float32)[:, None] / 12, seed=0)
>>> separation(lambda windows: np.abs(windows).max(axis=(1, 2)), clean, seed=0) > 0.7
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from models.artefacts.data import Float32

Put = Callable[[Float32, int, np.random.Generator], None]


def separation(score: Callable[[Float32], Float32], windows: Float32, seed: int) -> float:
    """Area under the ROC curve of `score`, scaled windows (n, length, channels) against the same with faults; 0 to 1.

    0 where a score is NaN: such a detector is of no use.
    """
    from sklearn.metrics import roc_auc_score

    scores = np.concatenate([score(windows), score(with_faults(windows, seed))]).astype(np.float64)
    if np.isnan(scores).any():
        return 0.0
    return float(roc_auc_score(np.repeat([0, 1], len(windows)), np.minimum(scores, np.finfo(np.float32).max)))


def with_faults(windows: Float32, seed: int) -> Float32:
    """The windows, scaled to a spread of about 1, with one fault in one channel of each."""
    random, faulty = np.random.default_rng(seed), windows.copy()
    for number, window in enumerate(faulty):
        channel = int(random.integers(window.shape[1]))
        FAULTS[number % len(FAULTS)](window, channel, random)
    return faulty


def _spike(window: Float32, channel: int, random: np.random.Generator) -> None:
    """One reading is off by 1 to 4 spreads."""
    window[random.integers(len(window)), channel] += random.choice([-1, 1]) * random.uniform(1, 4)


def _shift(window: Float32, channel: int, random: np.random.Generator) -> None:
    """From a reading on, the level is off by half to 2 spreads."""
    window[random.integers(len(window)) :, channel] += random.choice([-1, 1]) * random.uniform(0.5, 2)


def _flat(window: Float32, channel: int, random: np.random.Generator) -> None:
    """A third of the window keeps its first value."""
    first, end = _stretch(window, random)
    window[first:end, channel] = window[first, channel]


def _noise(window: Float32, channel: int, random: np.random.Generator) -> None:
    """A third of the window has noise of half a spread or more."""
    first, end = _stretch(window, random)
    window[first:end, channel] += random.normal(0, random.uniform(0.5, 1.5), end - first)


def _reversal(window: Float32, channel: int, random: np.random.Generator) -> None:
    """A third of the window runs backwards."""
    first, end = _stretch(window, random)
    window[first:end, channel] = window[first:end, channel][::-1].copy()


def _stretch(window: Float32, random: np.random.Generator) -> tuple[int, int]:
    width = max(1, len(window) // 3)
    first = int(random.integers(len(window) - width + 1))
    return first, first + width


FAULTS: Final[tuple[Put, ...]] = (_spike, _shift, _flat, _noise, _reversal)
