"""The epoch loop: what it learns from, when it stops, what it keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import models
from models.graph import Graph
from models.networks.base import Autoencoder, Optimizers, Reduce
from models.networks.training import Trim, train
from models.networks.training_options import TrainingConfig


class Level(Autoencoder):
    """Rebuilds every window as one constant. Made for two readings and one channel."""

    def __init__(self) -> None:
        super().__init__(2, 1, {})
        self.level = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.level.expand_as(x)

    def export(self, graph: Graph, x: str) -> str:
        return x


class Scripted(Level):
    """Steps through validation losses that are given; the weight is the number of steps taken."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.losses = losses

    def optimizers(self, learning_rate: float) -> Optimizers:
        return []

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        with torch.no_grad():
            self.level.add_(1)  # in place, as optimisers do: a kept reference would follow
        return torch.zeros(())

    def loss(self, x: Tensor) -> Tensor:
        return torch.full((len(x),), self.losses[int(self.level.item()) - 1])

    def collapsed(self, windows: Tensor) -> str:
        return ""  # its level counts steps


def constant(*levels: float) -> Tensor:
    return torch.tensor(levels).reshape(-1, 1, 1).expand(-1, 2, 1).contiguous()


PLAIN = TrainingConfig(epochs=6, batch_size=100, patience=2, keep=1.0)


def test_the_best_weights_are_kept_not_the_last() -> None:
    net = Scripted([5.0, 3.0, 4.0, 4.5, 1.0, 1.0])

    history = train(net, constant(0.0), constant(0.0), PLAIN, progress=False)

    assert history.best_epoch == 1
    assert net.level.item() == 2  # the state after the second epoch, although two more were run
    assert history.validation == pytest.approx((5.0, 3.0, 4.0, 4.5))


def test_without_an_early_stop_all_epochs_run() -> None:
    history = train(Scripted([6.0, 5.0, 4.0, 3.0, 2.0, 1.0]), constant(0.0), constant(0.0), PLAIN, progress=False)

    assert (len(history.train), history.best_epoch) == (6, 5)


def test_untrimmed_learns_from_every_window_alike() -> None:
    config = TrainingConfig(epochs=400, batch_size=100, learning_rate=0.05, patience=400, keep=1.0)
    data = constant(*[1.0] * 8, *[6.0] * 2)
    net = Level()

    train(net, data, data, config, progress=False)

    assert net.level.item() == pytest.approx(2.0, abs=0.05)  # the mean


def test_trimmed_does_not_learn_faults() -> None:
    config = TrainingConfig(epochs=400, batch_size=100, learning_rate=0.05, patience=400, keep=0.6)
    data = constant(*np.linspace(0.9, 1.1, 16).tolist(), *[6.0] * 4)
    net = Level()

    history = train(net, data, data, config, progress=False)

    assert net.level.item() == pytest.approx(1.0, abs=0.05)
    assert history.clean == pytest.approx(0.8)
    assert history.refit_epoch > 0


def test_trim_keeps_the_smallest_and_what_is_not_far_above() -> None:
    losses = torch.tensor([1.0, 2.0, 2.5, 3.9, 100.0])

    assert Trim(keep=0.4, reach=1.0)(losses).item() == pytest.approx(1.5)
    assert Trim(keep=0.4, reach=2.0)(losses).item() == pytest.approx((1 + 2 + 2.5 + 3.9) / 4)
    assert Trim(keep=1.0, reach=1.0)(losses).item() == pytest.approx(losses.mean().item())


def test_the_callers_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()

    train(Level(), constant(1.0, 2.0), constant(1.0), PLAIN, seed=7, progress=False)

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_progress_is_shown_when_asked(capsys: pytest.CaptureFixture[str], progress: bool | None, shown: bool) -> None:
    train(Level(), constant(1.0, 2.0), constant(1.0), PLAIN, progress=progress)

    captured = capsys.readouterr()
    assert ("validation loss" in captured.err) is shown
    assert captured.out == ""


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"keep": 0.0}, {"keep": 1.5}, {"validation": 1.0}, {"reach": 0.5}, {"learning_rate": 0.0}]
)
def test_options_without_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(models.ConfigError, match="at least"):
        models.create("dense", length=4, channels=1, **wrong)


