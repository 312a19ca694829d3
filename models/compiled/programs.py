"""The programs of nets: `dense` and those with the same layers, and `lstm`.

Weights come from files, and machine code checks no bounds: a net whose weights have other names, shapes or types than
its window asks for has no program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled.instructions import Operation
from models.compiled.program import Float32, Program

# In the manifest of detectors, and raised where bits change: those with none or another one score by their graph.
PROGRAM = 1
STACKS = ("dense", "sparse", "denoising")
KINDS = (*STACKS, "lstm")
MOST_CELLS = 2048  # of a window: the weights of larger ones fill the cache, and ONNX Runtime is as fast
MOST_UNITS = 1024  # of a state
LSTM_WEIGHTS = {f"{part}.{name}_l0" for part in ("encoder", "decoder")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")} | {
                f"{part}.{name}" for part in ("latent", "output") for name in ("weight", "bias")}  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A trained net: its kind and options, the shape of its windows, their scale (channels,), its weights by name."""

    kind: str
    options: Mapping[str, Any]
    shape: tuple[int, int]
    centre: Float32
    scale: Float32
    weights: Mapping[str, NDArray[Any]]

    @property
    def cells(self) -> int:
        """Of a window."""
        return self.shape[0] * self.shape[1]

    @property
    def sound(self) -> bool:
        """Whether its numbers are of the type, and its scale of the kind, that programs are made for."""
        scaled = self.centre.shape == self.scale.shape == self.shape[1:] and bool((self.scale > 0).all())
        return scaled and all(weight.dtype == np.float32 and weight.size > 0 for weight in self.weights.values())

    def scaled(self, readings: int) -> tuple[Float32, Float32]:
        """Centre and factor of each cell of so many readings, as the graph has them."""
        return np.tile(self.centre, readings), np.tile(1 / self.scale, readings)


def program(net: Trained, lanes: int) -> Program | None:
    """How scores of the net are computed with vectors of so many float32; None where there is no program for it."""
    if not (0 < net.cells <= MOST_CELLS and net.sound) or net.options.get("given", 0):
        return None
    if net.kind in STACKS and net.options.get("error", "rms") == "rms":
        return _dense(net, Program(lanes))
    if net.kind == "lstm" and net.options.get("judged_by", "rmse") == "rmse":
        return _lstm(net, Program(lanes))
    return None


