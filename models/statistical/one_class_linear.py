"""A linear one-class machine on bounded features of windows: landmarks of a kernel, or a belief network.

With w and rho by stochastic gradient descent, the signed distance of features z is w'z - rho, at most b - rho, where b
is the largest value that w'z can have. The score is (b - w'z) / (b - rho), plus how far readings leave the range of the
clean ones of their channel, root mean square over the cells: bounded features say the same of everything far away.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.artefacts.clean import TINY
from models.statistical.kernel import Kernel
from models.statistical.past import Float64

if TYPE_CHECKING:
    from models.graph import Graph

LANDMARKS = 100
SMALLEST = 1e-2  # eigenvalue of the kernel among the landmarks: a feature is not blown up beyond its root
LEAST = 1e-3  # of b: what b - rho is at least


class Features(Protocol):
    """Bounded features of rows (n, cells): (n, width), as numpy and as nodes of a graph."""

    def of(self, rows: Float64) -> Float64:
        """The features."""
        ...

    def export(self, graph: Graph, x: str) -> str:
        """The same."""
        ...

    def largest(self, direction: Float64) -> float:
        """The largest value that their product with a direction (width,) can have."""
        ...

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """Numbers by name."""
        ...


@dataclass(frozen=True)
class Landmarks:
    """Nyström's map of a kernel: `root` (m, m) is that of the inverse kernel among its m vectors; |z| is at most 1."""

    kernel: Kernel
    root: Float64

    @classmethod
    def evenly(cls, rows: Float64) -> Landmarks:
        """`LANDMARKS` of the windows, evenly spread."""
        kernel = Kernel(rows[:: math.ceil(len(rows) / LANDMARKS)], Kernel.width(rows))
        sizes, directions = np.linalg.eigh(np.exp(-kernel.exponents(kernel.vectors)))
        return cls(kernel, directions / np.sqrt(np.maximum(sizes, SMALLEST)))

    def of(self, rows: Float64) -> Float64:
        """See `Features`."""
        return np.asarray(np.exp(-self.kernel.exponents(rows)) @ self.root)

    def export(self, graph: Graph, x: str) -> str:
        """See `Features`."""
        near = graph.node("Exp", graph.node("Neg", self.kernel.export(graph, x)))
        return graph.node("MatMul", near, graph.floats(self.root))

    def largest(self, direction: Float64) -> float:
        """See `Features`."""
        return float(np.linalg.norm(direction))

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Features`."""
        return {"vectors": self.kernel.vectors, "root": self.root, "gamma": np.array([self.kernel.gamma])}


@dataclass(frozen=True)
class LinearMachine:
    """Score = `offset` - z'`direction` plus what is outside the range from `low` to `high`, (cells,) each.

    See `models.statistical.ocsvm.Machine`.
    """

    features: Features
    direction: Float64
    offset: float
    low: Float64
    high: Float64

    @classmethod
    def of(
        cls, rows: Float64, ends: tuple[Float64, Float64], features: Features, nu: float, seed: int
    ) -> LinearMachine:
        """Fitted to the features of windows (n, cells), whose readings lie between the two `ends`, (cells,) each."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import SGDOneClassSVM

        machine = SGDOneClassSVM(nu=nu, average=True, max_iter=100, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the average is good enough
            machine.fit(features.of(rows))
        largest = features.largest(machine.coef_)
        unit = max(largest - float(machine.offset_[0]), LEAST * largest, TINY)
        return cls(features, machine.coef_ / unit, largest / unit, *ends)

    def score(self, rows: Float64) -> Float64:
        """See `Machine`."""
        outside = np.maximum(rows - self.high, 0) + np.maximum(self.low - rows, 0)
        inside = np.abs(self.offset - self.features.of(rows) @ self.direction)
        return np.asarray(inside + np.sqrt(np.square(outside).mean(axis=1)))

    def export(self, graph: Graph, x: str) -> str:
        """See `Machine`."""
        low, high = (graph.floats(end) for end in (self.low, self.high))
        above, below = graph.node("Sub", x, high), graph.node("Sub", low, x)
        outside = graph.node("Add", graph.node("Relu", above), graph.node("Relu", below))
        share = graph.floats(np.full((len(self.low), 1), 1 / len(self.low)))
        away = graph.node("Sqrt", graph.node("MatMul", graph.node("Mul", outside, outside), share))
        direction = graph.floats(-self.direction[:, None])
        inside = graph.node("Gemm", self.features.export(graph, x), direction, graph.floats([self.offset]))
        return graph.node("Add", graph.node("Abs", inside), away)

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Machine`."""
        ends = {"low": self.low, "high": self.high, "direction": self.direction, "offset": np.array([self.offset])}
        return {**ends, **self.features.weights()}
