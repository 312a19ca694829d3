"""What programs are written in, and how the code that works them off is cut; without llvmlite, which makes the code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

INSTRUCTION = 16  # int64 of one: which operation, and its arguments, which are places and sizes, in float32
PIECE = 3  # int64: from where in a window, to where in its row, how many
BLOCK = 48  # windows that go through a program together: what they need stays in the cache next to the core


class Operation(IntEnum):
    """What an instruction does to every row of a block."""

    LOAD = 0
    LAYER = 1
    CELL = 2
    ERROR = 3


@dataclass(frozen=True)
class Cut:
    """How matrix products are cut for registers.

    `lanes` float32 are a vector; a layer sums up two vectors for each of `layer_rows`, a cell four for each of
    `cell_rows`. Rows that are left over come one by one.
    """

    lanes: int
    layer_rows: int
    cell_rows: int