def _dense(net: Trained, made: Program) -> Program | None:
    bent = not net.options.get("linear", False)
    names = [f"layers.{number}" for number in range(0, len(net.weights), 2 if bent else 1)][: len(net.weights) // 2]
    if not names or set(net.weights) != {f"{name}.{part}" for name in names for part in ("weight", "bias")}:
        return None
    layers = [(net.weights[f"{name}.weight"], net.weights[f"{name}.bias"]) for name in names]
    widths = [net.cells, *(bias.size for _, bias in layers)]
    shapes = [((following, width), (following,)) for width, following in pairwise(widths)]
    if widths[-1] != net.cells or shapes != [(weight.shape, bias.shape) for weight, bias in layers]:
        return None
    x = at = made.place(net.cells)
    made.load([(0, x, net.cells)], net.scaled(net.shape[0]), net.cells)
    for number, (weight, bias) in enumerate(layers, 1):
        y = made.place(bias.size)
        made.apply(made.layer(weight, bias), at, y, bent=bent and number < len(layers))
        at = y
    counted, share = made.constant(np.ones(net.cells)), made.constant([1 / net.cells])
    made.add(Operation.ERROR, x, at, counted, made.vectors(net.cells), share)
    return made


@dataclass(frozen=True)
class _Steps:
    """How a window is read: so many steps of `width` cells, the first of them `filled` up with copies of a reading."""

    count: int
    width: int
    filled: int  # cells


def _lstm(net: Trained, made: Program) -> Program | None:
    steps = _steps(net)
    if steps is None:
        return None
    weights, lanes = net.weights, made.lanes
    hidden, latent = weights["latent.weight"].shape[::-1]
    slot = made.vectors(steps.width) * lanes  # of a step in a row
    x = _read(net, made, steps, slot)
    y = made.place(steps.count * slot)
    recurrent = _Recurrent(made, hidden)
    bias = _blocks(weights["encoder.bias_ih_l0"] + weights["encoder.bias_hh_l0"], hidden, lanes)
    both = np.concatenate([weights["encoder.weight_ih_l0"], weights["encoder.weight_hh_l0"]], 1)
    encoder, base = _blocks(both, hidden, lanes), made.constant(bias)
    at = made.constant(encoder)
    for step in range(steps.count):
        recurrent.step(step, (x + step * slot, steps.width), (at, encoder[0].size), (base, False))
    code = made.place(latent)
    made.apply(
        made.layer(weights["latent.weight"], weights["latent.bias"]), recurrent.state(steps.count), code, bent=True
    )
    # The decoder is fed the same at every step: what its gates make of it is computed once.
    fed = _blocks(weights["decoder.weight_ih_l0"], hidden, lanes).transpose(0, 2, 3, 1).reshape(-1, latent)
    bias = _blocks(weights["decoder.bias_ih_l0"] + weights["decoder.bias_hh_l0"], hidden, lanes)
    base = made.place(len(fed))
    made.apply(made.layer(fed, bias.ravel()), code, base)
    decoder = _blocks(weights["decoder.weight_hh_l0"], hidden, lanes)
    at, output = made.constant(decoder), made.layer(weights["output.weight"], weights["output.bias"])
    for step in range(steps.count):
        recurrent.step(step, (x, 0), (at, decoder[0].size), (base, True))
        made.apply(output, recurrent.state(step + 1), y + (steps.count - 1 - step) * slot)
    _judge(net, made, steps, (x, y, slot))
    return made


class _Recurrent:
    """The cells of a program, which write their states in turn to one place and to another."""

    def __init__(self, made: Program, hidden: int) -> None:
        self._made, self._hidden, self._vectors = made, hidden, made.vectors(hidden)
        units = self._vectors * made.lanes
        self._states = made.place(units), made.place(units)
        self._memory, self._gates = made.place(units), made.place(4 * made.lanes)

    def state(self, step: int) -> int:
        """Where the state before a step is."""
        return self._states[step % 2]

    def step(self, step: int, x: tuple[int, int], weights: tuple[int, int], base: tuple[int, bool]) -> None:
        """One cell: inputs (where, how many), weights (where, how many per vector), base (where, if in the row)."""
        first = step == 0
        self._made.add(
            Operation.CELL, *x, self.state(step), 0 if first else self._hidden, self.state(step + 1), self._memory,
            weights[0], *base, self._vectors, weights[1], first, self._gates,
        )  # fmt: skip


def _steps(net: Trained) -> _Steps | None:
    """How the net reads windows; None where its weights do not belong to such windows."""
    if set(net.weights) != LSTM_WEIGHTS or net.weights["latent.weight"].ndim != 2:
        return None
    (length, channels), (latent, hidden) = net.shape, net.weights["latent.weight"].shape
    width = net.weights["output.bias"].size
    shapes = {"latent.bias": (latent,), "latent.weight": (latent, hidden), "output.bias": (width,),
              "output.weight": (width, hidden)}  # fmt: skip
    for part, inputs in (("encoder", width), ("decoder", latent)):
        shapes |= {f"{part}.weight_ih_l0": (4 * hidden, inputs), f"{part}.weight_hh_l0": (4 * hidden, hidden)}
        shapes |= {f"{part}.bias_{name}_l0": (4 * hidden,) for name in ("ih", "hh")}
    if any(net.weights[name].shape != shape for name, shape in shapes.items()):
        return None
    readings = width // channels
    if not (0 < hidden <= MOST_UNITS and 0 < latent <= MOST_UNITS and 0 < readings <= length) or width % channels:
        return None
    count = -(-length // readings)
    return _Steps(count, width, (count * readings - length) * channels)


def _read(net: Trained, made: Program, steps: _Steps, slot: int) -> int:
    """Where the steps of a window are from now on, a slot each."""
    x, channels = made.place(steps.count * slot), net.shape[1]
    pieces = [(0, x + copy, channels) for copy in range(0, steps.filled, channels)]
    pieces.append((0, x + steps.filled, steps.width - steps.filled))
    starts = range(steps.width - steps.filled, net.cells, steps.width)
    pieces += [(start, x + step * slot, steps.width) for step, start in enumerate(starts, 1)]
    unused = (0, slot - steps.width)
    centre, factor = (np.tile(np.pad(row, unused), steps.count) for row in net.scaled(steps.width // channels))
    made.load(pieces, (centre, factor), net.cells)
    return x


def _judge(net: Trained, made: Program, steps: _Steps, places: tuple[int, int, int]) -> None:
    """The error of what was rebuilt, in the cells that are no copies: of (x, y, slot)."""
    x, y, slot = places
    counted = np.zeros((steps.count, slot), np.float32)
    counted[:, : steps.width] = 1
    counted[0, : steps.filled] = 0
    vectors, share = made.vectors(steps.count * slot), made.constant([1 / net.cells])
    made.add(Operation.ERROR, x, y, made.constant(counted), vectors, share)


def _blocks(rows: Float32, hidden: int, lanes: int) -> Float32:
    """Weights (4 hidden, inputs) or biases (4 hidden,) of the gates i f g o, as cells read them.

    (vectors of units, inputs, gates, lanes), with those of i, f and o halved: exact, as halving changes no digit.
    """
    halves = np.array([0.5, 0.5, 1, 0.5], np.float32)[:, None, None]
    gates = rows.reshape(4, hidden, -1) * halves
    padded = np.zeros((4, -(-hidden // lanes) * lanes, gates.shape[2]), np.float32)
    padded[:, :hidden] = gates
    return np.ascontiguousarray(padded.reshape(4, -1, lanes, gates.shape[2]).transpose(1, 3, 0, 2))
