"""Layers of torch as nodes of a graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.graph import Graph

ELEMENTWISE = {nn.Tanh: "Tanh", nn.ReLU: "Relu"}
"""By class of a layer without weights, the operator it is."""


def array(tensor: Tensor) -> NDArray[Any]:
    """The numbers of a weight."""
    return tensor.detach().cpu().numpy()


def sequential(graph: Graph, x: str, layers: Iterable[nn.Module]) -> str:
    """One layer after another. Raises TypeError for a layer that has no translation here."""
    for layer in layers:
        if isinstance(layer, nn.Linear):
            x = linear(graph, x, layer)
        elif type(layer) in ELEMENTWISE:
            x = graph.node(ELEMENTWISE[type(layer)], x)
        else:
            raise TypeError(f"{type(layer).__name__} has no translation in models/networks/layers.py; add one")
    return x


def linear(graph: Graph, x: str, layer: nn.Linear) -> str:
    """(batch, in) -> (batch, out)."""
    weight, bias = (graph.constant(array(part)) for part in (layer.weight, layer.bias))
    return graph.node("Gemm", x, weight, bias, transB=1)


def lstm(graph: Graph, x: str, layer: nn.LSTM, *, last: bool = False, reverse: bool = False) -> str:
    """(length, batch, in) -> the states (length, batch, hidden), or only the last one, (batch, hidden).

    `reverse` reads from the end of x to its start; the states stay at their places.
    """
    gates = np.arange(4 * layer.hidden_size).reshape(4, -1)[[0, 3, 1, 2]].ravel()  # torch: i f g o, ONNX: i o f g
    of_input, of_state, *biases = [weights[gates][None] for weights in layer.parameters()]
    weights = [graph.constant(array(part)) for part in (of_input, of_state, torch.cat(biases, 1))]
    how = {"hidden_size": layer.hidden_size, "direction": "reverse" if reverse else "forward"}
    states = graph.node("LSTM", x, *weights, result=int(last), **how)
    return graph.node("Squeeze", states, graph.constant([0 if last else 1]))
