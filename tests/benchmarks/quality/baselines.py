"""Simple detectors, by the newest point: what each row's score is depends on the rows up to it only.

All learn from the same first rows as the product, look at windows of 24 readings, and have one setting for all series.
K-means is aeon's and runs in its venv, see `ranking`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

LENGTH = 24
NEIGHBOURS, KEPT, CHUNK = 3, 4000, 512
EPOCHS, BATCH = 40, 64


def scaled(values: Float64, learned: int) -> Float64:
    """In standard deviations of the rows that are learned from; gaps take the value before."""
    known = np.where(np.isfinite(values), np.arange(len(values)), 0)
    whole = np.nan_to_num(values[np.maximum.accumulate(known)])
    spread = whole[:learned].std()
    return np.asarray((whole - whole[:learned].mean()) / (spread if spread > 0 else 1.0))


def windows(values: Float64) -> Float64:
    """The `LENGTH` readings up to each row, (n, LENGTH); the first rows repeat the first reading."""
    return sliding_window_view(np.concatenate([np.full(LENGTH - 1, values[0]), values]), LENGTH)


def moving_variance(values: Float64, learned: int, seed: int) -> Float64:
    """Of the last readings."""
    return np.asarray(windows(values).var(axis=1))


def squared_difference(values: Float64, learned: int, seed: int) -> Float64:
    """To the reading before."""
    return np.diff(values, prepend=values[0]) ** 2


def sub_pca(values: Float64, learned: int, seed: int) -> Float64:
    """What the principal components of learned windows (90 % of their variance) leave over of each window."""
    from sklearn.decomposition import PCA

    found = windows(values)
    fitted = PCA(n_components=0.9, svd_solver="full").fit(found[LENGTH:learned])
    return np.asarray(((found - fitted.inverse_transform(fitted.transform(found))) ** 2).mean(axis=1))


def sliding_knn(values: Float64, learned: int, seed: int) -> Float64:
    """Mean distance to the nearest of the windows before that share no reading with it."""
    found = windows(values)
    scores = np.zeros(len(found))
    for first in range(LENGTH + NEIGHBOURS, len(found), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(found)))
        oldest = max(0, first - KEPT)
        past = found[oldest : rows[-1] - LENGTH + 1]
        squares = (found[rows] ** 2).sum(1)[:, None] + (past**2).sum(1)[None] - 2 * found[rows] @ past.T
        at = oldest + np.arange(len(past))
        squares[(at[None] > rows[:, None] - LENGTH) | (at[None] < rows[:, None] - KEPT)] = np.inf
        nearest = np.partition(squares, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        scores[rows] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    return scores


def cnn_forecast(values: Float64, learned: int, seed: int) -> Float64:
    """Squared error of a convolutional net that forecasts each reading from those before it."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv1d(1, 16, 5), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(16, 16, 3), nn.ReLU(), nn.Flatten(),
        nn.LazyLinear(32), nn.ReLU(), nn.Linear(32, 1),
    )  # fmt: skip
    inputs = torch.tensor(np.ascontiguousarray(windows(values)[:-1]), dtype=torch.float32)[:, None]
    wanted = torch.tensor(values[1:], dtype=torch.float32)
    net(inputs[:1])
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    order = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        shuffled = torch.randperm(learned - LENGTH, generator=order) + LENGTH - 1
        for first in range(0, len(shuffled), BATCH):
            batch = shuffled[first : first + BATCH]
            optimiser.zero_grad()
            torch.autograd.backward(nn.functional.mse_loss(net(inputs[batch])[:, 0], wanted[batch]))
            optimiser.step()
    with torch.no_grad():
        errors = (net(inputs)[:, 0] - wanted) ** 2
    return np.concatenate([[0.0], errors.numpy().astype(np.float64)])


BASELINES: dict[str, Callable[[Float64, int, int], Float64]] = {
    "moving variance": moving_variance,
    "squared difference": squared_difference,
    "Sub-PCA": sub_pca,
    "sliding kNN": sliding_knn,
    "CNN forecast": cnn_forecast,
}
