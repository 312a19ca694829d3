"""What adversarial nets share."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import models
from models import registry
from models.networks.adversarial import Judge, all_alike, code_size, disturbed, hidden_widths, reach_of

KINDS = ("alocc", "anogan", "efficientgan", "fanogan", "gan", "ganomaly", "skip_ganomaly")


def test_sizes_follow_the_window() -> None:
    assert [hidden_widths(inputs) for inputs in (16, 140, 256, 2048)] == [(16, 8), (64, 32), (128, 64), (256, 128)]
    assert [code_size(inputs) for inputs in (16, 140, 256, 2048)] == [4, 8, 16, 32]


def test_a_net_that_says_the_same_of_all_windows_has_collapsed() -> None:
    windows = torch.randn(50, 16, generator=torch.Generator().manual_seed(0))

    assert all_alike(torch.ones(50, 4) + 1e-5 * windows[:, :4], windows)
    assert not all_alike(windows[:, :4], windows)
    assert not all_alike(torch.ones(50, 4), torch.ones(50, 16))


def test_a_channel_of_large_jumps_makes_no_collapse_of_a_net_that_knows_the_others() -> None:
    windows = torch.randn(50, 16, generator=torch.Generator().manual_seed(0))
    jumping = torch.cat([windows[:, :15], 1e4 * windows[:, 15:]], 1)

    assert not all_alike(0.2 * windows, jumping)
    assert all_alike(torch.ones(50, 16), jumping)


def test_only_what_jumps_by_many_of_its_scaled_units_is_made_in_units_of_its_jumps() -> None:
    windows = torch.randn(200, 4, 3, generator=torch.Generator().manual_seed(0))
    windows[::5, :, 1] += 300  # another level, a fifth of the time
    windows[::20, :, 2] += 1e6  # faults

    reach = reach_of(windows)

    assert reach.view(4, 3)[:, [0, 2]].tolist() == [[1.0, 1.0]] * 4
    assert 100 < float(reach[1]) < 150


def test_features_far_from_those_of_real_rows_are_far() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judge, rows = Judge(16), torch.randn(500, 16)
        for start in range(0, len(rows), 50):
            judge.remember(rows[start : start + 50])
        usual, far = judge.distance(rows).detach(), judge.distance(20 * torch.randn(50, 16)).detach()

    assert usual.square().mean() == pytest.approx(1, abs=0.2)
    assert far.min() > usual.max()


@pytest.mark.parametrize("kind", KINDS)
def test_short_histories_of_several_channels_make_no_training_fail(kind: str) -> None:
    """Eight channels as of a pump: noise, steps, one that rests but for the last digit and jumps, one that is still."""
    for seed in range(2):
        detector = models.create(kind, length=12, channels=8, seed=seed, epochs=60).fit(pump(240, seed))

        assert detector.history is not None
        assert detector.history.retried == ""
        assert np.isfinite(detector.score(pump(100, 9))).all()


def pump(rows: int, seed: int) -> NDArray[np.float32]:
    """Windows of 12 rows that end at each row."""
    random = np.random.default_rng(seed)
    values = random.normal([10, 0.2, -3, 50, 80, 230, 7, 0], [1, 0.01, 0.5, 2, 5, 0.5, 0, 0], (rows, 8))
    values[:, 4] += random.normal(size=rows).cumsum()
    values[:, 7] = 32 + (random.random(rows) < 0.2) + random.normal(0, 1e-3, rows)
    return np.stack([values[row : row + 12] for row in range(rows - 11)]).astype(np.float32)


@pytest.mark.parametrize("kind", ["gan", "alocc"])
def test_a_discriminator_scores_by_its_own_word_where_it_is_asked_to(kind: str) -> None:
    windows = np.random.default_rng(0).normal(size=(60, 8, 1)).astype(np.float32)
    found = [
        models.create(kind, length=8, channels=1, epochs=3, judged_by=how).fit(windows).score(windows)
        for how in ("features", "discriminator")
    ]

    assert np.isfinite(found).all()
    assert not np.allclose(found[0], found[1])


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
        ("gan", {"judged_by": "eye"}), ("alocc", {"judged_by": "eye"}),
        ("fanogan", {"kappa": -1.0}), ("efficientgan", {"cycle": -1.0}), ("anogan", {"steps": 0}),
        ("anogan", {"steps": 100_000}),
    ],
)  # fmt: skip
def test_options_out_of_range_are_named(kind: str, options: dict[str, Any]) -> None:
    (name,) = options

    with pytest.raises(models.ConfigError, match=name):
        models.check(kind, options)
