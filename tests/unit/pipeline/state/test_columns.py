"""State of streams as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.state.columns import Columns


@pytest.mark.parametrize("codes", [[], [3], [2, 3, 4], [4, 3, 2], [0, 2, 3], [5, 5]])
def test_rows_are_those_asked_for_and_copies(codes: list[int]) -> None:
    columns = Columns({"number": (np.int64, (), 0), "pair": (np.float32, (2,), 0.0)})
    columns.grow(8)
    columns["number"][:8], columns["pair"][:8] = np.arange(8), np.arange(16).reshape(8, 2)
    rows = columns.dump(np.array(codes, np.int32))
    columns["number"][:] = -1
    assert rows["number"].tolist() == codes
    assert rows["pair"].tolist() == [[2.0 * code, 2.0 * code + 1] for code in codes]
