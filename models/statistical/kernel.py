"""The Gaussian kernel between windows and some of those learned from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.statistical.past import NOISE, Float64

if TYPE_CHECKING:
    from models.graph import Graph


@dataclass(frozen=True)
class Kernel:
    """Gaussian kernel exp(-gamma |x - v|^2) at `vectors` (m, cells)."""

    vectors: Float64
    gamma: float

    @staticmethod
    def width(rows: Float64) -> float:
        """Gamma for windows (n, cells): one over the median squared distance between them, noise at least."""
        some = rows[:: math.ceil(len(rows) / 500)]
        between = _squared_distances(some, some)[np.triu_indices(len(some), 1)]
        return 1 / max(float(np.median(between)), float(rows.shape[1]) * NOISE**2)

    def exponents(self, rows: Float64) -> Float64:
        """gamma |x - v|^2, (n, m)."""
        return self.gamma * _squared_distances(rows, self.vectors)

    def export(self, graph: Graph, x: str, bias: Float64 | float = 0.0) -> str:
        """The exponents and a bias, (n, m). Distances are taken around the mean vector, which keeps their digits."""
        mean = self.vectors.mean(axis=0)
        around = self.vectors - mean
        moved = graph.node("Sub", x, graph.floats(mean))
        cells = len(mean)
        squares = graph.node("MatMul", graph.node("Mul", moved, moved), graph.floats(np.full((cells, 1), self.gamma)))
        shift = self.gamma * np.square(around).sum(axis=1) + bias
        parts = (graph.floats(part) for part in (-2 * self.gamma * around.T, shift))
        return graph.node("Add", graph.node("Gemm", moved, *parts), squares)


def _squared_distances(rows: Float64, others: Float64) -> Float64:
    from sklearn.metrics.pairwise import euclidean_distances

    return np.asarray(euclidean_distances(rows, others, squared=True))
