"""Mixture of Gaussians: how unlikely a window is where normal windows come in several kinds.

The density of a window is that of its leading principal components, a mixture of Gaussians fitted by expectation
maximisation (Dempster, Laird and Rubin 1977, doi:10.1111/j.2517-6161.1977.tb01600.x), times that of what they leave
out, noise of one variance (`models.statistical.principal`). With f, how far the log-density lies below its upper bound,
the sum of what the components reach at their own means, the score is sqrt(2 f / cells): >= 0, unbounded, and for a
single component the Mahalanobis distance, about 1 for a normal window.

- How many components: one more as long as it lowers the Bayesian information criterion (Schwarz 1978,
  doi:10.1214/aos/1176344136), `components` at most.
- Covariances are full, and noise of `FLOOR` is added to them and to what the components leave out: no component shrinks
  onto a few windows, and windows are not unusual for what they differ in by less than that.
- It is fitted to the clean windows of the past, `MOST` of them evenly spread.

Departures: the literature scores by -log of the density, whose zero is anywhere; shift and root change no rank.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.contract import Outputs
from models.errors import ConfigError
from models.statistical.past import Float64, PastConfig, PastEstimator, Spectrum, clean_rows
from models.statistical.principal import PCA, leading, refuse_features

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.graph import Graph

MOST = 10_000
FLOOR = 0.2  # standard deviation, in scaled units: a fifth of a channel's usual spread


@dataclass(frozen=True)
class GmmConfig(PastConfig):
    """`components` is the most that the mixture may have; `features` are `pca`, `windows` or, of a net, `dense`."""

    components: int = 8
    features: str = PCA

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_features("gmm", self.features)
        if not 1 <= self.components <= 64:
            raise ConfigError(f"gmm: components = {self.components}; it must be between 1 and 64")


@dataclass(frozen=True)
class Mixture:
    """What was learned: k components over d directions.

    `axes` (cells, d) are the directions from the `mean` (cells,), `noise` is the variance along all others; `weights`
    (k,), `centres` (k, d) and `whitening` (k, d, d), whose products with their transposes are the inverse covariances.
    """

    mean: Float64
    axes: Float64
    noise: Float64
    weights: Float64
    centres: Float64
    whitening: Float64

    @property
    def shares(self) -> Float64:
        """Share of each component in the upper bound of the density, as logs (k,)."""
        peaks = np.log(self.weights) + np.log(np.diagonal(self.whitening, axis1=1, axis2=2)).sum(axis=1)
        return np.asarray(peaks - np.logaddexp.reduce(peaks))

    def below_bound(self, rows: Float64) -> Float64:
        """How far the log-density of rows (n, cells) lies below its upper bound, (n,)."""
        moved = rows - self.mean
        places = moved @ self.axes  # (n, d)
        apart = np.einsum("nkd,kde->nke", places[:, None] - self.centres, self.whitening)
        likely = np.logaddexp.reduce(self.shares - np.square(apart).sum(axis=2) / 2, axis=1)
        rest = np.square(moved - places @ self.axes.T).sum(axis=1)
        return np.asarray(np.abs(likely) + rest / (2 * self.noise))


class Gmm(PastEstimator[GmmConfig]):
    """Fits the mixture. See `models.contract.Estimator`; the seed decides where its components begin."""

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedGmm:
        """See `Estimator.fit`."""
        rows = clean_rows(learn, self._config.keep)
        rows = rows[:: math.ceil(len(rows) / MOST)]
        spectrum = Spectrum.of(rows)
        cells = len(spectrum.mean)
        count = leading(spectrum, len(rows)) if self._config.features == PCA else cells
        axes = spectrum.directions[:, :count]
        noise = FLOOR**2 + (spectrum.variances[count:].mean() if count < cells else 0)
        fitted = _likeliest((rows - spectrum.mean) @ axes, self._config.components, self.seed)
        parts = (fitted.weights_, fitted.means_, fitted.precisions_cholesky_)
        return FittedGmm(Mixture(spectrum.mean, axes, np.asarray(noise), *parts), self._config)


class FittedGmm:
    """See `models.contract.Fitted`."""

    history = None

    def __init__(self, mixture: Mixture, config: GmmConfig) -> None:
        self.mixture, self._config = mixture, config

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Fitted.options`."""
        return asdict(self._config)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Fitted.outputs`."""
        learned = self.mixture
        moved = graph.node("Sub", x, graph.floats(learned.mean))
        places = graph.node("MatMul", moved, graph.floats(learned.axes))
        count, width = learned.centres.shape
        side_by_side = learned.whitening.transpose(1, 0, 2).reshape(width, count * width)
        shift = np.einsum("kd,kde->ke", learned.centres, learned.whitening).ravel()
        apart = graph.node("Gemm", places, graph.floats(side_by_side), graph.floats(-shift))
        halves = np.repeat(np.eye(count), width, axis=0) / 2  # (k * d, k): sums each component's squares
        energies = graph.node(
            "Gemm", graph.node("Mul", apart, apart), graph.floats(halves), graph.floats(-learned.shares)
        )
        below = graph.node("Abs", graph.soft_minimum(energies))  # rounding may leave it just under 0
        cells = len(learned.mean)
        if width < cells:
            rest = graph.node("Sub", moved, graph.node("MatMul", places, graph.floats(learned.axes.T)))
            weights = graph.floats(np.full((cells, 1), 1 / (2 * learned.noise)))
            below = graph.node("Add", below, graph.node("MatMul", graph.node("Mul", rest, rest), weights))
        score = graph.node("Sqrt", graph.node("Mul", below, graph.floats([2 / cells])))
        return Outputs(graph.node("Squeeze", score, graph.constant([1])))

    def score(self, windows: Float32) -> Float32:
        """See `Fitted.score`."""
        rows = windows.reshape(len(windows), -1).astype(np.float64)
        return np.sqrt(self.mixture.below_bound(rows) * 2 / rows.shape[1]).astype(np.float32)

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`."""
        return {name: np.asarray(values, np.float32) for name, values in asdict(self.mixture).items()}


def _likeliest(places: Float64, most: int, seed: int) -> Any:
    """The mixture of the least information criterion, before that of one component more rises; places are (n, d)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    best, lowest = None, math.inf
    for count in range(1, min(most, len(places) // 2) + 1):
        mixture = GaussianMixture(count, reg_covar=FLOOR**2, init_params="k-means++", max_iter=200, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the last step is good enough to be compared
            mixture.fit(places)
        criterion = mixture.bic(places)
        if criterion >= lowest:
            break
        best, lowest = mixture, criterion
    return best
