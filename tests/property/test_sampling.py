"""Which readings of a stream with a model are kept to train on again, against a slow reference, and however cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.resolved import Grid
from monitor.pipeline.scoring import sampling as module
from monitor.pipeline.scoring.sampling import Sample, Sampling, sample
from monitor.pipeline.scoring.stream_scaling import Profiles
from monitor.pipeline.state.segments import Gridded
from monitor.records.batches import Float32, Int64

GRID = Grid(10**9)


def profiles(streams: int, modelled: list[int]) -> Profiles:
    made = Profiles(1)
    made.columns.grow(streams)
    made.columns["model"][modelled] = b"12345678"
    return made


def gridded(stream: Int64, slot: Int64) -> Gridded:
    no = np.zeros(len(stream), bool)
    values: Float32 = slot[:, None].astype(np.float32)
    return Gridded(stream.astype(np.int32), slot, values, no, no)


def reference(after: int, most: int, readings: int) -> list[int]:
    """Numbers of the readings that are kept of one stream."""
    kept = []
    for number in range(readings):
        stretch, stride = number // module.STRETCH, 1
        while stretch * module.STRETCH >= 2 * stride * after:
            stride *= 2
        if stretch % min(stride, most) == 0:
            kept.append(number)
    return kept


def run(parts: list[list[int]], sampling: Sampling, known: Profiles) -> dict[int, list[int]]:
    """Kept slots by stream; each part is how many readings each stream brings in a batch."""
    found: dict[int, list[int]] = {}
    slot = [0] * (len(parts[0]) if parts else 0)
    for part in parts:
        stream = np.repeat(np.arange(len(part)), part)
        slots = np.concatenate([np.arange(slot[i], slot[i] + size) for i, size in enumerate(part)])
        slot = [before + size for before, size in zip(slot, part, strict=True)]
        kept = sample(gridded(stream, slots.astype(np.int64)), GRID, known, sampling)
        for code, time in zip([], [], strict=True) if kept is None else zip(kept.stream, kept.time, strict=True):
            found.setdefault(int(code), []).append(int(time) // 10**9)
    return found


@given(
    st.lists(st.lists(st.integers(0, 900), min_size=3, max_size=3), min_size=1, max_size=8),
    st.integers(1, 1500),
    st.integers(1, 5),
)
def test_any_cut_keeps_what_the_reference_keeps(parts: list[list[int]], after: int, most: int) -> None:
    known = profiles(3, [0, 2])

    found = run(parts, Sampling(after, most), known)

    for code in range(3):
        readings = sum(part[code] for part in parts)
        expected = reference(after, most, readings) if code != 1 else []  # no model: `collect` keeps its readings
        assert found.get(code, []) == expected
        assert known.columns["seen"][code] == (readings if code != 1 else 0)


@pytest.mark.parametrize("most", [4, 7])
def test_as_many_are_kept_between_trainings_as_the_first_one_took(most: int) -> None:
    after = 8 * module.STRETCH
    numbers = np.arange(0, 40 * after) // module.STRETCH
    kept = Sampling(after, most).kept(numbers)
    doubled = [int(kept[first * after : 2 * first * after].sum()) for first in (1, 2)]

    assert doubled == [after, after]
    later = kept[8 * after :].reshape(-1, after).sum(axis=1)
    assert later.mean() == pytest.approx(after / most, rel=0.1)


def test_nothing_that_is_kept_is_no_sample() -> None:
    assert sample(gridded(np.zeros(0, np.int64), np.zeros(0, np.int64)), GRID, profiles(1, [0]), Sampling(8, 1)) is None
    known = profiles(1, [0])
    known.columns["seen"][0] = 3 * module.STRETCH
    few = gridded(np.zeros(9, np.int64), np.arange(9))
    assert sample(few, GRID, known, Sampling(1, 2)) is None
    assert isinstance(sample(few, GRID, known, Sampling(1, 1)), Sample)