class Phased(Scripted):
    """Learns in two phases; notes the number of steps taken at the start of each."""

    phases = 2

    def start(self, phase: int, windows: Tensor) -> None:
        self.begun = [*getattr(self, "begun", []), (phase, int(self.level.item()), len(windows))]


def test_a_net_of_two_phases_goes_through_the_loop_twice() -> None:
    net = Phased([3.0, 2.0, 2.5, 2.6, 1.0, 0.5, 4.0, 4.0, 4.0])

    history = train(net, constant(0.0, 1.0), constant(0.0), PLAIN, progress=False)

    assert net.begun == [(0, 0, 2), (1, 2, 2)]  # the second phase starts from the best weights of the first
    assert history.validation == pytest.approx((3.0, 2.0, 2.5, 2.6, 2.5, 2.6, 1.0, 0.5, 4.0, 4.0))
    assert (history.best_epoch, net.level.item()) == (7, 6)


class Endless(Scripted):
    stops_early = False


def test_without_a_loss_that_chooses_all_epochs_run_and_the_last_weights_stay() -> None:
    net = Endless([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])

    history = train(net, constant(0.0), constant(0.0), PLAIN, progress=False)

    assert (len(history.train), history.best_epoch, net.level.item()) == (6, 5, 6)


class Settling(Scripted):
    """Keeps the levels of the windows that it settles on and learns from."""

    settles = True

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        self.learned = sorted(x[:, 0, 0].tolist())
        return super().training_step(x, optimizers, reduce)

    def surprise(self, x: Tensor) -> Tensor:
        return 1 + x[:, 0, 0]

    def settle(self, aside: Tensor) -> None:
        self.settled = aside[:, 0, 0].tolist()


def test_what_is_estimated_comes_from_windows_that_are_neither_learned_nor_held_out() -> None:
    net = Settling([1.0])

    train(net, constant(*range(10)), constant(10.0, 11.0), TrainingConfig(epochs=1, keep=1.0), progress=False)

    assert net.learned == [0, 1, 2, 3, 4, 5, 6, 7]
    assert net.settled == [8, 9]


def test_faults_among_them_are_left_out() -> None:
    net = Settling([1.0, 1.0])
    levels = [0.1, 0.2, 0.3, 0.4] * 5 + [0.3, 0.2, 90.0, 0.1, 0.25]

    train(net, constant(*levels), constant(0.2, 0.3), TrainingConfig(epochs=1), progress=False)

    assert net.settled == pytest.approx([0.3, 0.2, 0.1, 0.25])


def test_a_net_with_conditions_settles_as_the_net_inside() -> None:
    from models.networks.dense import Dense
    from models.networks.dense_options import DenseConfig
    from models.networks.given import Given

    net = Dense(4, 1, DenseConfig())

    assert not Given(net, 1).settles
    net.settles = True
    assert Given(net, 1).settles


@pytest.mark.parametrize("kind", ["dagmm", "deep_svdd", "efficientgan", "fanogan", "ganomaly", "skip_ganomaly"])
def test_a_net_that_diverges_between_its_runs_is_tried_again_and_reported(kind: str) -> None:
    windows = np.random.default_rng(0).normal(0, 1, (120, 12, 1))
    options: dict[str, Any] = {"epochs": 3, "learning_rate": 1e12}

    with pytest.raises(models.TrainingError, match=r"diverged.*before, at learning_rate = 1e\+12: .*diverged"):
        models.create(kind, length=12, channels=1, **options).fit(windows, progress=False)


class Seeing(Level):
    """Keeps the largest number that it was shown."""

    largest = 0.0

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        self.largest = max(self.largest, float(x.abs().max()))
        return super().training_step(x, optimizers, reduce)


@pytest.mark.parametrize(("fault", "keep", "shown"), [(-3000.0, 0.6, 1.0), (1e38, 0.6, 1.0), (-3000.0, 1.0, 3000.0)])
def test_readings_of_a_failed_sensor_are_in_no_batch(fault: float, keep: float, shown: float) -> None:
    net = Seeing()

    train(
        net, constant(*np.linspace(0.5, 1, 95), *[fault] * 5), constant(0.7), replace(PLAIN, keep=keep), progress=False
    )

    assert net.largest == shown


def test_windows_that_move_among_many_at_rest_are_shown() -> None:
    net = Seeing()

    train(net, constant(*[0.0] * 80, *[10.0] * 20), constant(0.0), replace(PLAIN, keep=0.6), progress=False)

    assert net.largest == 10
