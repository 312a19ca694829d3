"""U-Net in one dimension: the way back sees, beside the latent vector, what the way there kept of coarser resolutions.

Ronneberger et al. 2015, arXiv:1505.04597; for anomalies Akcay et al. 2019, arXiv:1901.08954. A skip connection copies
what should stand in the error, and one at full resolution copies all of it. Departing from both papers, none leaves a
resolution finer than a quarter of the window's, each is narrowed to as few filters as the window has channels, and
training hides readings: a share `HIDDEN` of them stands at the usual level of its channel, so that a reading is
rebuilt from its neighbours rather than copied.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from models.graph import Graph
from models.networks.base import Autoencoder
from models.networks.layers import sequential
from models.networks.stacks import Frame, default_levels, default_widths, doubled, halved
from models.networks.unet_options import UNetConfig

MOST_LEVELS = 4
FINEST = 2  # halvings before the first skip connection
HIDDEN = 0.25


class UNet(Autoencoder):
    """For 140 readings: 144 steps, 72, 36, 18 and 9 steps of 16 filters, 8 numbers; skips at 36 and at 18 steps."""

    def __init__(self, length: int, channels: int, config: UNetConfig) -> None:
        skip = config.skip or channels
        super().__init__(length, channels, replace(config, skip=skip))
        levels, filters = default_levels(length, MOST_LEVELS), config.filters
        self.frame = Frame(length, levels)
        inside, latent = filters * self.frame.narrow, default_widths(length * channels)[-1]
        self.down = nn.ModuleList(halved(filters if level else channels, filters) for level in range(levels))
        self.middle = nn.Sequential(
            nn.Flatten(), nn.Linear(inside, latent), nn.Tanh(),
            nn.Linear(latent, inside), nn.Tanh(), nn.Unflatten(1, (filters, self.frame.narrow)),
        )  # fmt: skip
        self.skips = nn.ModuleList(nn.Sequential(nn.Conv1d(filters, skip, 1), nn.Tanh()) for _ in range(FINEST, levels))
        wide = [filters + skip if FINEST <= level < levels else filters for level in range(1, levels + 1)]
        self.up = nn.ModuleList(
            nn.Sequential(doubled(width, filters if level else channels), nn.Tanh() if level else nn.Identity())
            for level, width in enumerate(wide)
        )

    def forward(self, x: Tensor) -> Tensor:
        """See `Autoencoder.forward`."""
        y = self.frame.widen(x)
        kept = []
        for down in self.down:
            y = down(y)
            kept.append(y)
        y = self.middle(y)
        for level in reversed(range(len(self.down))):  # `kept[level]` has been halved level + 1 times
            if FINEST <= level + 1 < len(self.down):
                y = torch.cat([y, self.skips[level + 1 - FINEST](kept[level])], 1)
            y = self.up[level](y)
        return self.frame.crop(y)

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: in training of windows that are partly hidden."""
        seen = x * (torch.rand_like(x) >= HIDDEN) if self.training else x
        rebuilt: Tensor = self(seen)
        return (x - rebuilt).square().flatten(1).mean(1)

    def export(self, graph: Graph, x: str) -> str:
        """See `Autoencoder.export`."""
        y = self.frame.export_widen(graph, x, self.channels)
        kept = []
        for down in self.down:
            y = sequential(graph, y, [down])
            kept.append(y)
        y = sequential(graph, y, [self.middle])
        for level in reversed(range(len(self.down))):
            if FINEST <= level + 1 < len(self.down):
                skipped = sequential(graph, kept[level], [self.skips[level + 1 - FINEST]])
                y = graph.node("Concat", y, skipped, axis=1)
            y = sequential(graph, y, [self.up[level]])
        return self.frame.export_crop(graph, y, self.channels)
