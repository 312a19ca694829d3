"""Rows of the past that new rows are compared with: the mean squared difference from the k-th nearest of them.

Neighbours in time are neighbours in shape, and windows overlap: the five nearest of a fault that has been there once
would be that fault, five times. So references come in stretches, consecutive rows of equal number, and each stretch
counts as one neighbour, its nearest row: what the exclusion zone of a matrix profile does.

|x|^2 - 2 x r + |r|^2 needs one product of matrices but cancels where x is near r: the graph computes it in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.graph import Graph

FLOAT, DOUBLE = 1, 11  # as ONNX numbers the types of values; artefacts are loaded without its library
VALUES = 4_000_000  # numbers that references may hold: 16 MB in an artefact, 32 MB at work
KEPT = 2000  # rows that they may have

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class References:
    """Rows (m, cells), float32; `stretch` consecutive ones count as one, of which the `neighbours`-th nearest counts.

    `stretch` divides m, and there are at least `neighbours` stretches.
    """

    rows: Float32
    stretch: int = 1
    neighbours: int = 1

    @classmethod
    def of(cls, rows: Float64, together: float, neighbours: int) -> References:
        """At most `KEPT` of the rows, which are in time order, spread evenly over them.

        Rows less than `together` apart have readings in common. Too few of them for that many neighbours are shorter
        stretches first, then fewer neighbours.
        """
        most = max(1, min(KEPT, VALUES // rows.shape[1]))
        chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(int)]
        stretch = int(np.ceil(together * len(chosen) / len(rows)))
        stretch = max(1, min(stretch, len(chosen) // neighbours))
        spare = len(chosen) % stretch  # the oldest
        return cls(chosen[spare:].astype(np.float32), stretch, min(neighbours, len(chosen) // stretch))

    def nearest(self, rows: NDArray[np.floating]) -> Float64:
        """(n, cells) -> (n,)."""
        from scipy.spatial.distance import cdist

        squares = cdist(rows, self.rows, "sqeuclidean") / self.rows.shape[1]
        stretches = squares.reshape(len(rows), -1, self.stretch).min(axis=2)
        return np.asarray(np.partition(stretches, self.neighbours - 1, axis=1)[:, self.neighbours - 1])

    def add_nearest(self, graph: Graph, rows: str) -> str:
        """As `nearest`, for values of a graph, float64 (n, cells) -> (n,)."""
        squares = self._add_squares(graph, rows)
        if self.stretch > 1:
            stretches = graph.node("Reshape", squares, graph.constant([0, -1, self.stretch]))
            squares = graph.node("ReduceMin", stretches, graph.constant([2]), keepdims=0)
        last = graph.constant([self.neighbours - 1])
        nearest = graph.node("Gather", graph.smallest(squares, self.neighbours), last, axis=1)
        mean = graph.node("Mul", nearest, graph.constant(1 / self.rows.shape[1]))
        return graph.node("Squeeze", mean, graph.constant([1]))

    def _add_squares(self, graph: Graph, rows: str) -> str:
        """(n, cells) -> (n, m): sums of squared differences."""
        exact = self.rows.astype(np.float64)
        matrix = widened(graph, graph.constant(self.rows.T))
        ones = graph.constant(np.ones((self.rows.shape[1], 1)))
        squares = graph.node("MatMul", graph.node("Mul", rows, rows), ones)  # (n, 1)
        minus_two = graph.constant(-2.0)  # ONNX Runtime makes it an attribute of the product, in float32
        products = graph.node("MatMul", graph.node("Mul", rows, minus_two), matrix)
        lengths = graph.constant(np.square(exact).sum(axis=1))
        return graph.node("Relu", graph.node("Add", graph.node("Add", products, lengths), squares))


def widened(graph: Graph, values: str) -> str:
    """Values of a graph as float64."""
    return graph.node("Cast", values, to=DOUBLE)


def narrow_root(graph: Graph, squares: str) -> str:
    """The root as float32; squares too large for float32 are infinite, as in every detector."""
    return graph.node("Sqrt", graph.node("Cast", squares, to=FLOAT))
