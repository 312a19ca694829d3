"""The LSTM: its sizes follow the window, and a window whose length the steps do not divide loses no reading."""

from __future__ import annotations

import pytest
import torch

from models.networks.lstm import LSTM
from models.networks.lstm_options import LSTMConfig
from models.networks.stacks import MOST_STEPS, default_latent, default_units, readings_per_step


@pytest.mark.parametrize(
    ("inputs", "sizes"), [(1, (16, 4)), (12, (16, 4)), (70, (32, 5)), (140, (48, 8)), (4000, (128, 21))]
)
def test_sizes_follow_the_window(inputs: int, sizes: tuple[int, int]) -> None:
    assert (default_units(inputs), default_latent(default_units(inputs))) == sizes


def test_sizes_that_are_given_are_taken() -> None:
    given = (LSTMConfig(hidden=20), LSTMConfig(hidden=20, latent=3), LSTMConfig(latent=3), LSTMConfig(hidden=2))
    found = [LSTM(140, 1, config).config for config in given]

    assert [(config.hidden, config.latent) for config in found] == [(20, 4), (20, 3), (48, 3), (2, 4)]


@pytest.mark.parametrize("length", [1, 12, 16, 17, 70, 139, 140, 1000])
def test_a_window_is_few_steps_and_every_reading_is_in_one(length: int) -> None:
    net = LSTM(length, 2, LSTMConfig())

    assert net.steps <= MOST_STEPS
    assert net.steps * readings_per_step(length) == length + net.filled
    assert net.filled < readings_per_step(length)


def test_short_windows_are_read_reading_by_reading() -> None:
    assert readings_per_step(MOST_STEPS) == 1


@pytest.mark.parametrize("length", [16, 17, 140])
def test_each_reading_counts(length: int) -> None:
    """The reconstruction depends on every reading, the first and the last too, and has the window's shape."""
    torch.manual_seed(0)
    net = LSTM(length, 2, LSTMConfig())
    x = torch.randn(3, length, 2, requires_grad=True)

    rebuilt = net(x)
    torch.autograd.backward(rebuilt.square().sum())

    assert rebuilt.shape == x.shape
    assert x.grad is not None
    assert (x.grad.abs() > 0).all()


@pytest.mark.parametrize("factor", [1.0, 1e6])
def test_no_step_is_steeper_than_a_gradient_of_one(factor: float) -> None:
    """A loss a million times as large moves the weights no further."""
    torch.manual_seed(0)
    net = LSTM(16, 1, LSTMConfig())
    before = torch.cat([weight.detach().flatten() for weight in net.parameters()])

    net.training_step(3 * torch.randn(8, 16, 1), [torch.optim.SGD(net.parameters(), 1.0)], lambda x: factor * x.sum())

    after = torch.cat([weight.detach().flatten() for weight in net.parameters()])
    assert (after - before).norm().item() == pytest.approx(1.0, abs=1e-4)
