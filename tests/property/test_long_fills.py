"""Restarts behind long runs of missing values: those of a plain loop, for any cut of the slots."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.families import Family
from monitor.pipeline.alignment.long_fills import LongFills
from monitor.pipeline.state.segments import Gridded

MAX_GAP = 2


def family(channels: int, recipe: str = "plain") -> Family:
    names = [f"c{i}" for i in range(channels)]
    raw = {
        "topic": "t",
        "interval": "10s",
        "recipe": recipe,
        "window": {"length": 4},
        "channels": names,
        "align": {"max_gap": MAX_GAP},
    }
    return Family.model_validate(raw)


def expected(imputed: list[bool]) -> list[bool]:
    found, run = [], 0
    for filled in imputed:
        found.append(not filled and run > MAX_GAP)
        run = run + 1 if filled else 0
    return found


def slots(streams: list[list[bool]], channels: int = 1) -> Gridded:
    stream = np.repeat(np.arange(len(streams), dtype=np.int32), [len(rows) for rows in streams])
    imputed = np.array([filled for rows in streams for filled in rows], dtype=np.bool_)
    none = np.zeros(len(stream), np.bool_)
    return Gridded(stream, np.arange(len(stream)), np.zeros((len(stream), channels), np.float32), imputed, none)


STREAMS = st.lists(st.lists(st.booleans(), max_size=20), min_size=2, max_size=3)


def unknown(imputed: list[bool]) -> list[bool]:
    found, run = [], 0
    for filled in imputed:
        run = run + 1 if filled else 0
        found.append(run > MAX_GAP)
    return found


@given(streams=STREAMS, edges=st.lists(st.integers(0, 20), max_size=4))
def test_restarts_and_what_is_not_known_are_those_of_a_plain_loop(streams: list[list[bool]], edges: list[int]) -> None:
    for recipe in ("plain", "default"):
        fills = LongFills(family(1, recipe))
        fills.columns.grow(3)
        found: list[list[bool]] = [[] for _ in streams]
        blank: list[list[bool]] = [[] for _ in streams]
        for begin, end in pairwise(sorted({0, *edges, 20})):
            cut = fills.cut(slots([rows[begin:end] for rows in streams]))
            for code in range(len(streams)):
                found[code] += cut.restart[cut.stream == code].tolist()
                blank[code] += np.isnan(cut.values[cut.stream == code, 0]).tolist()

        assert found == [expected(rows) for rows in streams]
        assert blank == [unknown(rows) if recipe == "default" else [False] * len(rows) for rows in streams]


def test_streams_of_several_channels_are_left_alone() -> None:
    rows = slots([[False, True, True, True, False]], channels=2)

    assert LongFills(family(2)).cut(rows) is rows
