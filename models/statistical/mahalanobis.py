"""Mahalanobis distance of a window from the windows learned from: how unusual it is where all of them form one cloud.

With a mean window m and a covariance S of the cells, the score is sqrt((x - m)' S^-1 (x - m) / cells), about 1 for a
normal window. It knows which cells move together, but nothing of shapes that only some windows have: an autoencoder
does better where normal windows come in several kinds, this one is fitted in milliseconds and by a few dozen windows.

m and S are those of the clean windows of the past, and S is shrunk and has noise added: see `models.statistical.past`.
The score is the root mean square of W (x - m) with the symmetric root W of S^-1: see `models.statistical.whitened`.
With `features = "pca"` the variances along all but the leading principal components are replaced by their mean (see
`models.statistical.principal`): for windows of so many cells that the small variances are not known. With `"dense"` it
is the distance of features of a net that is trained first (`models.networks.encoded`), and no longer a sum over cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.statistical.past import PastConfig, PastEstimator, Spectrum, clean_rows
from models.statistical.principal import PCA, WINDOWS, leading, levelled, refuse_features
from models.statistical.whitened import FittedWhitening

if TYPE_CHECKING:
    from models.artefacts.data import Float32


@dataclass(frozen=True)
class MahalanobisConfig(PastConfig):
    """`features` is `windows`, `pca` for a covariance of principal components and noise, or `dense` for a net's."""

    features: str = WINDOWS

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_features("mahalanobis", self.features)


class Mahalanobis(PastEstimator[MahalanobisConfig]):
    """Fits mean and covariance. See `models.contract.Estimator`; nothing is random, so the seed changes nothing."""

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedWhitening:
        """See `Estimator.fit`."""
        rows = clean_rows(learn, self._config.keep)
        spectrum = Spectrum.of(rows)
        if self._config.features == PCA:
            spectrum = levelled(spectrum, leading(spectrum, len(rows)))
        return FittedWhitening(spectrum.mean, spectrum.whitening, self._config)
