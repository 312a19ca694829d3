"""Counters: rises as computed one by one, the same for any cut of the input, and across saved states."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.pipeline.alignment.counters import Counters
from monitor.records.batches import Float64, Int64, Readings

SECOND = 10**9
NAN, INF = float("nan"), float("inf")
ROW = st.tuples(
    st.integers(0, 2),  # stream
    st.integers(0, 40),  # s
    st.sampled_from([0.0, 0.25, 3.0, 120_000.125, 120_000.5, NAN, INF]),  # the total
    st.sampled_from([1.5, NAN, -2.0]),  # another channel
)


def family(interval: str = "10s", counters: tuple[str, ...] = ("kwh",)) -> Family:
    raw = {"topic": "t", "interval": interval, "recipe": "plain", "window": {"length": 4}, "channels": ["a", "kwh"]}
    return Family.model_validate({**raw, "format": {"counters": list(counters)}})


def readings(rows: list[tuple[int, int, float, float]]) -> Readings:
    stream = np.array([row[0] for row in rows], np.int32)
    time = np.array([row[1] * SECOND for row in rows], np.int64)
    values: Float64 = np.array([(row[3], row[2]) for row in rows], np.float64).reshape(-1, 2)
    return Readings(stream, time, values, stream, np.arange(len(rows), dtype=np.int64))  # type: ignore[arg-type]  # as decoders give them


def one_by_one(rows: list[tuple[int, int, float, float]], interval: float | None) -> list[float]:
    newest: dict[int, tuple[int, float]] = {}
    found = []
    for stream, at, total, _ in rows:
        rise = total
        if np.isfinite(total):
            since, before = newest.get(stream, (at, NAN))
            rise = total - before if at > since and total >= before else NAN
            if interval:
                rise *= interval / max(at - since, 1)
            newest[stream] = (at, total)
        found.append(rise)
    return found


def cut(made: Counters, rows: Readings, edges: list[int]) -> NDArray[np.float32]:
    made.columns.grow(3)
    begins: Int64 = np.unique([0, *[edge for edge in edges if edge <= len(rows)], len(rows)])
    parts = []
    for begin, end in pairwise(begins.tolist()):
        parts.append(made.rises(rows.take(np.arange(begin, end))).values)
        codes = np.arange(3)
        made.columns.load(codes, made.columns.dump(codes))  # saved and resumed in between
    return np.concatenate([np.zeros((0, 2), np.float32), *parts])


@settings(max_examples=200)
@given(rows=st.lists(ROW, max_size=30), edges=st.lists(st.integers(0, 30), max_size=6), gridded=st.booleans())
def test_rises_are_those_of_a_plain_loop_however_the_input_is_cut(
    rows: list[tuple[int, int, float, float]], edges: list[int], gridded: bool
) -> None:
    given_rows = readings(rows)
    made = family("10s" if gridded else "none")
    whole, parts = cut(Counters(made), given_rows, []), cut(Counters(made), given_rows, edges)

    assert whole.dtype == np.float32
    assert whole.tobytes() == parts.tobytes()
    np.testing.assert_allclose(
        whole[:, 1], np.array(one_by_one(rows, 10.0 if gridded else None), np.float32), rtol=1e-6
    )
    assert np.array_equal(whole[:, 0], given_rows.values[:, 0].astype(np.float32), equal_nan=True)


def test_without_counters_readings_pass_as_they_are() -> None:
    rows = readings([(0, 1, 2.0, 3.0)])

    assert Counters(family(counters=())).rises(rows) is rows
