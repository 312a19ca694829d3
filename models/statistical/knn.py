"""Distance of a window to its k-th nearest window of the past: what has never been there in that shape is far away.

It makes no assumption about the form of normal behaviour, so windows of many kinds are no trouble, and is one of the
best of simple detectors on public boards (Ramaswamy et al. 2000, doi:10.1145/342009.335437). The score is the root
mean square of the difference of the two windows, in scaled units.

- A fault that the past holds once, for a while, does not hide the next one like it: windows that overlap count as one
  neighbour (`models.statistical.references`), and faults found in the past are none (`models.statistical.past`).
- Memory and work are bounded: of a longer past, windows spread evenly over it are kept, `references.KEPT` of them and
  no more than `references.VALUES` numbers.
- Windows are scaled by channel, not each by itself: size and level count as shape does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.artefacts.data import hop
from models.errors import ConfigError
from models.statistical.nearest import FittedNearest
from models.statistical.past import PastConfig, PastEstimator, clean_rows
from models.statistical.references import References

if TYPE_CHECKING:
    from models.artefacts.data import Float32


@dataclass(frozen=True)
class KNNConfig(PastConfig):
    """`neighbours` is k: a fault that the past holds less often, and that is not found there, is no normal window."""

    neighbours: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.neighbours <= 100:
            raise ConfigError(f"knn: neighbours = {self.neighbours}; it must be 1 to 100")


class KNN(PastEstimator[KNNConfig]):
    """Keeps windows. See `models.contract.Estimator`; nothing is random, so the seed changes nothing."""

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedNearest:
        """See `Estimator.fit`."""
        rows = clean_rows(learn, self._config.keep)
        return FittedNearest(References.of(rows, learn.shape[1] / hop(learn), self._config.neighbours), self._config)
