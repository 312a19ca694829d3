"""Layers of torch as nodes of a graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.graph import Graph

ELEMENTWISE = {nn.Tanh: "Tanh", nn.ReLU: "Relu", nn.Sigmoid: "Sigmoid", nn.Softplus: "Softplus"}
"""By class of a layer without weights or options, the operator it is."""


def array(tensor: Tensor) -> NDArray[Any]:
    """The numbers of a weight."""
    return tensor.detach().cpu().numpy()


def sequential(graph: Graph, x: str, layers: Iterable[nn.Module]) -> str:
    """One layer after another. Raises TypeError for a layer that has no translation here.

    Convolutions take and give (batch, channels, length); `nn.Flatten` and `nn.Unflatten(1, ...)` lie between them and
    rows. Dropout is left out: it does nothing when a trained net scores.
    """
    for layer in layers:
        if type(layer) in ELEMENTWISE:
            x = graph.node(ELEMENTWISE[type(layer)], x)
        elif not isinstance(layer, nn.Dropout | nn.Identity):
            x = _translated(graph, x, layer)
    return x


def _translated(graph: Graph, x: str, layer: nn.Module) -> str:
    match layer:
        case nn.Linear():
            y = linear(graph, x, layer)
        case nn.Conv1d() | nn.ConvTranspose1d():
            y = convolution(graph, x, layer)
        case nn.LeakyReLU():
            y = graph.node("LeakyRelu", x, alpha=float(layer.negative_slope))
        case nn.Flatten(start_dim=1, end_dim=-1):
            y = graph.node("Flatten", x)
        case nn.Unflatten(dim=1):
            y = graph.node("Reshape", x, graph.constant([-1, *layer.unflattened_size]))
        case nn.Sequential():
            y = sequential(graph, x, layer)
        case _:
            raise TypeError(f"{type(layer).__name__} has no translation in models/networks/layers.py; add one")
    return y


def convolution(graph: Graph, x: str, layer: nn.Conv1d | nn.ConvTranspose1d) -> str:
    """(batch, in, length) -> (batch, out, length'); both sides are filled with equally many zeros."""
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise TypeError(f"padding = {layer.padding!r}, {layer.padding_mode}: write the number of zeros on each side")
    parts = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
    how: dict[str, Any] = {"strides": list(layer.stride), "dilations": list(layer.dilation), "group": layer.groups}
    if isinstance(layer, nn.ConvTranspose1d):
        how["output_padding"] = list(layer.output_padding)
    weights = (graph.constant(array(part)) for part in parts)
    operator = "Conv" if isinstance(layer, nn.Conv1d) else "ConvTranspose"
    return graph.node(operator, x, *weights, pads=list(layer.padding) * 2, **how)


def linear(graph: Graph, x: str, layer: nn.Linear) -> str:
    """(batch, in) -> (batch, out)."""
    parts = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
    return graph.node("Gemm", x, *(graph.constant(array(part)) for part in parts), transB=1)


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
