"""However the input is cut, and wherever the worker is restarted: the same health alerts and counters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.alerts.lifecycle import merge_facts
from monitor.config.families import Family
from monitor.pipeline.alignment.channel_joiner import aligner_of
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.records.batches import Readings
from monitor.records.streams import StreamIndex

STREAMS = 3
CODES = np.arange(STREAMS, dtype=np.int32)
S = 10**9


def pipeline() -> Pipeline:
    family = Family.model_validate(
        {
            "topic": "t", "interval": "1s", "recipe": "plain",
            "window": {"length": 4}, "channels": ["a", "b"], "align": {"lateness": 1},
            "valid_range": {"a": [-3.0, 3.0], "b": [float("-inf"), 4.0]}, "health": {"frozen_after": "6s"},
        }
    )  # fmt: skip
    index = StreamIndex()
    index.intern([f"m-{i}" for i in range(STREAMS)])
    return bootstrap.pipeline("f", family, index=index)


def plant(seed: int, n: int = 300) -> Readings:
    """Streams that vary, stand still together or alone, jump out of range, come late, twice, or with holes."""
    rng = np.random.default_rng(seed)
    stream = rng.integers(0, STREAMS, n).astype(np.int32)
    time = np.arange(n) // STREAMS + rng.integers(0, 3, n) + 10 * (rng.random(n) < 0.02)
    values = rng.integers(-2, 6, (n, 2)).astype(np.float32)
    values[rng.random((n, 2)) < 0.02] = np.nan
    for i in range(STREAMS):
        begin, length = rng.integers(0, n), rng.integers(0, n)
        still = (stream == i) & (np.arange(n) >= begin) & (np.arange(n) < begin + length)
        values[still] = 1
    if rng.random() < 0.3:
        values[100:200] = 2
    return Readings(stream, time * S, values, np.zeros(n, np.int32), np.arange(n))


def run(batch: Readings, edges: list[int], *, restart: bool) -> tuple[list[Outcome], Pipeline]:
    made, outcomes = pipeline(), []
    for begin, end in zip([0, *edges], [*edges, len(batch)], strict=True):
        outcomes.append(made.process(batch.take(np.arange(begin, end))))
        if restart:
            states = made.dump(CODES)
            made = pipeline()
            assert made.load(CODES, states) == set()
    return outcomes, made


def facts(outcomes: list[Outcome], made: Pipeline) -> dict[str, object]:
    merged = merge_facts([fact for o in outcomes for fact in o.facts if fact.alert_kind != "anomaly"], {}, {})
    return {
        "alerts": {each.alert.id: each for each in merged},  # with their transitions
        "counters": made.counters(CODES).tolist(),
    }


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 300), max_size=6), restart=st.booleans())
def test_cuts_and_restarts_change_nothing(seed: int, cuts: list[int], restart: bool) -> None:
    batch = plant(seed)
    whole = facts(*run(batch, [], restart=False))
    assert facts(*run(batch, sorted(cuts), restart=restart)) == whole


def reference(batch: Readings, after: int, pause: int) -> list[tuple[int, int, int, str]]:
    """The rule of frozen channels, one value at a time."""
    newest: dict[int, int] = {}
    value: dict[tuple[int, int], float] = {}
    since: dict[tuple[int, int], int] = {}
    seen: dict[tuple[int, int], int] = {}
    opened: dict[tuple[int, int], int] = {}
    moved = moving = None
    found = []
    for code, time, row in zip(batch.stream.tolist(), batch.time.tolist(), batch.values.tolist(), strict=True):
        cells = {(code, channel): each for channel, each in enumerate(row) if not math.isnan(each)}
        if not cells or time <= newest.get(code, -1):
            continue
        newest[code] = time
        changed = {cell for cell, each in cells.items() if cell in value and value[cell] != each}
        if changed:
            if moved is None or moving is None or time - moved > after:
                moving = time
            moved = max(time, moved or 0)
        for cell in sorted(cells):
            if cell in changed and cell in opened:
                found.append((*cell, max(time, opened.pop(cell)), "cleared"))
            same = cell in value and cell not in changed
            if not same or time - seen[cell] > pause:
                since[cell] = time
            seen[cell], value[cell] = time, cells[cell]
            if same and cell not in opened and moved is not None and moving is not None:
                begin = max(moving, since[cell])
                if moved - begin >= after and time - begin >= after:
                    opened[cell] = begin + after
                    found.append((*cell, opened[cell], "opened"))
    return found


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_frozen_streams_are_those_of_the_rule(seed: int) -> None:
    batch = plant(seed)
    screen = aligner_of(pipeline().family)
    screen.grow(STREAMS)
    believed = screen.clocks.believed(batch).readings
    bad = np.stack([np.abs(believed.values[:, 0]) > 3, believed.values[:, 1] > 4], axis=1)
    clean = replace(believed, values=np.where(bad, np.float32(np.nan), believed.values))
    outcomes, made = run(batch, [], restart=False)
    found = [fact for outcome in outcomes for fact in outcome.facts if fact.alert_kind == "frozen"]
    changes = [(fact.stream, fact.channel, fact.at, str(fact.kind)) for fact in found]
    expected = reference(clean, 6 * S, 4 * S)
    assert sorted(changes) == sorted((f"m-{code}", "ab"[channel], at, state) for code, channel, at, state in expected)
    assert made.index.name(0) == "m-0"
