"""An engine in front of another one: it gives the scores by machine code, and leaves everything else to the other."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from models.compiled.instructions import BLOCK
from models.compiled.program import UNIT, Float32, Program
from models.compiled.programs import KINDS, Trained, program
from models.contract import SCORE, Engine


class CompiledEngine:
    """Scores by a program, an `Engine`. Any number of threads may use it at once."""

    def __init__(self, other: Engine, made: Program, run: Callable[..., None], shape: tuple[int, int]) -> None:
        self._other, self._shape, self._width = other, shape, made.width
        self._table, self._instructions = made.table(), made.instructions
        constants = made.constants()
        self._constants = _aligned(len(constants))
        self._constants[:] = constants
        self._run = run

    def fits(self, shape: tuple[int, int], outputs: Collection[str]) -> bool:
        """See `Engine.fits`."""
        return shape == self._shape and self._other.fits(shape, outputs)

    def run(self, output: str, windows: Float32) -> Float32:
        """See `Engine.run`."""
        if output != SCORE:
            return self._other.run(output, windows)
        given = np.ascontiguousarray(windows, np.float32).reshape(len(windows), *self._shape)
        scratch = _aligned(min(BLOCK, len(given)) * self._width)
        scores = np.empty(len(given), np.float32)
        self._run(
            self._table.ctypes.data, self._instructions, scratch.ctypes.data, self._constants.ctypes.data,
            given.ctypes.data, given[:1].size, len(given), scores.ctypes.data,
        )  # fmt: skip
        return scores


def quickened(engine: Engine, net: Trained) -> Engine:
    """An engine that scores the net as `engine` does, faster where that is possible: see `programs.program`.

    Its scores differ from those of `engine` by rounding only.
    """
    if net.kind not in KINDS:
        return engine
    from models.compiled import machine  # llvmlite, for those who use it

    cut = machine.cut()
    made = None if cut is None else program(net, cut.lanes)
    if cut is None or made is None:
        return engine
    return CompiledEngine(engine, made, machine.compiled(cut, made.width, made.operations), net.shape)


def _aligned(count: int) -> Float32:
    """So many zeros that begin with a line of the cache."""
    room = np.zeros(count + UNIT, np.float32)
    start = -(room.ctypes.data // room.itemsize) % UNIT
    return room[start : start + count]
