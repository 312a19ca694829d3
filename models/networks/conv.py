"""Convolutional autoencoder: the same short patterns are looked for at every moment of the window.

Masci et al. 2011, doi:10.1007/978-3-642-21735-7_7, in one dimension. Convolutions of stride 2 halve the window,
transposed ones double it again. Their sequences alone are hardly narrower than the window, and would copy a fault as
well as anything: a dense layer between them makes a latent vector as narrow as that of `dense`. A last kernel of stride
2 is two strides wide, as others leave a chequered reconstruction (Odena et al. 2016, doi:10.23915/distill.00003). The
edges are handled by `stacks.Frame`.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from models.graph import Graph
from models.networks.base import Autoencoder
from models.networks.conv_options import ConvConfig
from models.networks.layers import sequential
from models.networks.stacks import Frame, default_levels, default_widths, doubled, halved

MOST_LEVELS = 3


class Conv(Autoencoder):
    """For 140 readings of one channel: 144 steps, 72, 36 and 18 steps of 16 filters, 8 numbers, and the way back."""

    def __init__(self, length: int, channels: int, config: ConvConfig) -> None:
        latent = config.latent or default_widths(length * channels)[-1]
        super().__init__(length, channels, replace(config, latent=latent))
        levels, filters = default_levels(length, MOST_LEVELS), config.filters
        self.frame = Frame(length, levels)
        narrow = (filters, self.frame.narrow)
        down = [halved(channels if level == 0 else filters, filters) for level in range(levels)]
        up: list[nn.Module] = []
        for level in range(levels):
            up += [doubled(filters, channels if level == levels - 1 else filters), nn.Tanh()]
        inside = narrow[0] * narrow[1]
        self.layers = nn.Sequential(
            *down, nn.Flatten(), nn.Linear(inside, latent), nn.Tanh(),
            nn.Linear(latent, inside), nn.Tanh(), nn.Unflatten(1, narrow), *up[:-1],
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """See `Autoencoder.forward`."""
        return self.frame.crop(self.layers(self.frame.widen(x)))

    def export(self, graph: Graph, x: str) -> str:
        """See `Autoencoder.export`."""
        widened = self.frame.export_widen(graph, x, self.channels)
        return self.frame.export_crop(graph, sequential(graph, widened, self.layers), self.channels)
