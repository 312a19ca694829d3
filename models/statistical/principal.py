"""How many directions windows vary along, and what is said of the others: nothing but how far windows leave them.

Kept are the directions of the largest variances that hold `KEPT` of their sum, `MOST` at most and a tenth of the
windows. All others count as noise of one variance, the mean of theirs: the covariance of probabilistic principal
component analysis (Tipping and Bishop 1999, doi:10.1111/1467-9868.00196). A window that leaves the directions kept is
as unlikely as one that goes far along them; a density on the leading components alone would not see it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.options import ENCODER, refuse_unknown
from models.statistical.past import Spectrum

KEPT = 0.95
MOST = 16

WINDOWS, PCA, DENSE = FEATURES = ("windows", "pca", ENCODER)


def refuse_features(where: str, name: str) -> None:
    """Raise ConfigError unless the features are windows, their principal components, or those of a trained net."""
    refuse_unknown(f"{where}: features", [name], FEATURES)


def leading(spectrum: Spectrum, windows: int) -> int:
    """How many directions are kept of what was learned from so many windows: at least one."""
    return max(1, min(spectrum.holding(KEPT), MOST, windows // 10, len(spectrum.mean)))


def levelled(spectrum: Spectrum, count: int) -> Spectrum:
    """The spectrum with the mean of the variances beyond the first `count` in place of each of them."""
    variances = spectrum.variances.copy()
    if count < len(variances):
        variances[count:] = np.mean(variances[count:])
    return replace(spectrum, variances=variances)
