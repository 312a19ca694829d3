"""What the past says of windows as one cloud: which of them are clean, and along which directions clean ones vary.

The past holds faults, without labels. Mean and covariance are fitted to the share `keep` of the windows nearest to the
median window; clean is what lies near to that by its Mahalanobis distance, judged once more by the mean and covariance
of those, and another way of running (`clean_windows`). It is a reweighted estimate in two steps (after Rousseeuw and
Van Driessen 1999, doi:10.1080/00401706.1999.10485670). More steps may let faults in that are alike: on ECG5000 with 5 %
abnormal beats in the past, 2 and 4 % of these are clean after two steps (with two seeds), 2 and 89 % after as many as
change it.

The covariance is shrunk towards equal variances (Ledoit and Wolf 2004, doi:10.1016/S0047-259X(03)00096-4), so that it
can be inverted with fewer windows than cells, and each cell has measurement noise of `NOISE` added, so that a channel
that never moved and cells that always move together do not make the smallest difference infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from models.artefacts.clean import clean_mode, clean_windows
from models.artefacts.data import shared
from models.contract import HELD_OUT
from models.errors import ConfigError, DataError

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.graph import Graph

FEWEST = 2  # windows that have a covariance
ROUNDS = 2  # the first knows the most usual windows, the second rarer ones too
WIDE = 2048  # cells, beyond which a covariance of cells is not made to find the clean windows
MOST_CELLS = 8192  # that a covariance may have: it is 0.5 GB, and its directions as much again
ROUNDING = 1e-12  # of the largest variance: a smaller one is none
NOISE = 0.05  # standard deviation, in scaled units: a twentieth of a channel's usual spread

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class PastConfig:
    """What every kind here may be asked for: the share held out at the end, and the share taken to be clean at first.

    `keep` 1.0 learns from every window alike.
    """

    validation: float = HELD_OUT
    keep: float = 0.6

    def __post_init__(self) -> None:
        if not (0 < self.validation < 1 and 0 < self.keep <= 1):
            raise ConfigError(
                f"validation = {self.validation}, keep = {self.keep}: validation must be between 0 and 1, keep above "
                "0 and at most 1"
            )


C = TypeVar("C", bound=PastConfig)


class PastEstimator(Generic[C]):
    """What kinds here have in common as estimators: see `models.contract.Estimator`. A kind adds `fit`."""

    def __init__(self, config: C, seed: int = 0) -> None:
        self._config = config
        self.seed = seed

    @property
    def validation(self) -> float:
        """See `Estimator.validation`."""
        return self._config.validation


@dataclass(frozen=True)
class Spectrum:
    """Mean window (cells,), variances, the largest first, (k,), and their directions as columns, (cells, k)."""

    mean: Float64
    variances: Float64
    directions: Float64

    @classmethod
    def of(cls, rows: Float64) -> Spectrum:
        """That of windows as rows, (n, cells), by their shrunk covariance with noise added.

        Raises DataError for more than `MOST_CELLS` cells.
        """
        if rows.shape[1] > MOST_CELLS:
            raise DataError(
                f"windows of {rows.shape[1]:,} readings over all channels have a covariance of "
                f"{rows.shape[1] ** 2 * rows.itemsize / 1e9:.1f} GB; at most {MOST_CELLS:,} are allowed: choose "
                "shorter windows, fewer channels, or a detector without a covariance, such as dense or knn"
            )
        from sklearn.covariance import ledoit_wolf  # a second to import, for those who train

        covariance, _ = ledoit_wolf(rows)
        covariance.flat[:: len(covariance) + 1] += NOISE**2
        variances, directions = np.linalg.eigh(covariance)
        return cls(rows.mean(axis=0), np.maximum(variances[::-1], NOISE**2), directions[:, ::-1])

    @property
    def whitening(self) -> Float64:
        """The symmetric root of the inverse covariance along these directions, (cells, cells)."""
        upwards = slice(None, None, -1)  # the order of `eigh`: the sums keep their last bits
        directions = self.directions[:, upwards]
        return np.asarray((directions / np.sqrt(self.variances[upwards])) @ directions.T)

    def part(self, of: slice) -> Spectrum:
        """Some of the directions."""
        return Spectrum(self.mean, self.variances[of], self.directions[:, of])

    def holding(self, share: float) -> int:
        """How many of the largest variances hold at least this share of their sum."""
        held = np.cumsum(self.variances) / self.variances.sum()
        return int(np.searchsorted(held, share)) + 1


def clean_rows(windows: Float32, keep: float) -> Float64:
    """The windows (n, length, channels) that are no faults, as rows (m, cells) in their order; all with `keep` 1."""
    rows = windows.reshape(len(windows), -1).astype(np.float64)
    if keep == 1:
        return rows
    far = np.square(rows - np.median(rows, axis=0)).mean(axis=1)
    clean = np.sort(np.argsort(far, kind="stable")[: max(FEWEST, math.ceil(keep * len(rows)))])
    for _ in range(ROUNDS):
        distances = _distances(rows, rows[clean])
        clean = np.flatnonzero(clean_windows(distances, clean_mode(distances)[-1], shared(windows)))
    return np.asarray(rows[clean])


def _distances(rows: Float64, learned: Float64) -> Float64:
    """Distance of each row from the `learned` ones as one cloud, (n,)."""
    cells = rows.shape[1]
    if cells > WIDE and cells > len(learned):
        return wide_distances(rows, learned)
    known = Spectrum.of(learned)
    return whitened_distances(rows, known.mean, known.whitening)


def wide_distances(rows: Float64, learned: Float64) -> Float64:
    """As `whitened_distances` by the covariance of `Spectrum`, from products of windows instead of cells.

    With fewer windows than cells the covariance has one variance, that of shrinkage and noise, across all directions
    but those between the windows. So the memory follows the windows, and not the square of the cells.
    """
    mean = learned.mean(axis=0)
    centred, (count, cells) = learned - mean, learned.shape
    products = centred @ centred.T / count  # (m, m): its eigenvalues above 0 are those of the covariance
    variances, across = np.linalg.eigh(products)
    usual, squared = np.trace(products) / cells, np.square(products).sum()
    apart = squared / cells - usual**2  # of the covariance from equal variances, by Ledoit and Wolf's norm
    noise = (np.square(np.diag(products)).sum() - squared / count) / cells  # of the covariance by chance, times count
    shrinkage = min(noise, apart) / apart if apart > 0 and noise > 0 else 0.0
    held = variances > ROUNDING * variances[-1]
    variances, across = variances[held], across[:, held]
    others = rows - mean
    along = np.square(others @ centred.T @ across / np.sqrt(count * variances))  # (n, held)
    rest = shrinkage * usual + NOISE**2
    inside = (along / ((1 - shrinkage) * variances + rest)).sum(axis=1)
    outside = np.maximum(np.square(others).sum(axis=1) - along.sum(axis=1), 0) / rest
    return np.asarray(np.sqrt((inside + outside) / cells))


def whitened_distances(rows: NDArray[np.floating], mean: Float64, whitening: Float64) -> Float64:
    """Root mean square of the cells of each row after whitening, (n,)."""
    return np.asarray(np.sqrt(np.square((rows - mean) @ whitening).mean(axis=1)))


def unknown(graph: Graph, values: str, rows: str, width: int, dtype: DTypeLike = np.float32) -> str:
    """Values (n,) of a graph, and NaN where their row (n, width) of the same type holds NaN or infinity.

    ReduceMax and ReduceMin leave NaN out, or not, by where it stands.
    """
    nothing = graph.node("MatMul", rows, graph.constant(np.zeros((width, 1), dtype)))
    return graph.node("Add", values, graph.node("Squeeze", nothing, graph.constant([1])))
