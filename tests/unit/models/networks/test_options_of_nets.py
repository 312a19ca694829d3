"""Each option that changes what a net computes: its graph computes the same, for windows of any shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from models.contract import CONTRIBUTION, RECONSTRUCTION, SCORE
from models.graph import Graph
from models.networks.base import Net
from models.networks.denoising import Denoising
from models.networks.denoising_options import DenoisingConfig
from models.networks.lstm import LSTM, MOST_CELLS
from models.networks.lstm_options import LSTMConfig
from models.networks.sparse import Sparse
from models.networks.sparse_options import SparseConfig
from models.networks.stacks import Frame, default_levels
from models.registry import configs, kind_of, resolve

NETS: list[tuple[str, dict[str, Any]]] = [
    ("dense", {"error": "mae"}),
    ("sparse", {"penalty": "kl"}),
    ("denoising", {"linear": True}),
    ("conv", {"latent": 3}),
    ("unet", {"skip": 2}),
    ("recursive", {"code": 5}),
    ("aer", {"hidden": 8, "latent": 3}),
    ("lstm", {"judged_by": "mahalanobis"}),
]


def made(kind: str, options: dict[str, Any], shape: tuple[int, int]) -> Net:
    """An untrained net that has seen held-out windows."""
    torch.manual_seed(0)
    net: Net = resolve(kind_of(kind).made_by)(*shape, configs(kind, options)[0])
    net.eval()
    with torch.no_grad():
        net.settle(torch.randn(50, *shape))
    return net


@pytest.mark.parametrize("shape", [(3, 1), (17, 2), (140, 1), (300, 2)])
@pytest.mark.parametrize(("kind", "options"), NETS, ids=[kind for kind, _ in NETS])
def test_the_graph_computes_what_the_net_computes(kind: str, options: dict[str, Any], shape: tuple[int, int]) -> None:
    length, channels = shape
    net = made(kind, options, shape)
    windows = np.random.default_rng(1).normal(size=(9, *shape)).astype(np.float32)
    graph, cells = Graph(), length * channels
    x = graph.node("Flatten", "windows")
    found = net.outputs(graph, x)
    named = {SCORE: (found.score, ["n"]), RECONSTRUCTION: (found.reconstruction, ["n", cells])}
    if found.contribution is not None:
        named[CONTRIBUTION] = (found.contribution, ["n", cells])
    given: dict[str, Any] = named
    session = onnxruntime.InferenceSession(graph.serialise({"windows": ["n", length, channels]}, given))

    values = dict(zip(named, session.run(list(named), {"windows": windows}), strict=True))

    with torch.inference_mode():
        np.testing.assert_allclose(values[SCORE], net.score(torch.from_numpy(windows)), rtol=1e-5)
        rebuilt = net(torch.from_numpy(windows)).flatten(1)
        np.testing.assert_allclose(values[RECONSTRUCTION], rebuilt, rtol=1e-4, atol=1e-5)
    if CONTRIBUTION in values:
        mean = values[CONTRIBUTION].mean(axis=1)
        np.testing.assert_allclose(mean if options.get("error") == "mae" else np.sqrt(mean), values[SCORE], rtol=1e-4)


@pytest.mark.parametrize("channels", [1, MOST_CELLS])
def test_a_reading_that_is_always_rebuilt_badly_counts_less(channels: int) -> None:
    torch.manual_seed(0)
    net = LSTM(4, channels, LSTMConfig(hidden=4, latent=2, judged_by="mahalanobis"))
    net.eval()
    held_out = torch.randn(200, 4, channels, generator=torch.Generator().manual_seed(0))
    held_out[:, 2] *= 20
    with torch.no_grad():
        net.settle(held_out)
        shares = net.contribution(held_out, net(held_out)).mean((0, 2))

    assert shares[2] < 4 * shares[0]  # of errors, 400 times as much


@pytest.mark.parametrize("noise", ["gaussian", "masking", "drift"])
def test_noise_is_added_in_training_only(noise: str) -> None:
    torch.manual_seed(0)
    net = Denoising(20, 2, DenoisingConfig(noise=noise, size=0.4))
    x = 1 + torch.rand(500, 20, 2)
    moved = (net.spoilt(x) - x).abs()

    assert not torch.equal(net.train().loss(x), net.loss(x))
    assert torch.equal(net.eval().loss(x), net.loss(x))
    if noise == "masking":
        assert (net.spoilt(x) == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)
    elif noise == "drift":
        assert moved.max() <= 0.4
        assert moved[:, -1].mean() > moved[:, 10].mean() > moved[:, 0].mean() == 0
    else:
        assert (net.spoilt(x) - x).std().item() == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("penalty", ["l1", "kl"])
def test_a_penalty_makes_the_code_less_active_and_does_not_grow_the_weights_behind_it(penalty: str) -> None:
    x = torch.randn(64, 12, 1, generator=torch.Generator().manual_seed(1))
    activity, size = {}, {}
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        net = Sparse(12, 1, SparseConfig(penalty=penalty, weight=weight))
        optimizers = net.optimizers(1e-2)
        for _ in range(100):
            net.training_step(x, optimizers, lambda losses: losses.mean())
        activity[weight] = net.layers[:4](x.flatten(1)).abs().mean().item()
        size[weight] = next(net.layers[4].parameters()).norm().item()

    assert activity[1.0] < 0.5 * activity[0.0]
    assert size[1.0] < 2 * size[0.0]


@pytest.mark.parametrize("length", [1, 2, 7, 16, 17, 140, 1000])
def test_a_frame_is_halved_without_a_rest_and_gives_every_reading_back(length: int) -> None:
    levels = default_levels(length, 4)
    frame = Frame(length, levels)
    x = torch.randn(2, length, 3)
    widened = frame.widen(x)

    assert frame.steps == frame.narrow * 2**levels == widened.shape[2]
    assert frame.front >= 2
    assert frame.steps - frame.front - length >= 2
    assert torch.equal(widened[:, :, 0], x[:, 0])
    assert torch.equal(widened[:, :, -1], x[:, -1])
    assert torch.equal(frame.crop(widened), x)
