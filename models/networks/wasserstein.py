"""The Wasserstein game with a gradient penalty, for the nets that play it.

Gulrajani 2017, arXiv 1704.00028: the critic makes E[D(fake)] - E[D(real)] + 10 * (|gradient of D| - 1)^2 small, with
the gradient at points between real and fake rows, and the generator -E[D(fake)], once for five steps of the critic.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.networks.adversarial import Discriminator
from models.networks.base import Reduce

PENALTY = 10.0
CRITIC_STEPS = 5  # for each of the generator
WASSERSTEIN_BETAS = (0.0, 0.9)  # of Adam


def critic_loss(critic: Discriminator, real: Tensor, fake: Tensor, reduce: Reduce) -> Tensor:
    """What the critic makes small, (). `reduce` chooses among the real rows."""
    judged = -critic(real)
    least = judged.detach().min()  # losses to choose from are >= 0; a constant changes no gradient
    loss: Tensor = reduce(judged - least) + least + critic(fake).mean() + PENALTY * _penalty(critic, real, fake)
    return loss


def _penalty(critic: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
    share = torch.rand_like(real[:, :1])
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    apart: Tensor = torch.linalg.vector_norm(gradient, dim=1) - 1
    return apart.square().mean()
