"""Recursive autoencoder: neighbouring segments are folded into one code, two by two, until one stands for the window.

Socher et al. 2011 (EMNLP, "Semi-supervised recursive autoencoders"; NIPS, "Dynamic pooling and unfolding recursive
autoencoders"). One small net folds every pair of nodes, at all heights of the tree, and another unfolds a node into its
pair. Departing from the first paper:

- The tree is balanced and the same for all windows, so that they are folded together, level by level. Segments are
  ordered in time; there is no better tree to look for.
- The error of a node is that of all readings below it, to which it is unfolded (the second paper), and not of the two
  codes it was folded from: those are learned too, and would shrink until their errors do.
- A level's error is the mean over all readings, and the score is of the weighted sum over levels. A level weighs as
  many segments as its nodes have, relative to all: the window's own code, which knows the most, weighs about half.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from models.contract import Outputs
from models.graph import Graph
from models.networks.base import Autoencoder
from models.networks.layers import linear
from models.networks.recursive_options import RecursiveConfig
from models.networks.stacks import default_widths

MOST_LEVELS = 4


def default_levels(length: int) -> int:
    """Foldings, of at least 2 readings a segment and at most 16 segments: 140 -> 4, which are 16 segments of 9."""
    return min(MOST_LEVELS, max(1, (length // 2).bit_length() - 1))


def default_code(inputs: int) -> int:
    """Twice the narrowest of the default widths of `dense`, at least 8: 140 -> 16."""
    return max(8, 2 * default_widths(inputs)[-1])


class Recursive(Autoencoder):
    """A tree of segments. Where they do not divide the window, its first one is filled up with the first reading."""

    largest_gradient = 1.0  # the same weights act at every height: one steep step undoes many epochs

    def __init__(self, length: int, channels: int, config: RecursiveConfig) -> None:
        code = config.code or default_code(length * channels)
        super().__init__(length, channels, replace(config, code=code))
        self.levels = default_levels(length)
        segments = 2**self.levels
        self.width = -(-length // segments) * channels  # cells of a segment
        self.filled = segments * self.width - length * channels
        weights = 2.0 ** np.arange(self.levels, -1, -1)  # the root's first
        self.weights = (weights / weights.sum()).tolist()
        self.leaf, self.fold = nn.Linear(self.width, code), nn.Linear(2 * code, code)
        self.unfold, self.cells = nn.Linear(code, 2 * code), nn.Linear(code, self.width)

    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction from the root, same shape as x."""
        return self.unfolded(x)[:, 0]

    def unfolded(self, x: Tensor) -> Tensor:
        """The reconstruction from the nodes of each level, the root's first: (batch, levels + 1, length, channels)."""
        batch, code = len(x), self.config.code
        whole = torch.cat([x[:, :1].expand(-1, self.filled // self.channels, -1), x], 1) if self.filled else x
        tree = [torch.tanh(self.leaf(whole.reshape(batch, 1, -1, self.width)))]  # (batch, 1, nodes, code)
        for _ in range(self.levels):
            tree.append(torch.tanh(self.fold(tree[-1].reshape(batch, 1, -1, 2 * code))))
        known = tree.pop()
        for nodes in reversed(tree):  # (batch, levels so far, nodes, code)
            pairs = torch.tanh(self.unfold(known)).reshape(batch, known.shape[1], -1, code)
            known = torch.cat([pairs, nodes], 1)
        rows: Tensor = self.cells(known).flatten(2)[:, :, self.filled :]
        return rows.reshape(batch, -1, self.length, self.channels)

    def contribution(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        """See `Autoencoder.contribution`; `reconstruction` is what `unfolded` gives."""
        weights = torch.tensor(self.weights, device=x.device).view(-1, 1, 1)
        return ((x.unsqueeze(1) - reconstruction).square() * weights).sum(1)

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`: the root of the weighted mean square over nodes and readings."""
        return self.loss(x).sqrt()

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`."""
        return self.contribution(x, self.unfolded(x)).flatten(1).mean(1)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`."""
        rebuilt = self._export_levels(graph, x)
        blame = ""
        for weight, rows in zip(self.weights, rebuilt, strict=True):
            error = self.export_contribution(graph, x, rows)
            part = graph.node("Mul", error, graph.constant(np.float32(weight)))
            blame = graph.node("Add", blame, part) if blame else part
        return Outputs(self.export_score(graph, blame), rebuilt[0], blame)

    def _export_levels(self, graph: Graph, x: str) -> list[str]:
        """`unfolded`, one value of rows (batch, length * channels) for each level."""
        code = self.config.code
        places = np.maximum(np.arange(-self.filled, self.length * self.channels), 0)
        places[: self.filled] = np.arange(self.filled) % self.channels
        whole = graph.node("Gather", x, graph.constant(places), axis=1)

        def layer(values: str, width: int, module: nn.Linear) -> str:
            """Of every node: (…, width) -> (batch * nodes, out)."""
            return linear(graph, graph.node("Reshape", values, graph.constant([-1, width])), module)

        tree = [graph.node("Tanh", layer(whole, self.width, self.leaf))]
        for _ in range(self.levels):
            tree.append(graph.node("Tanh", layer(tree[-1], 2 * code, self.fold)))
        rebuilt = []
        for height in range(self.levels, -1, -1):
            nodes = tree[height]
            for _ in range(height):
                nodes = graph.node("Tanh", layer(nodes, code, self.unfold))
            rows = graph.node("Reshape", layer(nodes, code, self.cells), graph.constant([-1, len(places)]))
            kept = graph.constant(np.arange(self.filled, len(places)))
            rebuilt.append(graph.node("Gather", rows, kept, axis=1) if self.filled else rows)
        return rebuilt
