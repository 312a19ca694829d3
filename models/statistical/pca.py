"""Principal components as plants watch processes: Hotelling's T^2 of the kept ones and Q of what they leave over.

T^2 is the squared distance within the plane of the kept components, in their standard deviations: normal shapes, but
of unusual size. Q, or SPE, is the squared distance from the plane: a shape that normal windows never have (Jackson and
Mudholkar 1979, doi:10.1080/00401706.1979.10489779). Both are joined as T^2 / limit + Q / limit (Yue and Qin 2001,
doi:10.1021/ie000141+); the score is the root of half of that sum, 1 where both are at their limits of 99 %.

- The limits are of chi-squared distributions: `kept` degrees of freedom for T^2, and for Q those of Box's
  approximation (Nomikos and MacGregor 1995, doi:10.1080/00401706.1995.10485888). The limit of Jackson and Mudholkar
  does not exist for many spectra with one strong minor component. These limits only weigh T^2 against Q: what is an
  anomaly is decided by the scores of held-out windows, as for every detector.
- Mean, variances and components are those of the clean windows, see `models.statistical.past`.
- The score is the root mean square of a symmetric matrix times (x - m), so each cell has a contribution, see
  `models.statistical.whitened`. The reconstruction is the nearest window within the plane.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.contract import Outputs
from models.statistical.components import ComponentsConfig
from models.statistical.past import Float64, PastEstimator, Spectrum, clean_rows

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.graph import Graph

CONFIDENCE = 0.99  # of the limits of T^2 and Q


@dataclass(frozen=True)
class PCAConfig(ComponentsConfig):
    """`variance` is the share that the kept components hold."""


class PCA(PastEstimator[PCAConfig]):
    """Fits components. See `models.contract.Estimator`; nothing is random, so the seed changes nothing."""

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedPCA:
        """See `Estimator.fit`."""
        spectrum = Spectrum.of(clean_rows(learn, self._config.keep))
        cells = len(spectrum.mean)
        kept = max(1, min(spectrum.holding(self._config.variance), cells - 1))
        limits = _limit(np.ones(kept)), _limit(spectrum.variances[kept:])
        return FittedPCA(spectrum.part(slice(kept)), limits, self._config)


class FittedPCA:
    """The kept components, and the limits of T^2 and Q. See `models.contract.Fitted`."""

    history = None

    def __init__(self, kept: Spectrum, limits: tuple[float, float], config: PCAConfig) -> None:
        self._mean, self._components, self._config = kept.mean, kept.directions, config
        of_t, of_q = (math.sqrt(len(kept.mean) / 2 / limit) for limit in limits)  # half of the sum, as a mean of cells
        self._across = of_q
        self._along = kept.directions * of_t / np.sqrt(kept.variances)

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Fitted.options`."""
        return asdict(self._config)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Fitted.outputs`."""
        mean, components, along, across = map(graph.constant, self.weights().values())
        centred = graph.node("Sub", x, mean)
        projections = graph.node("MatMul", centred, components)
        reconstruction = graph.node("Gemm", projections, components, mean, transB=1)
        residual = graph.node("Mul", graph.node("Sub", x, reconstruction), across)
        cells = graph.node("Gemm", projections, along, residual, transB=1)
        contribution = graph.node("Mul", cells, cells)
        return Outputs(graph.root_mean(contribution, len(self._mean)), reconstruction, contribution)

    def score(self, windows: Float32) -> Float32:
        """See `Fitted.score`."""
        centred = windows.reshape(len(windows), -1) - self._mean
        projections = centred @ self._components
        residual = centred - projections @ self._components.T
        cells = self._across * residual + projections @ self._along.T
        return np.asarray(np.sqrt(np.square(cells).mean(axis=1)), np.float32)

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`. `along` and `across` weigh T^2 and Q."""
        found = {"mean": self._mean, "components": self._components, "along": self._along, "across": self._across}
        return {name: np.ascontiguousarray(values, np.float32) for name, values in found.items()}


def _limit(variances: Float64) -> float:
    """What a sum of squares with these variances stays below with `CONFIDENCE`; infinite without any."""
    from scipy.stats import chi2

    if not len(variances):
        return math.inf
    total, squares = variances.sum(), np.square(variances).sum()
    return float(squares / total * chi2.ppf(CONFIDENCE, total**2 / squares))
