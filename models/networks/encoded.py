"""A detector on features: what a trained autoencoder makes of a window, its code and how badly it is rebuilt.

A covariance, a mixture or a one-class machine knows more of ten features than of hundreds of cells (Rippel, Mertens and
Merhof 2020, arXiv:2005.14140; Erfani et al. 2016, doi:10.1016/j.patcog.2016.03.028). The code alone would not do: it is
bounded, and says nothing of what the net does not rebuild. So the error is a feature beside it, as in DAGMM (Zong et
al. 2018), unbounded and 0 for what the net knows by heart.

Each feature is scaled by the median and the spread of the windows learned from. All of it is one graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from models.artefacts.data import Float32, Scaler
from models.contract import Estimator, Fitted, Outputs
from models.networks.estimator import FittedNet, NetworkEstimator, one_thread

if TYPE_CHECKING:
    from models.graph import Graph
    from models.networks.base import Autoencoder


class Encoded:
    """Trains the net, then fits the other estimator to its features. See `models.contract.Estimator`."""

    def __init__(self, encoder: NetworkEstimator, judge: Estimator) -> None:
        self._encoder, self._judge = encoder, judge

    @property
    def validation(self) -> float:
        """See `Estimator.validation`."""
        return self._judge.validation

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedOnFeatures:
        """See `Estimator.fit`."""
        net = self._encoder.fit(learn, held_out, progress=progress)
        scaler = Scaler.robust(features(net, learn))
        parts = (scaler.forward(features(net, part)) for part in (learn, held_out))
        return FittedOnFeatures(net, scaler, self._judge.fit(*parts, progress=progress))


class FittedOnFeatures:
    """The net, the scale of its features, and what was fitted to them. See `models.contract.Fitted`."""

    history = None

    def __init__(self, net: FittedNet, scaler: Scaler, judge: Fitted) -> None:
        self._net, self._scaler, self._judge = net, scaler, judge

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Fitted.options`."""
        return self._judge.options

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Fitted.outputs`."""
        found = self._net.outputs(graph, x)
        error = graph.node("Unsqueeze", found.score, graph.constant([1]))
        both = graph.node("Concat", cast("str", found.code), error, axis=1)
        moved = graph.node("Sub", both, graph.constant(self._scaler.centre))
        scaled = graph.node("Mul", moved, graph.constant(1 / self._scaler.scale))
        return Outputs(self._judge.outputs(graph, scaled).score)

    def score(self, windows: Float32) -> Float32:
        """See `Fitted.score`."""
        return self._judge.score(self._scaler.forward(features(self._net, windows)))

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`: those of the net, of the scale, and of what judges the features."""
        parts = {"encoder": self._net.weights(), "judge": self._judge.weights()}
        scale = {"features.centre": self._scaler.centre, "features.scale": self._scaler.scale}
        named = {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
        return {**named, **scale}


def features(fitted: FittedNet, windows: Float32) -> Float32:
    """(n, length, channels) -> (n, 1, width of the code + 1): the code, and the score of the reconstruction."""
    net = cast("Autoencoder", fitted.net)
    with one_thread(), torch.inference_mode():
        given = torch.from_numpy(windows)
        code: Any = net.layers[: net.encoding](given.flatten(1)).numpy()
    both: Float32 = np.concatenate([code, fitted.score(windows)[:, None]], axis=1)[:, None, :]
    return both
