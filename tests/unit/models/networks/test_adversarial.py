"""What adversarial nets share."""

from typing import Any

import numpy as np
import pytest
import torch

import models
from models import registry
from models.networks.adversarial import all_alike, code_size, disturbed, hidden_widths

KINDS = ("alocc", "anogan", "efficientgan", "fanogan", "gan", "ganomaly", "skip_ganomaly")


def test_sizes_follow_the_window() -> None:
    assert [hidden_widths(inputs) for inputs in (16, 140, 256, 2048)] == [(16, 8), (64, 32), (128, 64), (256, 128)]
    assert [code_size(inputs) for inputs in (16, 140, 256, 2048)] == [4, 8, 16, 32]


def test_a_net_that_says_the_same_of_all_windows_has_collapsed() -> None:
    windows = torch.randn(50, 16, generator=torch.Generator().manual_seed(0))

    assert all_alike(torch.ones(50, 4) + 1e-5 * windows[:, :4], windows)
    assert not all_alike(windows[:, :4], windows)
    assert not all_alike(torch.ones(50, 4), torch.ones(50, 16))


def test_disturbed_windows_differ_by_little_and_by_much() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        windows = torch.randn(1000, 16, 2)
        moved = (disturbed(windows) - windows).flatten(1).abs().amax(1)

    assert moved.quantile(0.1) < 0.5
    assert moved.quantile(0.9) > 5


@pytest.mark.parametrize(("kind", "options"), [*((kind, {}) for kind in KINDS), ("gan", {"loss": "wgan-gp"})])
def test_steps_make_no_tensors_on_another_device_than_the_windows(kind: str, options: dict[str, Any]) -> None:
    config, _ = registry.configs(kind, options)
    net = registry.resolve(registry.DETECTORS[kind].made_by)(12, 2, config).to("meta")
    windows = torch.empty(8, 12, 2, device="meta")

    for phase in range(net.phases):
        net.start(phase, windows)
        players = [torch.optim.SGD(one.param_groups[0]["params"]) for one in net.optimizers(1e-3)]
        loss = net.training_step(windows, players, torch.mean)
        assert loss.device.type == net.loss(windows).device.type == "meta"


def test_a_wasserstein_game_gives_finite_scores() -> None:
    windows = np.random.default_rng(0).normal(size=(40, 8, 1))
    detector = models.create("gan", length=8, channels=1, loss="wgan-gp", epochs=2, keep=0.9).fit(windows)

    assert np.isfinite(detector.score(windows)).all()


def test_an_adversarial_net_judges_by_conditions() -> None:
    random = np.random.default_rng(0)
    load = random.random((400, 1, 1)) + np.zeros((1, 8, 1))
    windows = np.concatenate([30 * load + random.normal(0, 0.5, load.shape), 100 * load], 2).astype(np.float32)
    contradicting = windows[:50].copy()
    contradicting[:, :, 0] = windows[50:100, :, 0] + 15
    detector = models.create("ganomaly", length=8, channels=2, given=1, epochs=20).fit(windows[100:])

    assert np.median(detector.score(contradicting)) > detector.training_scores.limit(n_std=6)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ganomaly", {"residual": 1.5}), ("ganomaly", {"given": -1}), ("skip_ganomaly", {"masked": 1.0}),
        ("alocc", {"noise": 0.0}), ("gan", {"loss": "hinge"}), ("gan", {"loss": 3}), ("gan", {"given": -1}),
        ("fanogan", {"kappa": -1.0}), ("efficientgan", {"cycle": -1.0}), ("anogan", {"steps": 0}),
        ("anogan", {"steps": 100_000}),
    ],
)  # fmt: skip
def test_options_out_of_range_are_named(kind: str, options: dict[str, Any]) -> None:
    (name,) = options

    with pytest.raises(models.ConfigError, match=name):
        models.check(kind, options)
