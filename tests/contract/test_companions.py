"""What every companion promises: scores of the past alone, whatever the cut, and a state that is saved to the bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.pipeline.scoring.companions.base import Companion
from monitor.pipeline.scoring.companions.gaussian_scorer import GaussianScorer
from monitor.pipeline.scoring.companions.half_space_trees import HalfSpaceTrees
from monitor.pipeline.scoring.companions.isolated import Isolated
from monitor.pipeline.scoring.companions.record import Record
from monitor.records.batches import Float32, Windows

STREAMS, LENGTH, ROWS = 3, 4, 1500
COMPANIONS: dict[str, Callable[[int], Companion]] = {
    "record": Record,
    "isolated": Isolated,
    "gaussian_scorer": lambda channels: GaussianScorer(LENGTH, channels),
    "half_space_trees": lambda channels: HalfSpaceTrees(LENGTH, channels),
}
STATE = {"record": 24, "isolated": 300, "gaussian_scorer": 24, "half_space_trees": 2600}  # bytes, of one channel

every = pytest.mark.parametrize("name", COMPANIONS)


def made(name: str, channels: int = 1) -> Companion:
    companion = COMPANIONS[name](channels)
    companion.grow(STREAMS)
    return companion


def windows(values: Float32) -> Windows:
    """Of readings (n, channels), (STREAMS * n, LENGTH, channels): each stream begins one later, with NaN before."""
    count, channels = values.shape
    stream, time = np.repeat(np.arange(STREAMS, dtype=np.int32), count), np.tile(np.arange(count), STREAMS)
    of_each = []
    for code in range(STREAMS):
        padded = np.concatenate([np.full((LENGTH - 1, channels), np.nan, np.float32), np.roll(values, code, axis=0)])
        of_each.append(np.lib.stride_tricks.sliding_window_view(padded, LENGTH, axis=0).transpose(0, 2, 1))
    return Windows(stream, time, time, np.concatenate(of_each), np.zeros(len(stream), np.float32))


def readings(seed: int, channels: int = 1, count: int = ROWS // STREAMS) -> Float32:
    """Noise around a level, with missing, infinite and absurd ones."""
    rng = np.random.default_rng(seed)
    values = rng.normal(20, 2, (count, channels)).astype(np.float32)
    for odd in (np.nan, np.inf, -np.inf, 1e38, -3e38, 1e-38):
        values[rng.integers(0, count, 4), rng.integers(0, channels, 4)] = odd
    return values


def scores(companion: Companion, seen: Windows, edges: list[int], restart: Callable[[], Companion] | None) -> Float32:
    """Of windows in the order of time, cut there; a new companion takes over the saved state at each cut."""
    found = np.full(len(seen), np.nan, np.float32)
    codes = np.arange(STREAMS)
    for begin, end in zip([0, *edges], [*edges, ROWS // STREAMS], strict=True):
        rows = np.flatnonzero((seen.end >= begin) & (seen.end < end))
        found[rows] = companion.score(seen.take(rows))
        if restart is not None:
            saved, companion = companion.dump(codes), restart()
            companion.load(codes, np.frombuffer(saved.tobytes(), companion.dtype))
    return found


@every
@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, ROWS // STREAMS), max_size=5),
    restart=st.booleans(),
    channels=st.integers(1, 3),
)
def test_no_cut_and_no_restart_changes_a_bit(
    name: str, seed: int, cuts: list[int], restart: bool, channels: int
) -> None:
    seen = windows(readings(seed, channels))

    whole = scores(made(name, channels), seen, [], None)
    cut = scores(made(name, channels), seen, sorted(cuts), (lambda: made(name, channels)) if restart else None)

    assert whole.tobytes() == cut.tobytes()


@every
def test_streams_know_nothing_of_each_other(name: str) -> None:
    seen = windows(readings(1, 2))
    together = made(name, 2).score(seen)

    for code in range(STREAMS):
        rows = np.flatnonzero(seen.stream == code)
        assert made(name, 2).score(seen.take(rows)).tobytes() == together[rows].tobytes()


@every
def test_no_number_of_a_sensor_makes_a_score_that_is_none(name: str) -> None:
    """NaN while too little is known, and for a reading that is missing; else finite and 0 or more."""
    seen = windows(readings(2))
    found = made(name).score(seen)

    known = ~np.isnan(found)
    assert known.sum() > 300
    assert (found[known] >= 0).all()
    assert np.isfinite(found[known]).all()
    assert np.isnan(found[np.isnan(seen.values[:, -1, 0])]).all()


@every
@pytest.mark.parametrize("level", [0.0, 20.0, -1e30])
def test_a_channel_at_rest_is_usual_and_its_first_move_is_not(name: str, level: float) -> None:
    values = np.full((600, 1), level, np.float32)
    values[-1] = level + max(abs(level), 1)

    found = made(name).score(windows(values))[:600]

    assert np.nanmax(found[:-1]) <= 0.5
    assert found[-1] > np.nanmax(found[:-1]) + 1


@pytest.mark.parametrize("name", [name for name in COMPANIONS if name != "record"])  # to which 1e30 is one for ever
def test_garbage_among_the_first_readings_is_forgiven(name: str) -> None:
    """One absurd number: the faults that follow stand out all the same."""
    rng = np.random.default_rng(3)
    values = rng.normal(20, 1, (2000, 1)).astype(np.float32)
    values[50], values[1500::100] = 1e30, 60

    found = made(name).score(windows(values))[:2000]

    usual = np.delete(found[1000:], np.concatenate([np.arange(500 + i, 1000, 100) for i in range(LENGTH)]))
    assert found[1500::100].min() > usual.max()


@every
def test_a_stream_that_is_cleared_is_new(name: str) -> None:
    codes, companion = np.arange(STREAMS), made(name)
    new = companion.dump(codes).tobytes()
    companion.score(windows(readings(4)))
    assert companion.dump(codes).tobytes() != new

    companion.clear(codes)

    assert companion.dump(codes).tobytes() == new


@every
def test_a_streams_state_is_small(name: str) -> None:
    assert made(name).dtype.itemsize <= STATE[name]
