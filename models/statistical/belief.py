"""Deep belief network: features of windows by a stack of restricted Boltzmann machines (Hinton, Osindero and Teh 2006,
doi:10.1162/neco.2006.18.7.1527), each trained on what the one below makes of the windows.

Readings are scaled to the range of the clean ones, 0 to 1, and cut there. The first machine has as many units as a
window has cells, `NARROWEST` at least and `WIDEST` at most, the second half of that. Departure: contrastive divergence
is the persistent one (Tieleman 2008, doi:10.1145/1390156.1390290) that scikit-learn has, not of one step from windows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.statistical.past import Float64

if TYPE_CHECKING:
    from models.graph import Graph

NARROWEST, WIDEST = 16, 64
MOST = 10_000  # windows learned from, evenly spread
RATE, STEPS, BATCH = 0.1, 3_000, 10


@dataclass(frozen=True)
class BeliefNet:
    """Per layer a matrix (below, units) and a bias (units,); cells at `low` are 0 and cells at `high` 1."""

    layers: tuple[tuple[Float64, Float64], ...]
    low: Float64
    high: Float64

    @classmethod
    def trained(cls, rows: Float64, low: Float64, high: Float64, seed: int) -> BeliefNet:
        """Trained on windows (n, cells), whose readings lie from `low` to `high`, (cells,) each."""
        from sklearn.neural_network import BernoulliRBM

        net = cls((), low, np.where(high > low, high, low + 1))
        for units in _widths(rows.shape[1]):
            below = net.of(rows[:: math.ceil(len(rows) / MOST)])
            epochs = math.ceil(STEPS * BATCH / len(below))
            machine = BernoulliRBM(units, learning_rate=RATE, batch_size=BATCH, n_iter=epochs, random_state=seed)
            machine.fit(below)
            layer = (machine.components_.T, machine.intercept_hidden_)
            net = cls((*net.layers, layer), net.low, net.high)
        return net

    def of(self, rows: Float64) -> Float64:
        """Features (n, units of the last layer) of rows (n, cells), each between 0 and 1."""
        values = np.clip((rows - self.low) / (self.high - self.low), 0, 1)
        for matrix, bias in self.layers:
            values = 1 / (1 + np.exp(-(values @ matrix + bias)))
        return np.asarray(values)

    def export(self, graph: Graph, x: str) -> str:
        """The same as nodes of a graph."""
        scaled = graph.node(
            "Mul", graph.node("Sub", x, graph.floats(self.low)), graph.floats(1 / (self.high - self.low))
        )
        values = graph.node("Clip", scaled, graph.floats(0), graph.floats(1))
        for matrix, bias in self.layers:
            values = graph.node("Sigmoid", graph.node("Gemm", values, graph.floats(matrix), graph.floats(bias)))
        return values

    def largest(self, direction: Float64) -> float:
        """The largest value that the features' product with a direction can have."""
        return float(np.maximum(direction, 0).sum())

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """Matrices and biases by name."""
        parts = (("matrix", 0), ("bias", 1))
        return {f"{name}{place}": layer[part] for place, layer in enumerate(self.layers) for name, part in parts}


def _widths(cells: int) -> tuple[int, int]:
    first = min(max(cells, NARROWEST), WIDEST)
    return first, first // 2
