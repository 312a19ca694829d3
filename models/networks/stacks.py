"""Stacks of layers that several architectures share, and their default sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor, nn

from models.graph import Graph

MOST_STEPS = 16
MOST_UNITS = 128
LEAST_LATENT = 4
VECTOR = 16  # float32 numbers in the widest register: units come in multiples
STRIDE, KERNEL = 2, 4  # a kernel of two strides: every reading is seen, and rebuilt, equally often
EDGE = 2  # copies of the first and of the last reading, at least


def default_widths(inputs: int) -> tuple[int, int, int]:
    """A quarter of the inputs as a power of two from 8 to 256, then half and a quarter of that: 140 -> 32, 16, 8."""
    widest = power_of_two(inputs // 4, least=8)
    return widest, widest // 2, widest // 4


def power_of_two(number: int, *, least: int, most: int = 256) -> int:
    """The largest power of two that is not above a number, from `least` to `most`: 35 -> 32."""
    return min(most, max(least, 1 << max(0, number.bit_length() - 1)))


def perceptron(
    widths: Sequence[int], activation: Callable[[], nn.Module] = nn.Tanh, *, bias: bool = True
) -> nn.Sequential:
    """Linear layers from the first of the widths to the last, with an activation after each but the last of them."""
    layers: list[nn.Module] = []
    for width, following in pairwise(widths):
        layers += [nn.Linear(width, following, bias=bias), activation()]
    return nn.Sequential(*layers[:-1])


def mirrored(inputs: int, hidden: Sequence[int]) -> nn.Sequential:
    """Dense layers from `inputs` through `hidden` and back: (batch, inputs) -> (batch, inputs); linear at the end.

    tanh saturates: a net of rectifiers would extrapolate, and so rebuild spikes it has never seen.
    """
    return perceptron((inputs, *hidden, *hidden[-2::-1], inputs))


class Frame:
    """How windows of `length` become sequences that `levels` convolutions of stride 2 halve without a rest.

    In front of the first and behind the last reading come copies of it, two or more: what a convolution rebuilds
    worst, for want of neighbours, is thrown away with them. 140 readings and 3 levels are 144 steps, 18 at the end.
    """

    def __init__(self, length: int, levels: int) -> None:
        whole = STRIDE**levels
        self.steps = -(-(length + 2 * EDGE) // whole) * whole
        self.front = (self.steps - length) // 2
        self.narrow = self.steps // whole
        self.length = length
        self._places = [min(max(step - self.front, 0), length - 1) for step in range(self.steps)]

    def widen(self, x: Tensor) -> Tensor:
        """(batch, length, channels) -> (batch, channels, steps)."""
        return x[:, self._places].transpose(1, 2)

    def crop(self, y: Tensor) -> Tensor:
        """(batch, channels, steps) -> (batch, length, channels)."""
        return y[:, :, self.front : self.front + self.length].transpose(1, 2)

    def export_widen(self, graph: Graph, rows: str, channels: int) -> str:
        """Add `widen` to the graph; from rows (batch, length * channels)."""
        cells = np.arange(self.length * channels).reshape(self.length, channels)[self._places].T
        widened = graph.node("Gather", rows, graph.constant(cells.ravel()), axis=1)
        return graph.node("Reshape", widened, graph.constant([-1, channels, self.steps]))

    def export_crop(self, graph: Graph, y: str, channels: int) -> str:
        """Add `crop` to the graph; to rows (batch, length * channels)."""
        cells = np.arange(channels * self.steps).reshape(channels, self.steps).T[self.front :][: self.length]
        return graph.node("Gather", graph.node("Flatten", y), graph.constant(cells.ravel()), axis=1)


def default_levels(length: int, most: int) -> int:
    """So many halvings that at least 4 steps are left, at most `most`: 140 -> 3, 16 -> 2."""
    return max(1, min(most, (length // 4).bit_length() - 1))


def halved(inputs: int, filters: int) -> nn.Sequential:
    """(batch, inputs, steps) -> (batch, filters, steps / 2)."""
    return nn.Sequential(nn.Conv1d(inputs, filters, KERNEL, STRIDE, padding=1), nn.Tanh())


def doubled(filters: int, outputs: int) -> nn.ConvTranspose1d:
    """(batch, filters, steps) -> (batch, outputs, 2 * steps)."""
    return nn.ConvTranspose1d(filters, outputs, KERNEL, STRIDE, padding=1)


def default_units(inputs: int) -> int:
    """A third of `inputs` = length x channels, rounded up to a multiple of 16, at most 128: 140 -> 48."""
    return min(MOST_UNITS, VECTOR * -(-inputs // (3 * VECTOR)))


def default_latent(hidden: int) -> int:
    """A sixth of the units, at least 4: 48 -> 8."""
    return max(LEAST_LATENT, hidden // 6)


def readings_per_step(length: int) -> int:
    """So many that a window is at most `MOST_STEPS` steps: 140 -> 9."""
    return -(-length // MOST_STEPS)
