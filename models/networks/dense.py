"""Dense autoencoder: the window as one vector, through ever narrower layers and back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from torch import nn

from models.networks.base import Autoencoder
from models.networks.dense_options import DenseConfig


def default_widths(inputs: int) -> tuple[int, int, int]:
    """A quarter of the inputs as a power of two from 8 to 256, then half and a quarter of that: 140 -> 32, 16, 8."""
    widest = min(256, max(8, 1 << max(0, (inputs // 4).bit_length() - 1)))
    return widest, widest // 2, widest // 4


class Dense(Autoencoder):
    """inputs-32-16-8-16-32-inputs for 140 inputs (length x channels), linear at the end.

    tanh saturates: a net of rectifiers would extrapolate, and so rebuild spikes it has never seen.
    """

    def __init__(self, length: int, channels: int, config: DenseConfig) -> None:
        inputs = length * channels
        hidden = config.hidden or default_widths(inputs)
        super().__init__(length, channels, replace(config, hidden=hidden))
        layers: list[nn.Module] = []
        for width, following in pairwise((inputs, *hidden, *hidden[-2::-1], inputs)):
            layers += [nn.Linear(width, following), nn.Tanh()]
        self.layers = nn.Sequential(*layers[:-1])
