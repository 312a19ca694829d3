"""Minor components of windows (Sub-PCA): how badly a window breaks the relations that all the others keep.

The principal components that hold the last `1 - variance` of the variance are what normal windows hardly do. The score
is the root mean square of a window's projections on them, each divided by the standard deviation of its component:
sum of y_j^2 / variance_j, as Shyu et al. (2003, "A novel anomaly detection scheme based on principal component
classifier") sum it over the minor components, here on the overlapping windows of a series, which makes it the Sub-PCA
of TSB-AD (Liu and Paparrizos 2024, NeurIPS). A normal window scores about 1.

- Variances are shrunk (`models.statistical.past`), and no component's standard deviation is below `FLOOR`: one that
  hardly ever varied would make the smallest difference huge, and the noise of many of them would drown the rest.
- Shyu et al. judge the major components beside the minor ones; `pca` does. Here they are left out, so a window that is
  larger or smaller, but keeps its shape, is found only by what it leaves in the minor ones.
- A component that varies no more than the noise that is added is a minor one, whatever share the others hold: where
  nothing ever moved, all are.
- Windows are scaled by channel, not each by itself as in TSB-AD: a level that is wrong is a fault here.
- With the minor directions V and their variances D the score is that of the symmetric matrix V D^-1/2 V', so each cell
  has a contribution: see `models.statistical.whitened`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.statistical.components import ComponentsConfig
from models.statistical.past import NOISE, PastEstimator, Spectrum, clean_rows
from models.statistical.whitened import FittedWhitening

if TYPE_CHECKING:
    from models.artefacts.data import Float32

MOVES = 1.1 * NOISE**2  # variance of a component that has done something itself
FLOOR = 0.2  # standard deviation of a component, in scaled units: a fifth of a channel's usual spread


@dataclass(frozen=True)
class SubPCAConfig(ComponentsConfig):
    """`variance` is the share that the components left out hold."""


class SubPCA(PastEstimator[SubPCAConfig]):
    """Fits minor components. See `models.contract.Estimator`; nothing is random, so the seed changes nothing."""

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedWhitening:
        """See `Estimator.fit`."""
        spectrum = Spectrum.of(clean_rows(learn, self._config.keep))
        cells = len(spectrum.mean)
        moving = int(np.count_nonzero(spectrum.variances > MOVES))
        first = min(spectrum.holding(self._config.variance), moving, cells - 1)  # one component is left in any case
        minor = spectrum.part(slice(first, cells))
        minor = Spectrum(minor.mean, np.maximum(minor.variances, FLOOR**2), minor.directions)
        return FittedWhitening(minor.mean, minor.whitening * math.sqrt(cells / (cells - first)), self._config)
