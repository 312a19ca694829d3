"""The distance of a window from the nearest of references of the same shape: the root mean square of the difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from models.contract import Outputs
from models.statistical.references import narrow_root, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.artefacts.data import Float32
    from models.graph import Graph
    from models.statistical.past import PastConfig
    from models.statistical.references import References


class FittedNearest:
    """Windows as rows, and which of them counts. See `models.contract.Fitted`."""

    history = None

    def __init__(self, references: References, config: PastConfig) -> None:
        self._references, self._config = references, config

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Fitted.options`."""
        return asdict(self._config)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Fitted.outputs`."""
        return Outputs(narrow_root(graph, self._references.add_nearest(graph, widened(graph, x))))

    def score(self, windows: Float32) -> Float32:
        """See `Fitted.score`."""
        return np.sqrt(self._references.nearest(windows.reshape(len(windows), -1))).astype(np.float32)

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`."""
        return {"windows": self._references.rows}
