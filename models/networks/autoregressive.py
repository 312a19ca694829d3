"""Autoregressive detector: the likelihood of each reading, given the readings of the window before it.

PixelCNN and PixelRNN in one dimension (van den Oord et al. 2016, arXiv:1601.06759), with the dilated causal
convolutions of WaveNet (2016, arXiv:1609.03499). The score is the root of twice the mean negative log-likelihood, which
is on the scale of an error in standard deviations. Where this departs from the papers:

- `gaussian`: a Gaussian whose mean and standard deviation follow from the past. No standard deviation is below `FLOOR`,
  so a density has a maximum, from which the negative log-likelihood is counted: it is >= 0. None is above `RANGE` times
  that.
- `discretised`: a softmax over `BINS` levels, as the papers have. A reading beyond the levels pays `TAIL` for each unit
  more, so that the score does not saturate.
- A channel of ones, and of zeros before the window, shows where the past begins. The readings of one step do not see
  one another, but each sees all channels of the past.

Inside a long fault the past holds the fault as well, and the next reading is easy to foresee: the first readings of a
window, which have no past, are what then shows it. Beside it a detector of levels is of use.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.contract import Outputs
from models.graph import Graph
from models.networks.autoregressive_options import AutoregressiveConfig
from models.networks.base import Net
from models.networks.layers import array, linear, lstm, sequential

FLOOR = 0.05  # least standard deviation, in scaled units
RANGE = math.log(100)  # log of the largest one by the least one
KERNEL = 3
MOST_LAYERS = 5  # a past of 1 + 2 (1 + 2 + 4 + 8 + 16) = 63 readings
BINS, REACH = 32, 4.0  # levels from -REACH to REACH, in scaled units
TAIL = 8.0  # negative log-likelihood of each unit beyond the levels


def default_units(channels: int) -> int:
    """16 for one channel, 8 more for each other one, at most 64."""
    return min(64, 16 + 8 * (channels - 1))


def default_layers(length: int) -> int:
    """As many as see the whole window, each twice as far as the one before, at most 5: 16 readings -> 3."""
    return max(1, min(MOST_LAYERS, math.ceil(math.log2(max(2, length) / (KERNEL - 1)))))


class Autoregressive(Net):
    """Each step is foreseen from those before it, all steps of a window in one pass."""

    centres: Tensor  # of the levels

    largest_gradient = 1.0

    def __init__(self, length: int, channels: int, config: AutoregressiveConfig) -> None:
        units = config.units or default_units(channels)
        super().__init__(length, channels, replace(config, units=units))
        self.discretised = config.likelihood == "discretised"
        outputs = channels * (BINS if self.discretised else 2)
        seen = channels + 1
        if config.trunk == "rnn":
            self.rnn = nn.LSTM(seen, units, batch_first=True)
            self.head = nn.Linear(units, outputs)
        else:
            widths = [seen, *[units] * default_layers(length)]
            self.convolutions = nn.ModuleList(
                nn.Conv1d(width, units, KERNEL, dilation=2**at) for at, width in enumerate(widths[:-1])
            )
            self._reach = [2**at * (KERNEL - 1) for at in range(len(self.convolutions))]  # of each, into the past
            self.head = nn.Linear(units, outputs)
        edges = torch.linspace(-REACH, REACH, BINS + 1)
        self.register_buffer("centres", (edges[1:] + edges[:-1]) / 2, persistent=False)

    def _foreseen(self, x: Tensor) -> Tensor:
        """(batch, length, outputs): what the past says of each step."""
        past = F.pad(torch.cat([x, torch.ones_like(x[..., :1])], 2), (0, 0, 1, -1))  # a step sees those before it
        if self.config.trunk == "rnn":
            states: Tensor = self.head(self.rnn(past)[0])
            return states
        hidden = past.transpose(1, 2)  # (batch, channels, length)
        for layer, reach in zip(self.convolutions, self._reach, strict=True):
            hidden = torch.tanh(layer(F.pad(hidden, (reach, 0))))
        outputs: Tensor = self.head(hidden.transpose(1, 2))
        return outputs

    def _unlikely(self, x: Tensor) -> Tensor:
        """Negative log-likelihood of each cell, >= 0, same shape as x."""
        if not self.discretised:
            mean, rough = self._foreseen(x).chunk(2, 2)
            wider = RANGE * torch.sigmoid(rough)  # log of the standard deviation by its floor
            return ((x - mean) / FLOOR * (-wider).exp()).square() / 2 + wider
        logits = self._foreseen(x).view(*x.shape, BINS)
        width = 2 * REACH / BINS
        at = ((x + REACH) / width).floor().clamp(0, BINS - 1)
        chosen = (at.unsqueeze(3) == torch.arange(BINS, device=x.device)).float()
        beyond = TAIL * (x.abs() - REACH).clamp(min=0) + 0 * x  # NaN of NaN
        return beyond - (logits.log_softmax(3) * chosen).sum(3)

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: the mean negative log-likelihood of a reading, above its least value."""
        return self._unlikely(x).flatten(1).mean(1)

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`."""
        return (2 * self.loss(x)).sqrt()

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`. Expected are the means of what is foreseen."""
        foreseen = self._export_foreseen(graph, x)
        mean, unlikely = (self._export_bins if self.discretised else self._export_gaussian)(graph, x, foreseen)
        contribution = graph.node("Add", unlikely, unlikely)
        return Outputs(graph.root_mean(contribution, self.length * self.channels), mean, contribution)

    def _export_foreseen(self, graph: Graph, x: str) -> str:
        """`_foreseen`, from rows."""
        windows = graph.node("Reshape", x, graph.constant([-1, self.length, self.channels]))
        known = graph.node("Pad", windows, graph.constant([0, 0, 0, 0, 0, 1]), graph.constant(np.float32(1)))
        before = graph.node("Slice", known, *(graph.constant([at]) for at in (0, self.length - 1, 1)))
        past = graph.node("Pad", before, graph.constant([0, 1, 0, 0, 0, 0]))
        if self.config.trunk == "rnn":
            states = lstm(graph, graph.node("Transpose", past, perm=[1, 0, 2]), self.rnn)
            hidden = graph.node("Transpose", states, perm=[1, 0, 2])
        else:
            hidden = graph.node("Transpose", past, perm=[0, 2, 1])
            for layer, reach in zip(self.convolutions, self._reach, strict=True):
                padded = graph.node("Pad", hidden, graph.constant([0, 0, reach, 0, 0, 0]))
                hidden = sequential(graph, padded, [layer, nn.Tanh()])
            hidden = graph.node("Transpose", hidden, perm=[0, 2, 1])
        steps = graph.node("Reshape", hidden, graph.constant([-1, self.config.units]))
        return linear(graph, steps, self.head)  # (batch * length, outputs)

    def _export_gaussian(self, graph: Graph, x: str, foreseen: str) -> tuple[str, str]:
        """Means and negative log-likelihoods of the cells, as rows."""
        halves = (slice(0, self.channels), slice(self.channels, 2 * self.channels))
        mean, rough = (
            self._rows(graph, graph.node("Gather", foreseen, graph.constant(np.r_[half]), axis=1)) for half in halves
        )
        floor, half, reach = (graph.constant(np.float32(number)) for number in (FLOOR, 0.5, RANGE))
        wider = graph.node("Mul", graph.node("Sigmoid", rough), reach)
        error = graph.node("Div", graph.node("Sub", x, mean), floor)
        error = graph.node("Mul", error, graph.node("Exp", graph.node("Neg", wider)))
        squared = graph.node("Mul", graph.node("Mul", error, error), half)
        return mean, graph.node("Add", squared, wider)

    def _export_bins(self, graph: Graph, x: str, foreseen: str) -> tuple[str, str]:
        """The same of the levels."""
        logits = graph.node("Reshape", foreseen, graph.constant([-1, BINS]))  # a row for each cell
        reach, width, zero, tail = (graph.constant(np.float32(v)) for v in (REACH, 2 * REACH / BINS, 0, TAIL))
        cells = graph.node("Reshape", x, graph.constant([-1, 1]))
        at = graph.node("Floor", graph.node("Div", graph.node("Add", cells, reach), width))
        at = graph.node("Clip", at, zero, graph.constant(np.float32(BINS - 1)))
        chosen = graph.node("Equal", at, graph.constant(np.arange(BINS, dtype=np.float32)))
        likely = graph.node("LogSoftmax", logits, axis=1)  # Log's last bit depends on the place
        minus, centres = np.full((BINS, 1), -1, np.float32), array(self.centres)[:, None]
        surprise = graph.node("Mul", graph.node("Cast", chosen, to=1), likely)
        surprise = graph.node("MatMul", surprise, graph.constant(minus))
        mean = graph.node("MatMul", graph.node("Exp", likely), graph.constant(centres))
        beyond = graph.node("Max", graph.node("Sub", graph.node("Abs", cells), reach), zero)
        beyond = graph.node("Add", graph.node("Mul", beyond, tail), graph.node("Mul", cells, zero))
        return self._rows(graph, mean), self._rows(graph, graph.node("Add", surprise, beyond))

    def _rows(self, graph: Graph, cells: str) -> str:
        return graph.node("Reshape", cells, graph.constant([-1, self.length * self.channels]))
