"""What nets that learn against a discriminator share: their layers, the two losses, and averages of weights.

Generators end in layers of tanh before the last, linear one: what they make is bounded, so a window far from all that
was learned is far from what is made of it. Encoders and discriminators are leaky rectifiers, as published: they go on
growing with their input, so scores never saturate. There is no batch normalisation: scores do not depend on a batch.

Sizes follow the window: with n = length * channels numbers, the first hidden layer has the power of two at or below
n / 2, from 16 to 256, the second half of that, and the code an eighth, at least 4 (140 numbers: 64, 32, 8).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.graph import Graph
from models.networks.layers import array, sequential
from models.networks.stacks import perceptron, power_of_two

LEAST_SPREAD = 1e-3  # of what a net says of windows that differ, relative to their own spread
TENTHS = 2.563  # standard deviations between the lowest and the highest tenth of a normal distribution
MEMORY = 0.99  # of the running moments of features
SHARE = 0.01  # of the mean variance of features, added to each: what hardly ever moves must not drown the others
FAR = 10.0  # scaled units: a spread that no channel has whose readings are of one mode
LANES = 16  # numbers that a processor computes at once, at most
LARGEST = 80.0  # of a number whose exponential is a float32
CURB = -2.0  # from where its factor is learned: softplus(-2) = 0.13
SMOOTH = 0.9  # one-sided label smoothing (Salimans 2016, arXiv 1606.03498)
SLOPE = 0.2  # of leaky rectifiers below 0 (Radford 2015, arXiv 1511.06434)
BETAS = (0.5, 0.999)  # of Adam, for both players (same source)


def hidden_widths(inputs: int) -> tuple[int, int]:
    """Widths of the two hidden layers: 140 -> 64, 32."""
    widest = power_of_two(inputs // 2, least=16)
    return widest, widest // 2


def code_size(inputs: int) -> int:
    """Numbers of the code, which is also the noise that a generator starts from: 140 -> 8."""
    return max(4, hidden_widths(inputs)[0] // 8)


def leaky() -> nn.Module:
    """The activation of encoders and discriminators."""
    return nn.LeakyReLU(SLOPE)


def encoder(inputs: int, code: int) -> nn.Sequential:
    """Rows of windows to codes."""
    return perceptron((inputs, *hidden_widths(inputs), code), leaky)


def generator(code: int, outputs: int) -> nn.Sequential:
    """Codes to rows of windows."""
    return perceptron((code, *hidden_widths(outputs)[::-1], outputs))


class Discriminator(nn.Module):
    """Rows to features, the layer before the last, and from them to one logit: above 0 it takes a row for real."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        widths = hidden_widths(inputs)
        self.features = nn.Sequential(*perceptron((inputs, *widths), leaky), leaky())
        self.logit = nn.Linear(widths[-1], 1)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits, (batch,)."""
        logits: Tensor = self.logit(self.features(rows))
        return logits.squeeze(1)

    def feature_error(self, rows: Tensor, others: Tensor) -> Tensor:
        """Mean square of the difference of their features, (batch,)."""
        difference: Tensor = self.features(rows) - self.features(others)
        return difference.square().mean(1)


class Judge(Discriminator):
    """A discriminator that scores: its logit also falls with the mean square of a row, by a factor that is learned.

    So what is far from all that was learned is a fake, whichever way it lies.

    It scores by `distance` or by `as_real` of its logit. The logit knows only the border to what a generator made; the
    features from which it comes know what real rows look like (Lee 2018, arXiv 1807.03888; matching them is how
    Salimans 2016, arXiv 1606.03498, trains generators).
    """

    seen: Tensor
    mean: Tensor
    square: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__(inputs)
        self.inputs = inputs
        self.curb = nn.Parameter(torch.tensor(CURB))
        count = self.logit.in_features + 1  # moments of features: running sums in float64, of weight `seen`
        for name, shape in (("seen", ()), ("mean", (count,)), ("square", (count, count))):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    def forward(self, rows: Tensor) -> Tensor:
        """Logits, (batch,)."""
        logits: Tensor = super().forward(rows) - F.softplus(self.curb) * rows.square().mean(1)
        return logits

    def judging(self, rows: Tensor) -> Tensor:
        """The loss of real rows, (batch,); they count as real by 0.9 only, so that logits stay small."""
        logits = self(rows)
        return SMOOTH * as_real(logits) + (1 - SMOOTH) * as_fake(logits)

    @torch.no_grad()
    def remember(self, rows: Tensor) -> None:
        """Count the features of a batch of real rows among those of the batches before."""
        said = self._described(rows).double()
        self.seen.lerp_(torch.ones_like(self.seen), 1 - MEMORY)
        self.mean.lerp_(said.mean(0), 1 - MEMORY)
        self.square.lerp_(said.T @ said / len(said), 1 - MEMORY)

    def distance(self, rows: Tensor) -> Tensor:
        """Mahalanobis distance from the real rows, (batch,): of the features and the root mean square of a row."""
        centre, whitener = self._whitened()
        apart: Tensor = (self._described(rows) - centre) @ whitener
        return apart.square().mean(1).sqrt()

    def score(self, rows: Tensor, by: str) -> Tensor:
        """(batch,), higher is worse: `by` is one of `models.networks.judged.JUDGED_BY`."""
        return self.distance(rows) if by == "features" else as_real(self(rows))

    def export(self, graph: Graph, rows: str, by: str) -> str:
        """Add `score` to the graph: (n, inputs) -> (n,)."""
        return self._export_distance(graph, rows) if by == "features" else self._export_logit(graph, rows)

    def _described(self, rows: Tensor) -> Tensor:
        return torch.cat([self.features(rows), rows.square().mean(1, keepdim=True).sqrt()], 1)

    @torch.no_grad()
    def _whitened(self) -> tuple[Tensor, Tensor]:
        """The mean of the features, and what makes their covariance the identity, in float32."""
        centre = self.mean / self.seen
        covariance = self.square / self.seen - torch.outer(centre, centre)
        floor = SHARE * covariance.trace() / len(centre) + torch.finfo(torch.float32).tiny
        root = torch.linalg.cholesky(covariance + floor * torch.eye(len(centre)).to(covariance))
        return centre.float(), torch.linalg.inv(root).T.float()

    def _export_distance(self, graph: Graph, rows: str) -> str:
        size = graph.root_mean(graph.node("Mul", rows, rows), self.inputs)
        features = sequential(graph, rows, [self.features])
        said = graph.node("Concat", features, graph.node("Unsqueeze", size, graph.constant([1])), axis=1)
        centre, whitener = (graph.constant(array(part)) for part in self._whitened())
        apart = graph.node("MatMul", graph.node("Sub", said, centre), whitener)
        return graph.root_mean(graph.node("Mul", apart, apart), self.logit.in_features + 1)

    def _export_logit(self, graph: Graph, rows: str) -> str:
        logits = sequential(graph, rows, [self.features, self.logit])
        share = np.full((self.inputs, 1), float(F.softplus(self.curb.detach())) / self.inputs, np.float32)
        curb = graph.node("MatMul", graph.node("Mul", rows, rows), graph.constant(share))
        copies = graph.constant(np.ones((1, LANES), np.float32))  # Softplus rounds the last few numbers differently
        soft = graph.node("Softplus", graph.node("MatMul", graph.node("Sub", curb, logits), copies))
        return graph.node("Squeeze", graph.node("Gather", soft, graph.constant([0]), axis=1), graph.constant([1]))


def as_real(logits: Tensor) -> Tensor:
    """-log D, (batch,): the loss of a row that is to be taken for real, and how abnormal one is; it never saturates."""
    return F.softplus(-logits)


def as_fake(logits: Tensor) -> Tensor:
    """-log(1 - D), (batch,): the loss of a row that is to be taken for a fake."""
    return F.softplus(logits)


def distance_to_nearest(rows: Tensor, made: Tensor) -> Tensor:
    """Mean absolute difference from the nearest of other rows, (batch,): windows that a generator does not make."""
    return torch.cdist(rows, made, p=1.0).amin(1) / rows.shape[1]


def odds(logits: Tensor) -> Tensor:
    """(1 - D) / D, (batch,): above 1 a row is rather a fake. Finite."""
    return (-logits).clamp(max=LARGEST).exp()


def adam(learning_rate: float, *modules: nn.Module, betas: tuple[float, float] = BETAS) -> torch.optim.Adam:
    """The optimiser of one player, who owns these modules."""
    owned: Iterable[nn.Parameter] = (parameter for module in modules for parameter in module.parameters())
    return torch.optim.Adam(owned, learning_rate, betas=betas, fused=True)


def all_alike(found: Tensor, windows: Tensor) -> bool:
    """Whether a net says the same, (n, numbers), of windows, (n, numbers), that differ: it has collapsed.

    Windows differ as much as the median of their numbers that move does: one channel of large jumps is no measure.
    """
    spreads = windows.std(0, correction=0)
    moving = spreads[spreads > 0]
    said = found.std(0, correction=0).square().mean().sqrt()
    return bool(len(moving)) and bool(said < LEAST_SPREAD * moving.median())


def reach_of(windows: Tensor) -> Tensor:
    """The unit in which a generator makes each number of a window: (n, length, channels) -> (length * channels,).

    It is 1, but for channels that rest at a level, with some noise, and jump to others: the middle half of their
    readings, the scaled unit, is noise, and jumps are hundreds of it. A generator that starts near 0 never gets there
    by small steps; those of the critic's gradient drive its hidden layers into saturation, and it makes one window.
    A tenth of faults on either side changes nothing.
    """
    cells = windows.flatten(0, 1)  # (n * length, channels)
    tenth = len(cells) // 10
    ordered = cells.sort(0).values
    spread = (ordered[-tenth - 1] - ordered[tenth]) / TENTHS
    return torch.where(spread > FAR, spread, torch.ones_like(spread)).repeat(windows.shape[1])


def disturbed(windows: Tensor) -> Tensor:
    """Windows that are not normal, same shape: part of each is enlarged, or moved by noise or a random walk.

    A discriminator knows only the edge that a generator has shown it. What it says farther off is left to chance, so
    these stand for what is there (outlier exposure: Hendrycks 2019, arXiv 1812.04606).
    """
    batch, length, _ = windows.shape
    noise = torch.randn_like(windows)
    walk = noise[:, :1] + noise.cumsum(1) / length**0.5
    several = windows.new_empty(2, batch, 1, 1).uniform_()
    size = 10 ** (2.5 * several[0] - 1)  # 0.1 to 30 scaled units
    where = torch.rand_like(windows) < 2 * several[1]  # half of them wholly
    sort = torch.randint(3, (batch, 1, 1), device=windows.device)
    moved = torch.where(sort == 0, noise, torch.where(sort == 1, walk, windows))
    return windows + size * where * moved
