"""Graphs that ONNX Runtime takes, and cannot compute."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.artefacts.runtime import Runtime
from models.contract import INPUT, SCORE
from models.errors import ArtefactError


def graph(shape: list[int], kind: int = TensorProto.FLOAT) -> bytes:
    """Windows of 4 x 1, summed, cast and put into this shape."""
    nodes = [
        helper.make_node("ReduceSum", [INPUT, "axes"], ["sums"], keepdims=0),
        helper.make_node("Cast", ["sums"], ["cast"], to=kind),
        helper.make_node("Reshape", ["cast", "shape"], [SCORE]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("shape", TensorProto.INT64, [len(shape)], shape),
    ]
    given = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", 4, 1])
    found = helper.make_tensor_value_info(SCORE, kind, ["m"] * len(shape))
    made = helper.make_graph(nodes, "g", [given], [found], constants)
    opset = [helper.make_opsetid("", 18)]
    return bytes(onnx.ModelProto.SerializeToString(helper.make_model(made, opset_imports=opset, ir_version=9)))


WINDOWS = np.ones((6, 4, 1), np.float32)


def test_a_graph_that_can_be_computed() -> None:
    assert Runtime(graph([-1])).run(SCORE, WINDOWS).tolist() == [4.0] * 6


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (graph([5]), "cannot compute the graph"),
        (graph([2, 3]), r"gives float32 of shape \(2, 3\) for 6 windows"),
        (graph([-1], TensorProto.DOUBLE), "gives float64"),
    ],
)
def test_a_graph_that_fails_when_it_is_computed_is_a_damaged_artefact(broken: bytes, why: str) -> None:
    with pytest.raises(ArtefactError, match=rf"{why}.*retrain the model"):
        Runtime(broken).run(SCORE, WINDOWS)
