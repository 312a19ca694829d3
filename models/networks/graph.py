"""Writes nets as ONNX graphs, by hand: torch's own exporters are slow to import, or about to be removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 18
IR_VERSION = 10  # of the file; what ONNX Runtime reads since 1.18


class Graph:
    """A graph under construction: each method adds nodes and returns the name of their result."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: Tensor | NDArray[Any] | list[int]) -> str:
        """Numbers that belong to the graph; whole ones as int64."""
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator: str, *inputs: str, result: int = 0, **attributes: Any) -> str:
        """One ONNX operator; `result` is which of its outputs is wanted."""
        name = f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [""] * result + [name], **attributes))
        return name

    def linear(self, x: str, layer: nn.Linear) -> str:
        """(batch, in) -> (batch, out)."""
        return self.node("Gemm", x, self.constant(layer.weight), self.constant(layer.bias), transB=1)

    def lstm(self, x: str, layer: nn.LSTM, *, last: bool = False, reverse: bool = False) -> str:
        """(length, batch, in) -> the states (length, batch, hidden), or only the last one, (batch, hidden).

        `reverse` reads from the end of x to its start; the states stay at their places.
        """
        gates = np.arange(4 * layer.hidden_size).reshape(4, -1)[[0, 3, 1, 2]].ravel()  # torch: i f g o, ONNX: i o f g
        of_input, of_state, *biases = [weights[gates][None] for weights in layer.parameters()]
        weights = [self.constant(part) for part in (of_input, of_state, torch.cat(biases, 1))]
        how = {"hidden_size": layer.hidden_size, "direction": "reverse" if reverse else "forward"}
        told = self.node("LSTM", x, *weights, result=int(last), **how)
        return self.node("Squeeze", told, self.constant([0 if last else 1]))

    def serialise(self, inputs: Mapping[str, list[Any]], outputs: Mapping[str, tuple[str, list[Any]]]) -> bytes:
        """The file's bytes: inputs with their shapes, outputs by name with the value they show and its shape.

        Each output shows a value of its own, which takes its name.
        """
        names = {value: name for name, (value, _) in outputs.items()}
        for node in self._nodes:
            for ends in (node.input, node.output):
                ends[:] = [names.get(end, end) for end in ends]
        shapes = {name: shape for name, (_, shape) in outputs.items()}
        graph = helper.make_graph(self._nodes, "detector", _floats(inputs), _floats(shapes), self._constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString())


def _floats(shapes: Mapping[str, list[Any]]) -> list[Any]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
