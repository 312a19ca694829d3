"""Mahalanobis distance of a window from the windows learned from: how unusual it is where all of them form one cloud.

With a mean window m and a covariance S of the cells, the score is sqrt((x - m)' S^-1 (x - m) / cells), about 1 for a
normal window. It knows which cells move together, but nothing of shapes that only some windows have: an autoencoder
does better where normal windows come in several kinds, this one is fitted in milliseconds and by a few dozen windows.

- S is shrunk towards equal variances (Ledoit and Wolf 2004, doi:10.1016/S0047-259X(03)00096-4), so that it can be
  inverted with fewer windows than cells, and each cell has measurement noise of `NOISE` added, so that a channel that
  never moved and cells that always move together do not make the smallest difference infinite.
- The past holds faults: m and S are fitted to the share `keep` of the windows nearest to the median window, then to
  all that this finds to be clean. That is a reweighted one-step estimate (Rousseeuw and Van Driessen 1999,
  doi:10.1080/00401706.1999.10485670).
- With the symmetric root W of S^-1, the score is the root mean square of W (x - m), whose cells are those of x made
  independent with the least change. The square of each is its contribution: >= 0, and they add up to the squared
  distance (Garthwaite and Koch 2016, doi:10.1111/anzs.12144).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts.clean import clean_mode
from models.contract import HELD_OUT, Outputs
from models.errors import ConfigError

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.graph import Graph

NOISE = 0.05  # standard deviation, in scaled units: a twentieth of a channel's usual spread

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class MahalanobisConfig:
    """`validation` is the share held out at the end; `keep` 1.0 learns from every window alike."""

    validation: float = HELD_OUT
    keep: float = 0.6

    def __post_init__(self) -> None:
        if not (0 < self.validation < 1 and 0 < self.keep <= 1):
            raise ConfigError(f"{self}: validation must be between 0 and 1, keep above 0 and at most 1")


class Mahalanobis:
    """Fits mean and covariance. See `models.contract.Estimator`; nothing is random, so the seed changes nothing."""

    def __init__(self, config: MahalanobisConfig, seed: int = 0) -> None:
        self._config = config
        self.seed = seed

    @property
    def validation(self) -> float:
        """See `Estimator.validation`."""
        return self._config.validation

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedMahalanobis:
        """See `Estimator.fit`."""
        rows = learn.reshape(len(learn), -1).astype(np.float64)
        if self._config.keep < 1:
            rows = rows[_clean(rows, self._config.keep)]
        return FittedMahalanobis(*_estimate(rows), self._config)


class FittedMahalanobis:
    """Mean (cells,) and whitening matrix (cells, cells). See `models.contract.Fitted`."""

    history = None

    def __init__(self, mean: Float64, whitening: Float64, config: MahalanobisConfig) -> None:
        self._mean, self._whitening, self._config = mean, whitening, config

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Fitted.options`."""
        return asdict(self._config)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Fitted.outputs`."""
        matrix, shift = self._whitening, -self._mean @ self._whitening
        independent = graph.node("Gemm", x, *(graph.constant(part.astype(np.float32)) for part in (matrix, shift)))
        contribution = graph.node("Mul", independent, independent)
        return Outputs(graph.root_mean(contribution, len(self._mean)), contribution=contribution)

    def score(self, windows: Float32) -> Float32:
        """See `Fitted.score`."""
        rows = windows.reshape(len(windows), -1)
        return _distances(rows, self._mean, self._whitening).astype(np.float32)

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`."""
        return {"mean": self._mean.astype(np.float32), "whitening": self._whitening.astype(np.float32)}


def _clean(rows: Float64, keep: float) -> NDArray[np.bool_]:
    """Which windows, (n, cells), are no faults by what the share `keep` nearest to the median window has taught."""
    far = np.square(rows - np.median(rows, axis=0)).mean(axis=1)
    core = np.sort(np.argsort(far, kind="stable")[: math.ceil(keep * len(rows))])
    distances = _distances(rows, *_estimate(rows[core]))
    return np.asarray(distances <= clean_mode(distances)[-1])


def _estimate(rows: Float64) -> tuple[Float64, Float64]:
    """Mean of the windows, (cells,), and the symmetric root of their inverse covariance, (cells, cells)."""
    from sklearn.covariance import ledoit_wolf  # a second to import, for those who train

    covariance, _ = ledoit_wolf(rows)
    covariance.flat[:: len(covariance) + 1] += NOISE**2
    variances, directions = np.linalg.eigh(covariance)
    roots = np.sqrt(np.maximum(variances, NOISE**2))
    return rows.mean(axis=0), (directions / roots) @ directions.T


def _distances(rows: NDArray[np.floating], mean: Float64, whitening: Float64) -> Float64:
    return np.asarray(np.sqrt(np.square((rows - mean) @ whitening).mean(axis=1)))
