"""The distance from a mean window after whitening: the root mean square of W (x - m) for a symmetric matrix W.

The cells of W (x - m) are those of x made independent with the least change. The square of each is its contribution:
>= 0, and they add up to the squared distance (Garthwaite and Koch 2016, doi:10.1111/anzs.12144).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.contract import Outputs
from models.statistical.past import Float64, PastConfig, whitened_distances

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.graph import Graph


class FittedWhitening:
    """Mean (cells,) and whitening matrix (cells, cells). See `models.contract.Fitted`."""

    history = None

    def __init__(self, mean: Float64, whitening: Float64, config: PastConfig) -> None:
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
        return whitened_distances(rows, self._mean, self._whitening).astype(np.float32)

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`."""
        return {"mean": self._mean.astype(np.float32), "whitening": self._whitening.astype(np.float32)}
