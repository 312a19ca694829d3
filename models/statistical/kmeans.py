"""Distance of a window to the nearest of a few typical windows, the centres of k-means.

As `knn`, but with the past summed up in some dozen windows: scoring is many times cheaper, the score knows less
detail, and a fault that happened a few times makes no centre as long as the clusters are large (He et al.
2003, doi:10.1016/S0167-8655(03)00003-5; on windows of a series in Yairi et al. 2001 and in the boards of TSB-AD). The
score is the root mean square of the difference between window and centre, in scaled units.

- The number of clusters is the root of half the number of clean windows, `MOST` at most: see `default_clusters`.
- Windows are scaled by channel, not each by itself as in TSB-AD: size and level count as shape does.
- Clusters are those of the clean windows (`models.statistical.past`), the best of `STARTS` runs of Lloyd's algorithm
  from k-means++ by the seed (Arthur and Vassilvitskii 2007), on one thread: threads add in any order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.errors import ConfigError
from models.statistical.nearest import FittedNearest
from models.statistical.past import Float64, PastConfig, PastEstimator, clean_rows
from models.statistical.references import References

if TYPE_CHECKING:
    from models.artefacts.data import Float32

MOST = 50  # clusters by default
STARTS = 3
LARGEST = 1000  # clusters that may be asked for


@dataclass(frozen=True)
class KMeansConfig(PastConfig):
    """`clusters` 0 follows the number of clean windows, see `default_clusters`."""

    clusters: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.clusters <= LARGEST:
            raise ConfigError(
                f"kmeans: clusters = {self.clusters}; it must be 1 to {LARGEST}, "
                "or 0 for a number by that of the windows"
            )


def default_clusters(windows: int) -> int:
    """By the number of clean windows.

    >>> [default_clusters(windows) for windows in (12, 200, 2000, 100_000)]
    [2, 10, 31, 50]
    """
    return max(1, min(MOST, math.isqrt(windows // 2)))


class KMeans(PastEstimator[KMeansConfig]):
    """Fits centres. See `models.contract.Estimator`."""

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedNearest:
        """See `Estimator.fit`."""
        rows = clean_rows(learn, self._config.keep)
        clusters = self._config.clusters or default_clusters(len(rows))
        return FittedNearest(References(_centres(rows, clusters, self.seed)), self._config)


def _centres(rows: Float64, clusters: int, seed: int) -> Float32:
    """(m, cells) -> (clusters, cells), or fewer where there are not so many different rows."""
    from sklearn import cluster
    from threadpoolctl import threadpool_limits

    most = min(clusters, len(np.unique(rows, axis=0)))
    with threadpool_limits(limits=1):
        fitted = cluster.KMeans(most, n_init=STARTS, random_state=seed).fit(rows)
    return np.asarray(fitted.cluster_centers_, np.float32)
