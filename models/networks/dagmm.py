"""Deep autoencoding Gaussian mixture model: the energy of a window's code and of how badly it is rebuilt.

Zong et al. 2018 (ICLR, "Deep Autoencoding Gaussian Mixture Model for Unsupervised Anomaly Detection"). An autoencoder
gives z = [code, relative Euclidean error, cosine similarity]; a second net says to which Gaussian z belongs; all of it
is trained together, on the squared error + `ENERGY` x energy + `SINGULAR` x `NOISE` x sum of 1 / variances. The score
is the root of twice the energy, counted from the least that the mixture has: a constant. Departures from the paper:

- The penalty of small variances has the factor `NOISE`. By its full weight the autoencoder rebuilds some windows badly
  on purpose, which widens the two features of its error: waves far from all that was learned lay below the limit then.
- The mixture that scores is fixed: that of clean windows set aside, not that of the windows scored together. While
  training, it is a moving mean of the batches' mixtures.
- The autoencoder is trained alone first, so that the mixture begins with codes that say something.
- `NOISE` is added to the variances, 1e-12 there: so a density has a maximum, and the loss counts the energy from the
  least that any mixture can have. With so weak a penalty the determinants may draw the spread of a code below that of
  `NOISE`, as in the largest Gaussian of heartbeats; less than `NOISE` gains them nothing.
- Trimming a batch compares losses as multiples of one another, and so without the log of the determinants, which is the
  same for all its windows and is added behind it. `loss`, by which epochs are compared, has it.
- Errors and norms are means over the cells, so that the weights do not depend on the length of a window, and norms have
  `SMALLEST` added.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from models.contract import Outputs
from models.graph import Graph
from models.networks.base import Net, Optimizers, Reduce
from models.networks.dagmm_options import DAGMMConfig
from models.networks.layers import array, sequential
from models.networks.stacks import perceptron, power_of_two

ENERGY, SINGULAR = 0.1, 0.005  # weights of the loss
NOISE = 1e-4  # variance added to each coordinate of z
LEAST = 0.01  # added to twice the energy: the root of a number near 0 has few digits
FOLLOW = 0.1  # share of a batch's mixture in the one that scores
TINY = 1e-6  # of the weight of a Gaussian
SMALLEST = 0.05  # root mean square added to that of a window, in scaled units: a window at rest has a direction too
GATE = 10  # units of the net that says to which Gaussian a window belongs


def default_widths(inputs: int) -> tuple[int, int, int]:
    """A quarter of the inputs as a power of two from 8 to 256, half of that, a code of 2 to 8: 140 -> 32, 16, 4."""
    widest = power_of_two(inputs // 4, least=8)
    return widest, widest // 2, min(8, max(2, widest // 8))


class DAGMM(Net):
    """Autoencoder, gate, and the mixture that scores: shares (K,), means (K, z), covariances (K, z, z)."""

    phases = 2
    settles = True
    largest_gradient = 1.0
    share: Tensor
    mean: Tensor
    covariance: Tensor

    def __init__(self, length: int, channels: int, config: DAGMMConfig) -> None:
        hidden = config.hidden or default_widths(length * channels)
        super().__init__(length, channels, replace(config, hidden=hidden))
        widths, size = (length * channels, *hidden), hidden[-1] + 2
        self._phase = 0
        self._lowest = size * math.log(2 * math.pi * NOISE) / 2  # energy of a Gaussian without spread, at its mean
        self.encoder, self.decoder = perceptron(widths), perceptron(widths[::-1])
        self.gate = nn.Sequential(*perceptron((size, GATE, config.clusters)), nn.Softmax(1))
        self.register_buffer("share", torch.full((config.clusters,), 1 / config.clusters))
        self.register_buffer("mean", torch.zeros(config.clusters, size))
        self.register_buffer("covariance", torch.eye(size).repeat(config.clusters, 1, 1))

    def _described(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z of windows, (batch, z), and their mean squared error, (batch,)."""
        rows = x.flatten(1)
        code = self.encoder(rows)
        rebuilt = self.decoder(code)
        error = (rows - rebuilt).square().mean(1)
        size, other = (part.square().mean(1).sqrt() + SMALLEST for part in (rows, rebuilt))
        features = (error.sqrt() / size, (rows * rebuilt).mean(1) / (size * other))
        return torch.cat([code, torch.stack(features, 1)], 1), error

    def _mixture(self, z: Tensor, belongs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Share, mean and covariance of each Gaussian, of a batch that belongs to them by (batch, K)."""
        weight = belongs.sum(0) + TINY
        mean = belongs.T @ z / weight[:, None]
        apart = z[:, None] - mean  # (batch, K, z)
        covariance = torch.einsum("bk,bki,bkj->kij", belongs, apart, apart) / weight[:, None, None]
        return weight / weight.sum(), mean, covariance

    def _energy(self, z: Tensor, share: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
        """-log of the mixture's density at z, above the least it could be, (batch,)."""
        constant, whitening = _standard(share, covariance)
        whitened = torch.einsum("bki,kij->bkj", z[:, None] - mean, whitening)
        return constant.logsumexp(0) - (constant - whitened.square().sum(2) / 2).logsumexp(1)

    def _least(self, share: Tensor, covariance: Tensor) -> Tensor:
        """The least energy of a mixture, with the log of its determinants, (): not below `self._lowest`."""
        return -_standard(share, covariance)[0].logsumexp(0)

    def start(self, phase: int, windows: Tensor) -> None:
        """See `Net.start`: phase 0 trains the autoencoder, phase 1 all."""
        self._phase = phase

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: the error, and in phase 1 the energy by the mixture that scores."""
        z, error = self._described(x)
        if self._phase == 0:
            return error
        least = self._least(self.share, self.covariance)
        energy = self._energy(z, self.share, self.mean, self.covariance) + least - self._lowest
        return error + ENERGY * energy

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """See `Net.training_step`. In phase 1 each batch has a mixture, which the one that scores follows."""
        if self._phase == 0:
            return super().training_step(x, optimizers, reduce)
        z, error = self._described(x)
        mixture = self._mixture(z, self.gate(z))
        variances = torch.diagonal(mixture[2], dim1=1, dim2=2) + NOISE
        losses = error + ENERGY * self._energy(z, *mixture)
        least = self._least(mixture[0], mixture[2]) - self._lowest
        loss = reduce(losses) + ENERGY * least + SINGULAR * NOISE * (1 / variances).sum()
        self.step(loss, optimizers[0])
        with torch.no_grad():
            for kept, found in zip((self.share, self.mean, self.covariance), mixture, strict=True):
                kept.lerp_(found.detach(), FOLLOW)
        return loss.detach()

    def settle(self, aside: Tensor) -> None:
        """See `Net.settle`: the mixture that scores."""
        z, _ = self._described(aside)
        for kept, found in zip((self.share, self.mean, self.covariance), self._mixture(z, self.gate(z)), strict=True):
            kept.copy_(found)

    def surprise(self, x: Tensor) -> Tensor:
        """See `Net.surprise`: the energy."""
        return self._energy(self._described(x)[0], self.share, self.mean, self.covariance)

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`."""
        energy = self._energy(self._described(x)[0], self.share, self.mean, self.covariance)
        return (2 * energy.clamp(min=0) + LEAST).sqrt()

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`."""
        z, rebuilt = self._export_described(graph, x)
        constant, whitening = (array(part.float()) for part in _standard(self.share, self.covariance))
        least = float(np.logaddexp.reduce(constant.astype(np.float64)))
        means, terms = array(self.mean), []
        for k in range(self.config.clusters):
            apart = graph.node("Sub", z, graph.constant(means[k]))
            whitened = graph.node("MatMul", apart, graph.constant(whitening[k]))
            squared = _summed(graph, graph.node("Mul", whitened, whitened), len(means[k]), 0.5)
            terms.append(graph.node("Add", squared, graph.constant(np.float32(least - constant[k]))))
        energy = graph.soft_minimum(graph.node("Concat", *terms, axis=1))
        twice = graph.node("Mul", graph.node("Relu", energy), graph.constant(np.float32(2)))
        score = graph.node("Sqrt", graph.node("Add", twice, graph.constant(np.float32(LEAST))))
        return Outputs(graph.node("Squeeze", score, graph.constant([1])), rebuilt)

    def _export_described(self, graph: Graph, x: str) -> tuple[str, str]:
        """z and the reconstruction, of rows."""
        cells = self.length * self.channels
        code = sequential(graph, x, self.encoder)
        rebuilt = sequential(graph, code, self.decoder)
        difference, tiny = graph.node("Sub", x, rebuilt), graph.constant(np.float32(SMALLEST))
        squares = (graph.node("Mul", rows, rows) for rows in (difference, x, rebuilt))
        error, size, other = (graph.node("Sqrt", _summed(graph, each, cells, 1 / cells)) for each in squares)
        size, other = graph.node("Add", size, tiny), graph.node("Add", other, tiny)
        alike = _summed(graph, graph.node("Mul", x, rebuilt), cells, 1 / cells)
        cosine = graph.node("Div", alike, graph.node("Mul", size, other))
        return graph.node("Concat", code, graph.node("Div", error, size), cosine, axis=1), rebuilt


def _standard(share: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Of each Gaussian the log of its share of the density at its mean, (K,), and what whitens it, (K, z, z)."""
    size = covariance.shape[-1]
    root = torch.linalg.cholesky(covariance + NOISE * torch.eye(size, device=covariance.device))
    constant = share.log() - torch.diagonal(root, dim1=1, dim2=2).log().sum(1) - size * math.log(2 * math.pi) / 2
    identity = torch.eye(size, device=root.device).expand_as(root)
    return constant, torch.linalg.solve_triangular(root, identity, upper=False).transpose(1, 2)


def _summed(graph: Graph, rows: str, width: int, weight: float = 1.0) -> str:
    """(n, width) -> (n, 1): the sums of rows, times a weight."""
    return graph.node("MatMul", rows, graph.constant(np.full((width, 1), weight, np.float32)))
