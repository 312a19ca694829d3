"""Programs under construction: instructions, the constants that they read, and places in the row of a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.compiled.instructions import INSTRUCTION, Operation

Float32 = NDArray[np.float32]

UNIT = 16  # float32 of a line of the cache, at which places begin


@dataclass(frozen=True)
class Layer:
    """Where the constants of a layer are, and how many vectors its outputs are: in pairs, and after them."""

    inputs: int
    outputs: int
    weights: int
    bias: int
    pairs: int
    single: int


class Program:
    """What one net does to a window. `lanes` is how many float32 a vector has."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self._instructions: list[list[int]] = []
        self._pieces: list[int] = []
        self._constants: list[Float32] = []
        self._size = self._used = 0

    @property
    def operations(self) -> frozenset[Operation]:
        """Those that occur."""
        return frozenset(Operation(first) for first, *_ in self._instructions)

    @property
    def instructions(self) -> int:
        """How many there are."""
        return len(self._instructions)

    @property
    def width(self) -> int:
        """Float32 of a row: an odd number of lines, so that rows do not compete for the same lines of a cache."""
        return -(-self._used // (2 * UNIT)) * 2 * UNIT + UNIT

    def vectors(self, numbers: int) -> int:
        """How many vectors hold so many numbers."""
        return -(-numbers // self.lanes)

    def constant(self, values: ArrayLike) -> int:
        """Where these numbers are from now on. Zeros follow them, up to a line or more."""
        flat = np.ravel(np.asarray(values, np.float32))
        padded = np.zeros((len(flat) // UNIT + 2) * UNIT, np.float32)
        padded[: len(flat)] = flat
        self._constants.append(padded)
        self._size += len(padded)
        return self._size - len(padded)

    def place(self, count: int) -> int:
        """Room for so many numbers in the row of each window, up to a line."""
        self._used += -(-count // UNIT) * UNIT
        return self._used - -(-count // UNIT) * UNIT

    def add(self, operation: Operation, *arguments: int) -> None:
        """One more instruction."""
        self._instructions.append([operation, *arguments, *[0] * (INSTRUCTION - 1 - len(arguments))])

    def load(self, pieces: list[tuple[int, int, int]], scale: tuple[Float32, Float32], cells: int) -> None:
        """Read windows of so many cells, the first instruction: pieces of (from, to, how many) of a window, scaled.

        `scale` is the centre and the factor of each place that is written to, which begin with the row.
        """
        self._pieces = [number for piece in pieces for number in piece]
        self.add(Operation.LOAD, -1, len(pieces), *map(self.constant, scale), cells)

    def layer(self, weight: Float32, bias: Float32) -> Layer:
        """The constants of a layer of weights (outputs, inputs)."""
        outputs, inputs = weight.shape
        vectors = self.vectors(outputs)
        columns = np.zeros((inputs, vectors * self.lanes), np.float32)
        columns[:, :outputs] = weight.T
        pairs, single = divmod(vectors, 2)
        parts = np.split(columns, range(2 * self.lanes, vectors * self.lanes, 2 * self.lanes), axis=1)
        at = self.constant(np.concatenate([part.ravel() for part in parts]))
        return Layer(inputs, vectors * self.lanes, at, self.constant(bias), pairs, single)

    def apply(self, layer: Layer, x: int, y: int, *, bent: bool = False) -> None:
        """Write a layer's outputs to `y`, of inputs at `x`; `bent` is with tanh."""
        self.add(Operation.LAYER, x, y, layer.inputs, layer.weights, layer.bias, layer.pairs, layer.single, bent)

    def table(self) -> NDArray[np.int64]:
        """Instructions, and the pieces behind them."""
        table = np.array(self._instructions, np.int64)
        table[0, 1] = table.size
        return np.concatenate([table.ravel(), np.array(self._pieces, np.int64)])

    def constants(self) -> Float32:
        """All of them, one after the other."""
        return np.concatenate(self._constants)
