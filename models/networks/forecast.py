"""Forecaster: the error of the next reading, as foreseen from the readings before it, all along the window.

DeepAnT (Munir et al. 2019, doi:10.1109/ACCESS.2018.2886457) with a small convolutional net, or a linear predictor (an
autoregressive model). The score is the root mean square error of all cells. Where this departs from the paper, which
judges the one reading after a window: every reading of the window with a full past is foreseen, in one pass, and from
further ahead in long windows, where the next reading is near to the last one whatever the shape. The first ones are
compared with the usual reading of their place instead, which is learned too: a fault that fills the window, and is easy
to foresee from itself, is then seen by its level.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from models.graph import Graph
from models.networks.base import Autoencoder
from models.networks.forecast_options import ForecastConfig, default_ahead, default_past
from models.networks.layers import array, sequential

UNITS = 32


class Forecast(Autoencoder):
    """A convolution over the past of each reading, as wide as that past; the `cnn` has two layers more on top."""

    def __init__(self, length: int, channels: int, config: ForecastConfig) -> None:
        past, ahead = config.past or default_past(length), config.ahead or default_ahead(length)
        config.check_length(length)
        super().__init__(length, channels, replace(config, past=past, ahead=ahead))
        self.first = past + ahead - 1  # reading that is foreseen
        self.usual = nn.Parameter(torch.zeros(self.first, channels))
        units = channels if config.predictor == "linear" else UNITS
        first = nn.Conv1d(channels, units, past)
        more = (nn.Tanh(), nn.Conv1d(units, units, 1), nn.Tanh(), nn.Conv1d(units, channels, 1))
        self.predictor = nn.Sequential(first, *(more if config.predictor == "cnn" else ()))

    def forward(self, x: Tensor) -> Tensor:
        """See `Autoencoder.forward`."""
        known = x[:, : -self.config.ahead].transpose(1, 2)
        foreseen = self.predictor(known).transpose(1, 2)  # (batch, length - first, channels)
        return torch.cat([self.usual.expand(len(x), -1, -1), foreseen], 1)

    def export(self, graph: Graph, x: str) -> str:
        """See `Autoencoder.export`."""
        windows = graph.node("Reshape", x, graph.constant([-1, self.length, self.channels]))
        known = graph.node("Slice", windows, *(graph.constant([at]) for at in (0, self.length - self.config.ahead, 1)))
        foreseen = sequential(graph, graph.node("Transpose", known, perm=[0, 2, 1]), self.predictor)
        rows = graph.node("Flatten", graph.node("Transpose", foreseen, perm=[0, 2, 1]))
        places = self.first * self.channels
        first = graph.node("Slice", x, *(graph.constant([at]) for at in (0, places, 1)))
        nothing = graph.node("Mul", first, graph.constant(np.float32(0)))  # as many rows as there are windows
        usual = graph.node("Add", nothing, graph.constant(array(self.usual).ravel()))
        return graph.node("Concat", usual, rows, axis=1)
