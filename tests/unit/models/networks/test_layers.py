"""Layers as nodes of a graph compute what they compute in torch."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from models.graph import Graph
from models.networks.layers import sequential

NETS = {
    "dense": nn.Sequential(nn.Linear(12, 4), nn.Tanh(), nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 5)),
    "elementwise": nn.Sequential(nn.Linear(12, 6), nn.Softplus(), nn.LeakyReLU(0.2), nn.Dropout(), nn.Sigmoid()),
    "convolutions": nn.Sequential(
        nn.Unflatten(1, (2, 6)),
        nn.Conv1d(2, 4, 3, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv1d(4, 4, 2, dilation=2, groups=2, bias=False),
        nn.Sequential(nn.ConvTranspose1d(4, 3, 4, stride=2, padding=1, output_padding=1), nn.Tanh()),
        nn.Flatten(),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_standard_layers_export_themselves(name: str) -> None:
    torch.manual_seed(0)
    net = NETS[name].eval()
    x = np.random.default_rng(0).normal(size=(7, 12)).astype(np.float32)
    with torch.inference_mode():
        expected = net(torch.from_numpy(x))
    graph = Graph()
    body = graph.serialise({"x": ["n", 12]}, {"y": (sequential(graph, "x", net), ["n", expected.shape[1]])})

    (found,) = onnxruntime.InferenceSession(body).run(None, {"x": x})

    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "message"),
    [(nn.Softmax(1), "Softmax"), (nn.Flatten(2), "Flatten"), (nn.Conv1d(1, 1, 3, padding="same"), "padding = 'same'")],
)
def test_a_layer_without_a_translation_is_named(layer: nn.Module, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        sequential(Graph(), "x", nn.Sequential(nn.Linear(2, 2), layer))
