"""Denoising autoencoder: learns to rebuild clean windows from spoilt ones.

Vincent et al. 2008, doi:10.1145/1390156.1390294. What a fault does to a window resembles what training adds to it, so
that it is taken out again rather than copied, and stands in the error. Three kinds of noise: `gaussian`, of every
reading; `masking`, which puts readings at the usual level of their channel; `drift`, a ramp from a moment of the window
to its end, up or down, as a sensor that loses its calibration. When a net scores, nothing is added.

With `linear` the layers have no tanh, as the denoising autoencoder of Russo 2025: a linear map that shrinks each
direction by how little of it is signal. It needs few windows, and extrapolates where those of tanh saturate.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from models.networks.base import Autoencoder
from models.networks.denoising_options import DenoisingConfig
from models.networks.stacks import default_widths, mirrored


def default_denoising_widths(inputs: int, *, linear: bool = False) -> tuple[int, ...]:
    """As `dense`; of a linear net, whose further layers would add nothing, the first alone: 140 -> 32."""
    widths = default_widths(inputs)
    return widths[:1] if linear else widths


class Denoising(Autoencoder):
    """Layers as those of `dense`. Held-out windows are judged without noise."""

    def __init__(self, length: int, channels: int, config: DenoisingConfig) -> None:
        inputs = length * channels
        hidden = config.hidden or default_denoising_widths(inputs, linear=config.linear)
        super().__init__(length, channels, replace(config, hidden=hidden))
        layers = mirrored(inputs, hidden)
        self.layers = nn.Sequential(*(layer for layer in layers if not (config.linear and isinstance(layer, nn.Tanh))))

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: the squared error beside the clean window; of the window itself where nothing is learned."""
        rebuilt: Tensor = self(self.spoilt(x) if self.training else x)
        return (x - rebuilt).square().flatten(1).mean(1)

    def spoilt(self, x: Tensor) -> Tensor:
        """x with noise, same shape; of torch's random state."""
        size: float = self.config.size
        if self.config.noise == "gaussian":
            return x + size * torch.randn_like(x)
        if self.config.noise == "masking":
            return x * (torch.rand_like(x) >= size)  # a scaled channel's usual level is 0
        time = torch.linspace(0, 1, self.length, device=x.device).view(1, -1, 1)
        begin = torch.rand(len(x), 1, 1, device=x.device)
        ends = size * (2 * torch.rand(len(x), 1, x.shape[2], device=x.device) - 1)  # (batch, 1, channels)
        return x + ends * ((time - begin) / (1 - begin).clamp(min=1e-3)).clamp(min=0)
