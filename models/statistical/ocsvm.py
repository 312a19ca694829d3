"""One-class support vector machine: how far a window lies outside the region that normal windows fill.

The machine finds the smallest region that leaves out the share `nu` of the windows learned from (Schölkopf et al. 2001,
doi:10.1162/089976601750264965). Erfani et al. 2016 (doi:10.1016/j.patcog.2016.03.028) give it features of a deep
belief network, so that a linear one will do. `features` says what it sees:

- `windows`: the windows by a Gaussian kernel, whose width is the median distance between windows; fitted to `MOST` of
  the clean windows, evenly spread. The kernel's sum f over the support vectors vanishes far away, where every window
  would score alike. So the score is its logarithm, in units of the kernel: sqrt((`LEAST` - log f) / gamma / cells). It
  ranks windows as the decision function does, and far away it is the distance to the nearest support vector.
- `nystroem`: the same kernel by its values at 100 landmarks (Williams and Seeger 2001), and `dbn`: the belief network
  (`models.statistical.belief`), both with a linear machine by stochastic gradient descent, for all clean windows
  however many. The score is the signed distance, 0 where it is largest and 1 on the border of the region. These
  features are bounded. So how far readings leave the range of the clean ones (root mean square) is added.
- `dense`: as `windows`, on features of a net that is trained first (`models.networks.encoded`).

Departures: `windows` is fitted to a sample by the exact solver, as it detects more than a linear machine on the map of
all windows (on ECG5000 an area under the ROC curve of .981 instead of .978); scores are >= 0 and unbounded as above.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.contract import Outputs
from models.errors import ConfigError
from models.options import ENCODER, refuse_unknown
from models.statistical.kernel import Kernel
from models.statistical.past import Float64, PastConfig, PastEstimator, clean_rows

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.graph import Graph

MOST = 2_000
LEAST = 0.01  # added to -log f: the root of a number near 0 has few digits

WINDOWS, NYSTROEM, DBN, DENSE = FEATURES = ("windows", "nystroem", "dbn", ENCODER)


@dataclass(frozen=True)
class OcsvmConfig(PastConfig):
    """`features` is what the machine sees, `nu` the share of the clean windows that may lie outside."""

    features: str = WINDOWS
    nu: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unknown("ocsvm: features", [self.features], FEATURES)
        if not 0.001 <= self.nu <= 0.5:
            raise ConfigError(f"ocsvm: nu = {self.nu}; it must be between 0.001 and 0.5")


class Machine(Protocol):
    """A fitted machine over rows (n, cells): scores (n,), as numpy and as nodes of a graph, and its numbers."""

    def score(self, rows: Float64) -> Float64:
        """>= 0, higher is worse."""
        ...

    def export(self, graph: Graph, x: str) -> str:
        """The same, (n, 1)."""
        ...

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """By name."""
        ...


class Ocsvm(PastEstimator[OcsvmConfig]):
    """Fits the machine. See `models.contract.Estimator`; the seed is that of linear machines and their features."""

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedOcsvm:
        """See `Estimator.fit`."""
        rows = clean_rows(learn, self._config.keep)
        if self._config.features in (WINDOWS, DENSE):
            machine: Machine = KernelMachine.of(rows[:: math.ceil(len(rows) / MOST)], self._config.nu)
        else:
            machine = self._linear(rows, learn.shape[2])
        return FittedOcsvm(machine, self._config)

    def _linear(self, rows: Float64, channels: int) -> Machine:
        from models.statistical.belief import BeliefNet
        from models.statistical.one_class_linear import Features, Landmarks, LinearMachine

        by_channel = rows.reshape(-1, channels)
        low, high = (np.tile(end(by_channel, axis=0), rows.shape[1] // channels) for end in (np.min, np.max))
        dbn = self._config.features == DBN
        features: Features = BeliefNet.trained(rows, low, high, self.seed) if dbn else Landmarks.evenly(rows)
        return LinearMachine.of(rows, (low, high), features, self._config.nu, self.seed)


class FittedOcsvm:
    """See `models.contract.Fitted`."""

    history = None

    def __init__(self, machine: Machine, config: OcsvmConfig) -> None:
        self._machine, self._config = machine, config

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Fitted.options`."""
        return asdict(self._config)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Fitted.outputs`."""
        return Outputs(graph.node("Squeeze", self._machine.export(graph, x), graph.constant([1])))

    def score(self, windows: Float32) -> Float32:
        """See `Fitted.score`."""
        return self._machine.score(windows.reshape(len(windows), -1).astype(np.float64)).astype(np.float32)

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`."""
        return {name: np.asarray(values, np.float32) for name, values in self._machine.weights().items()}


@dataclass(frozen=True)
class KernelMachine:
    """`shares` (m,) of the support vectors in the kernel's sum, which add up to 1."""

    kernel: Kernel
    shares: Float64

    @classmethod
    def of(cls, rows: Float64, nu: float) -> KernelMachine:
        """Fitted to windows (n, cells)."""
        from sklearn.svm import OneClassSVM

        gamma = Kernel.width(rows)
        machine = OneClassSVM(gamma=gamma, nu=nu).fit(rows)
        shares = machine.dual_coef_[0]
        return cls(Kernel(machine.support_vectors_, gamma), shares / shares.sum())

    def score(self, rows: Float64) -> Float64:
        """See `Machine`."""
        below = -np.logaddexp.reduce(np.log(self.shares) - self.kernel.exponents(rows), axis=1)
        return np.asarray(np.sqrt((np.abs(below) + LEAST) / (self.kernel.gamma * rows.shape[1])))

    def export(self, graph: Graph, x: str) -> str:
        """See `Machine`."""
        energies = self.kernel.export(graph, x, -np.log(self.shares))
        below = graph.node("Abs", graph.soft_minimum(energies))  # rounding may leave it just under 0
        below = graph.node("Add", below, graph.floats([LEAST]))
        unit = 1 / (self.kernel.gamma * self.kernel.vectors.shape[1])
        return graph.node("Sqrt", graph.node("Mul", below, graph.floats([unit])))

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Machine`."""
        return {"vectors": self.kernel.vectors, "shares": self.shares, "gamma": np.array([self.kernel.gamma])}
