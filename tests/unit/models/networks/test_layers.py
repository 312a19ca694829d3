"""Layers as nodes of a graph compute what they compute in torch."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from models.graph import Graph
from models.networks.layers import sequential


def test_standard_layers_export_themselves() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 5))
    graph = Graph()
    body = graph.serialise({"x": ["n", 5]}, {"y": (sequential(graph, "x", net), ["n", 5])})
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)

    (found,) = onnxruntime.InferenceSession(body).run(None, {"x": x})

    with torch.inference_mode():
        np.testing.assert_allclose(found, net(torch.from_numpy(x)), rtol=1e-5, atol=1e-6)


def test_a_layer_without_a_translation_is_named() -> None:
    with pytest.raises(TypeError, match="Dropout"):
        sequential(Graph(), "x", nn.Sequential(nn.Linear(2, 2), nn.Dropout()))
