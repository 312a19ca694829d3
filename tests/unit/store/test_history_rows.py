"""How blocks of readings become rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from monitor.ports.store import HistoryBlock
from monitor.store.history_rows import HISTORY, block_of, stored


def blocks(seed: int) -> list[HistoryBlock]:
    """Of one, two and more readings, on a grid, with a gap, or with a step back; some end a step before the next."""
    rng = np.random.default_rng(seed)
    made, at = [], 0
    for id_ in range(200):
        size, step = int(rng.integers(1, 6)), int(rng.integers(1, 3))
        steps = np.full(size, step)
        if rng.random() < 0.4:
            steps[rng.integers(0, size)] += int(rng.integers(-2, 3))
        time = at + np.cumsum(steps)
        at = int(time[-1])
        made.append(HistoryBlock(id_, time, rng.normal(size=(size, 1 + id_ % 3)).astype(np.float32)))
    return made


@pytest.mark.parametrize("seed", range(5))
def test_blocks_come_back_to_the_bit_whatever_is_beside_them(seed: int) -> None:
    given = blocks(seed)
    together = list(zip(*stored(given), strict=True))
    assert together == [tuple(cell for (cell,) in stored([block])) for block in given]
    for block, row in zip(given, together, strict=True):
        back = block_of(SimpleNamespace(**dict(zip(HISTORY, row, strict=True))))
        assert (back.id, back.time.tolist()) == (block.id, block.time.tolist())
        assert (back.values.shape, back.values.tobytes()) == (block.values.shape, block.values.tobytes())


def test_times_on_a_grid_are_the_first_one_and_the_step() -> None:
    sizes = {}
    for name, time in {"even": [1, 3, 5, 7, 9], "gap": [1, 3, 5, 9], "two": [1, 3], "one": [1]}.items():
        block = HistoryBlock(1, np.array(time), np.zeros((len(time), 1), np.float32))
        sizes[name] = len(stored([block])[HISTORY.index("times")][0])
    assert sizes == {"even": 16, "gap": 32, "two": 16, "one": 8}
