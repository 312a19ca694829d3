"""Dense autoencoder: the window as one vector, through ever narrower layers and back."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from models.graph import Graph
from models.networks.base import Autoencoder
from models.networks.dense_options import DenseConfig
from models.networks.stacks import default_widths, mirrored


class Dense(Autoencoder):
    """inputs-32-16-8-16-32-inputs for 140 inputs (length x channels), linear at the end.

    It learns from squared errors. With `error = "mae"` the score is the mean absolute error, in scaled units: a single
    reading that is far off counts less, and a lasting small error more.
    """

    def __init__(self, length: int, channels: int, config: DenseConfig) -> None:
        inputs = length * channels
        hidden = config.hidden or default_widths(inputs)
        super().__init__(length, channels, replace(config, hidden=hidden))
        self.layers = mirrored(inputs, hidden)
        self.encoding = 2 * len(hidden)  # with the tanh of the code
        self._absolute = config.error == "mae"

    def contribution(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        """See `Autoencoder.contribution`."""
        return (x - reconstruction).abs() if self._absolute else super().contribution(x, reconstruction)

    def export_contribution(self, graph: Graph, x: str, reconstruction: str) -> str:
        """See `Autoencoder.export_contribution`."""
        if not self._absolute:
            return super().export_contribution(graph, x, reconstruction)
        return graph.node("Abs", graph.node("Sub", x, reconstruction))

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`."""
        return self.contribution(x, self(x)).flatten(1).mean(1) if self._absolute else super().score(x)

    def export_score(self, graph: Graph, contribution: str) -> str:
        """See `Autoencoder.export_score`."""
        if not self._absolute:
            return super().export_score(graph, contribution)
        return graph.mean(contribution, self.length * self.channels)
