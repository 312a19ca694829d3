"""Sparse autoencoder: the code is limited by how much of it is active at once, and not by its width alone.

Ng 2011, CS294A lecture notes; Lee et al. 2007 (NIPS 20). A window is rebuilt by the few units of the code that its
shape needs. With `penalty = "l1"` the mean absolute activity of the code is added to the squared error; with "kl" the
divergence of a unit's mean activity from `RATE`, summed over units.

A penalty of the code alone is escaped by small activities and large weights behind them. Here tanh bounds the code,
and the weights that read it decay (Loshchilov and Hutter 2019, arXiv:1711.05101). Departing from the notes, activity
is the absolute value of tanh, so that a unit at rest adds nothing.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from models.networks.base import Autoencoder, Optimizers, Reduce
from models.networks.sparse_options import SparseConfig
from models.networks.stacks import default_widths, mirrored

RATE = 0.05  # the share of the time that a unit is active, for "kl"
DECAY = 1e-2  # of the weights behind the code


def default_sparse_widths(inputs: int) -> tuple[int, int]:
    """As wide as the first layer of `dense`, and half of that for the code: 140 -> 32, 16."""
    return default_widths(inputs)[:2]


class Sparse(Autoencoder):
    """inputs-32-16-32-inputs for 140 inputs (length x channels), tanh between, linear at the end."""

    def __init__(self, length: int, channels: int, config: SparseConfig) -> None:
        inputs = length * channels
        hidden = config.hidden or default_sparse_widths(inputs)
        super().__init__(length, channels, replace(config, hidden=hidden))
        self.layers = mirrored(inputs, hidden)
        self._depth = 2 * len(hidden)  # layers before and with the code's tanh

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Net.optimizers`: only what reads the code decays."""
        encoder, decoder = self.layers[: self._depth], self.layers[self._depth :]
        groups = [
            {"params": list(encoder.parameters()), "weight_decay": 0.0},
            {"params": list(decoder.parameters()), "weight_decay": DECAY},
        ]
        return [torch.optim.AdamW(groups, learning_rate)]

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """See `Net.training_step`. Windows are chosen by their error alone, so that rare codes are not left out."""
        (optimizer,) = optimizers
        code = self.layers[: self._depth](x.flatten(1))  # (batch, code)
        rebuilt = self.layers[self._depth :](code).view_as(x)
        error = reduce((x - rebuilt).square().flatten(1).mean(1))
        self.step(error + self.config.weight * self._penalty(code), optimizer)
        return error.detach()

    def _penalty(self, code: Tensor) -> Tensor:
        activity = code.abs()
        if self.config.penalty == "l1":
            return activity.mean()
        mean = activity.mean(0).clamp(1e-6, 1 - 1e-6)  # (code,)
        return (RATE * (RATE / mean).log() + (1 - RATE) * ((1 - RATE) / (1 - mean)).log()).sum()

    def collapsed(self, windows: Tensor) -> str:
        """See `Net.collapsed`: a code that a penalty has silenced holds nothing of a window."""
        code: Tensor = self.layers[: self._depth](windows.flatten(1))
        spread = code.std(0).max().item() if len(windows) > 1 else 1.0
        moving = bool((windows.flatten(1).std(0) > 0).any()) if len(windows) > 1 else False
        if moving and spread < 1e-4:
            return "its code is the same for every window; lower the option weight"
        return super().collapsed(windows)
