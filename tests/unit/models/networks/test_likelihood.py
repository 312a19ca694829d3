"""Nets that judge by likelihood or distance: what their papers promise, of small trained ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, norm

import models
from models.detector import Detector
from models.errors import ConfigError
from models.networks.autoregressive import Autoregressive
from models.networks.autoregressive_options import AutoregressiveConfig
from models.networks.dagmm import DAGMM, ENERGY, NOISE, SINGULAR
from models.networks.dagmm_options import DAGMMConfig
from models.networks.deep_svdd import DeepSVDD
from models.networks.deep_svdd_options import DeepSVDDConfig
from models.networks.forecast import Forecast
from models.networks.forecast_options import ForecastConfig

Float32 = NDArray[np.float32]
LENGTH = 12


def waves(count: int, seed: int) -> Float32:
    """Sine waves of any phase and some noise, (n, LENGTH, 1)."""
    random = np.random.default_rng(seed)
    turns = np.arange(LENGTH) / LENGTH + random.random((count, 1))
    wave = np.sin(2 * np.pi * turns) + random.normal(0, 0.1, (count, LENGTH))
    return wave.astype(np.float32)[:, :, None]


def fit(kind: str, **options: Any) -> Detector:
    chosen = {"epochs": 3, "keep": 1.0, "learning_rate": 5e-3, **options}
    return models.create(kind, length=LENGTH, channels=1, **chosen).fit(waves(200, seed=0))


@pytest.mark.parametrize("trunk", ["conv", "rnn"])
@pytest.mark.parametrize("likelihood", ["gaussian", "discretised"])
def test_no_reading_sees_itself_or_what_comes_after_it(trunk: str, likelihood: str) -> None:
    torch.manual_seed(0)
    net = Autoregressive(LENGTH, 2, AutoregressiveConfig(trunk=trunk, likelihood=likelihood))
    x = torch.randn(1, LENGTH, 2)
    later = x.clone()
    later[:, 7:] += 1

    with torch.inference_mode():
        before, after = net._foreseen(x), net._foreseen(later)

    assert torch.equal(before[:, :8], after[:, :8])
    assert not torch.equal(before[:, 8:], after[:, 8:])


@pytest.mark.parametrize("options", [{"trunk": "rnn"}, {"likelihood": "discretised"}, {"trunk": "rnn", "units": 8}])
def test_each_form_scores_as_its_graph_and_far_windows_higher(options: dict[str, Any]) -> None:
    detector = fit("autoregressive", **options)
    normal = waves(50, seed=1)
    scores = detector.score(normal)

    assert (detector.score(10 * normal) > scores).all()
    assert (detector.score(100 * normal) > detector.score(10 * normal)).all()
    for size in (1, 3, 17):
        np.testing.assert_array_equal(detector.score(normal[:size]), scores[:size])


def test_a_gaussian_likelihood_is_that_of_the_textbook() -> None:
    torch.manual_seed(0)
    net = Autoregressive(LENGTH, 1, AutoregressiveConfig()).double()
    x = torch.randn(4, LENGTH, 1, dtype=torch.double)

    with torch.inference_mode():
        mean, rough = net._foreseen(x).chunk(2, 2)
        deviation = 0.05 * (torch.sigmoid(rough) * np.log(100)).exp()
        expected = -norm.logpdf(x.numpy(), mean.numpy(), deviation.numpy()) + norm.logpdf(0, 0, 0.05)
        found = net._unlikely(x).numpy()

    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_discretised_likelihood_is_a_distribution_over_the_levels() -> None:
    torch.manual_seed(0)
    net = Autoregressive(1, 1, AutoregressiveConfig(likelihood="discretised"))
    levels = net.centres.reshape(-1, 1, 1)

    with torch.inference_mode():
        likelihoods = (-net._unlikely(levels)).exp()

    assert likelihoods.sum().item() == pytest.approx(1, abs=1e-5)


def test_the_codes_of_a_window_are_drawn_once() -> None:
    few, many = fit("vae", samples=1), fit("vae", samples=32)
    windows = np.repeat(waves(1, seed=2), 2, axis=0)

    for detector in (few, many):
        assert detector.score(windows)[0] == detector.score(windows)[1]


def test_the_centre_of_the_sphere_stays_where_the_first_pass_put_it() -> None:
    torch.manual_seed(0)
    net = DeepSVDD(LENGTH, 1, DeepSVDDConfig())
    windows = torch.from_numpy(waves(50, seed=0))
    net.start(1, windows)
    centre = net.centre.clone()
    (optimizer,) = net.optimizers(1e-2)

    losses = [float(net.training_step(windows, [optimizer], torch.mean)) for _ in range(20)]

    assert torch.equal(net.centre, centre)
    assert (centre.abs() >= 0.1 - 1e-6).all()
    assert losses[-1] < losses[0]
    assert all(layer.bias is None for layer in net.encoder if isinstance(layer, torch.nn.Linear))


def test_a_sphere_that_holds_all_windows_in_its_centre_is_a_collapse() -> None:
    net = DeepSVDD(LENGTH, 1, DeepSVDDConfig())
    windows = torch.from_numpy(waves(50, seed=0))
    assert net.collapsed(windows) == ""

    with torch.no_grad():
        for weight in net.encoder.parameters():
            weight.zero_()

    assert "same code" in net.collapsed(windows)
    assert net.collapsed(torch.ones(50, LENGTH, 1)) == ""  # nothing to tell apart


def test_a_soft_boundary_leaves_the_share_nu_outside() -> None:
    torch.manual_seed(0)
    net = DeepSVDD(LENGTH, 1, DeepSVDDConfig(nu=0.2))
    windows = torch.from_numpy(waves(100, seed=0))
    net.start(1, windows)
    (optimizer,) = net.optimizers(1e-3)
    for _ in range(50):
        net.training_step(windows, [optimizer], torch.mean)

    with torch.inference_mode():
        outside = (net.score(windows) > net.radius).float().mean().item()
    assert outside == pytest.approx(0.2, abs=0.1)
    assert net.radius < net.centre.norm()


def test_the_mixture_that_scores_is_that_of_the_held_out_windows() -> None:
    torch.manual_seed(0)
    net = DAGMM(LENGTH, 1, DAGMMConfig(clusters=1))
    windows = torch.from_numpy(waves(80, seed=0))
    with torch.no_grad():
        net.settle(windows)
        z, _ = net._described(windows)

    torch.testing.assert_close(net.mean[0], z.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net.covariance[0], torch.cov(z.T, correction=0), rtol=1e-3, atol=1e-5)


def test_the_loss_has_the_energy_of_the_textbook_with_the_log_of_the_determinants() -> None:
    torch.manual_seed(0)
    net = DAGMM(LENGTH, 1, DAGMMConfig(clusters=2)).double()
    windows = torch.from_numpy(waves(80, seed=0)).double()
    net.start(1, windows)
    with torch.inference_mode():
        z, error = net._described(windows)
        share, mean, covariance = net._mixture(z, net.gate(z))
    noisy = covariance + NOISE * torch.eye(z.shape[1])
    parts = [multivariate_normal(*each).pdf(z) for each in zip(mean.numpy(), noisy.numpy(), strict=True)]
    lowest = -np.log(multivariate_normal(np.zeros(z.shape[1]), NOISE * np.eye(z.shape[1])).pdf(np.zeros(z.shape[1])))
    energy = -np.log(share.numpy() @ np.stack(parts)) - lowest
    penalty = (1 / torch.diagonal(noisy, dim1=1, dim2=2)).sum()

    loss = net.training_step(windows, net.optimizers(1e-3), torch.mean)

    expected = (error.numpy() + ENERGY * energy).mean() + SINGULAR * NOISE * penalty.item()
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert (energy > 0).all()


@pytest.mark.parametrize("predictor", ["cnn", "linear"])
def test_a_forecast_sees_the_past_only(predictor: str) -> None:
    torch.manual_seed(0)
    net = Forecast(LENGTH, 1, ForecastConfig(predictor=predictor))
    x = torch.from_numpy(waves(1, seed=0))
    later = x.clone()
    later[:, 7] += 1

    with torch.inference_mode():
        before, after = net(x), net(later)

    assert (net.config.past, net.config.ahead) == (3, 1)
    assert torch.equal(before[:, :8], after[:, :8])
    assert not torch.equal(before[:, 8:], after[:, 8:])


def test_a_linear_forecast_finds_the_recurrence_of_a_wave() -> None:
    turns = np.random.default_rng(0).random((400, 1)) + np.arange(LENGTH) / LENGTH
    wave = np.sin(2 * np.pi * turns).astype(np.float32)[:, :, None]
    options: dict[str, Any] = {"predictor": "linear", "past": 2, "epochs": 150, "learning_rate": 0.02, "keep": 1.0}
    detector = models.create("forecast", length=LENGTH, channels=1, **options).fit(wave)

    rebuilt = detector.reconstruct(wave)

    assert rebuilt is not None
    assert np.abs(rebuilt[:, 2:] - wave[:, 2:]).max() < 0.05


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("vae", {"samples": 0}, "from 1 to 128"),
        ("vae", {"hidden": [0]}, "at least 1"),
        ("vae", {"given": -1}, "given"),
        ("autoregressive", {"trunk": "tree"}, "choose one of conv, rnn"),
        ("autoregressive", {"likelihood": "poisson"}, "choose one of gaussian, discretised"),
        ("autoregressive", {"units": 9999}, "from 1 to 512"),
        ("forecast", {"past": -1}, "at least 1"),
        ("forecast", {"ahead": -1}, "at least 1"),
        ("forecast", {"predictor": "lstm"}, "choose one of cnn, linear"),
        ("deep_svdd", {"nu": 1.0}, "below 1"),
        ("deep_svdd", {"hidden": [8, 0]}, "at least 1"),
        ("dagmm", {"clusters": 0}, "from 1 to 64"),
        ("dagmm", {"hidden": ["a"]}, "at least 1"),
    ],
)
def test_mistakes_are_explained(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        models.check(kind, options)


def test_a_past_as_long_as_the_window_is_refused() -> None:
    with pytest.raises(ConfigError, match="past = 12 and ahead = 1 leave no reading"):
        fit("forecast", past=LENGTH)


def test_a_forecast_from_further_ahead_scores_as_its_graph() -> None:
    detector = fit("forecast", ahead=4)
    windows = waves(20, seed=1)

    known = detector._known()

    expected = known.fitted.score(known.scaler.forward(windows))
    np.testing.assert_allclose(detector.score(windows), expected, rtol=1e-5)
