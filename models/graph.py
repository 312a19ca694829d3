"""Writes detectors as ONNX graphs, by hand: torch's own exporters are slow to import, or about to be removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 10  # of the file; what ONNX Runtime reads since 1.18


class Graph:
    """A graph under construction: each method adds nodes and returns the name of their result."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: ArrayLike) -> str:
        """Numbers that belong to the graph; whole ones as int64."""
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def floats(self, values: ArrayLike) -> str:
        """Numbers that belong to the graph, as float32."""
        return self.constant(np.asarray(values, np.float32))

    def node(self, operator: str, *inputs: str, result: int = 0, **attributes: Any) -> str:
        """One ONNX operator; `result` is which of its outputs is wanted."""
        name = f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [""] * result + [name], **attributes))
        return name

    def smallest(self, rows: str, count: int) -> str:
        """(n, m) -> (n, count): the smallest values of each row, ascending."""
        name = f"value{len(self._nodes)}"
        ends = [name, f"{name}_positions"]  # the operator insists on both
        self._nodes.append(helper.make_node("TopK", [rows, self.constant([count])], ends, axis=1, largest=0))
        return name

    def root_mean(self, rows: str, width: int) -> str:
        """(n, width) -> (n,): the root of each row's mean."""
        return self.node("Sqrt", self.mean(rows, width))

    def mean(self, rows: str, width: int) -> str:
        """(n, width) -> (n,): each row's mean."""
        share = self.constant(np.full((width, 1), 1 / width, np.float32))
        mean = self.node("MatMul", rows, share)  # ReduceMean's last bit depends on where a row lies in memory
        return self.node("Squeeze", mean, self.constant([1]))

    def soft_minimum(self, rows: str) -> str:
        """(n, width) -> (n, 1): -log of each row's sum of exp(-value), for likelihoods of mixtures and kernels."""
        axis = self.constant([1])
        likeliest = self.node("ReduceMax", self.node("LogSoftmax", self.node("Neg", rows), axis=1), axis)
        return self.node("Add", self.node("ReduceMin", rows, axis), likeliest)  # Log's last bit depends on the place

    def mean_square(self, rows: str, others: str, width: int) -> str:
        """(n, width) twice -> (n,): the mean of each row's squared differences."""
        difference = self.node("Sub", rows, others)
        share = self.constant(np.full((width, 1), 1 / width, np.float32))
        mean = self.node("MatMul", self.node("Mul", difference, difference), share)  # as in `root_mean`
        return self.node("Squeeze", mean, self.constant([1]))

    def sum_apart(self, rows: str, others: str, width: int) -> str:
        """(n, width) twice -> (n,): the sum of each row's absolute differences."""
        apart = self.node("Abs", self.node("Sub", rows, others))
        total = self.node("MatMul", apart, self.constant(np.ones((width, 1), np.float32)))  # as in `root_mean`
        return self.node("Squeeze", total, self.constant([1]))

    def serialise(self, inputs: Mapping[str, list[Any]], outputs: Mapping[str, tuple[str, list[Any]]]) -> bytes:
        """The file's bytes: inputs with their shapes, outputs by name with the value they show and its shape.

        Each output shows a different value, which takes its name.
        """
        names = {value: name for name, (value, _) in outputs.items()}
        for node in self._nodes:
            for ends in (node.input, node.output):
                ends[:] = [names.get(end, end) for end in ends]
        shapes = {name: shape for name, (_, shape) in outputs.items()}
        graph = helper.make_graph(self._nodes, "detector", _floats(inputs), _floats(shapes), self._constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString())


def weighted(graph: Graph, parts: Sequence[tuple[float, str]]) -> str:
    """The sum of values of one shape, each with its weight."""
    first, *others = (graph.node("Mul", graph.constant(np.float32(weight)), value) for weight, value in parts)
    for other in others:
        first = graph.node("Add", first, other)
    return first


def _floats(shapes: Mapping[str, list[Any]]) -> list[Any]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
