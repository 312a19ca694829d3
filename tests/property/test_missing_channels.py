"""Channels that die and come back: any cut gives the same bits, and the others are judged whenever that was."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models import create
from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.ports.scorer import Scorer
from monitor.records.batches import Float32, Readings, State
from monitor.records.streams import StreamIndex
from tests.property.test_pipeline import facts

STREAMS, CHANNELS, ROWS = 2, 3, 300
S = 10**9


def scorer() -> Scorer:
    """Trained on channels that follow one another."""
    rng = np.random.default_rng(0)
    common = rng.normal(0, 1, (300, 6, 1))
    windows = (common + 0.3 * rng.normal(0, 1, (300, 6, CHANNELS))).astype(np.float32)
    return create("mahalanobis", length=6, channels=CHANNELS, scale=False).fit(windows)


SCORER = scorer()


def pipeline() -> Pipeline:
    family = Family.model_validate(
        {
            "topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 6}, "channels": ["a", "b", "c"],
            "threshold": {"kind": "static"},
        }
    )  # fmt: skip
    index = StreamIndex()
    index.intern([f"m-{i}" for i in range(STREAMS)])
    made = bootstrap.pipeline("f", family, index=index)
    one = np.ones(CHANNELS, np.float32)
    made.adopt("0123456789abcdef", SCORER, {"m-0": Profile(0 * one, one, 1.0, 0.2, 50, rest=np.full(CHANNELS, S))})
    return made  # m-1 is covered by cold start


def plant(rng: np.random.Generator) -> Float32:
    """Values of each stream, (streams, rows, channels), with a fault now and then."""
    common = rng.normal(0, 1, (STREAMS, ROWS, 1))
    values = common + 0.3 * rng.normal(0, 1, (STREAMS, ROWS, CHANNELS))
    values[rng.random((STREAMS, ROWS)) < 0.01] += 8
    return values.astype(np.float32)


def readings(values: Float32, rng: np.random.Generator | None = None) -> Readings:
    """Of all streams in turn, with gaps and late ones where `rng` is given."""
    stream, time = np.tile(np.arange(STREAMS), ROWS), np.repeat(np.arange(ROWS), STREAMS)
    flat = values.transpose(1, 0, 2).reshape(-1, CHANNELS)
    if rng is not None:
        there = np.flatnonzero(rng.random(len(stream)) > 0.05)
        stream, time, flat = stream[there], time[there] + rng.integers(0, 2, len(there)), flat[there]
    none = np.zeros(len(stream), np.int32)
    return Readings(stream.astype(np.int32), time.astype(np.int64) * S, flat, none, np.arange(len(stream)))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 600), max_size=6), restart=st.booleans())
def test_cuts_and_restarts_change_no_bit(seed: int, cuts: list[int], restart: bool) -> None:
    rng = np.random.default_rng(seed)
    values = plant(rng)
    for _ in range(6):
        stream, channel, begin = rng.integers(0, [STREAMS, CHANNELS, ROWS])
        values[stream, begin : begin + rng.integers(1, 120), channel] = np.nan
    batch = readings(values, rng)

    def run(edges: list[int]) -> dict[str, object]:
        made, outcomes = pipeline(), []
        for begin, end in zip([0, *edges], [*edges, len(batch)], strict=True):
            outcomes.append(made.process(batch.take(np.arange(begin, max(begin, end)))))
            if restart and edges:
                codes = np.arange(STREAMS, dtype=np.int32)
                states, made = made.dump(codes), pipeline()
                assert made.load(codes, states) == set()
        return facts(outcomes)

    assert run(sorted(min(cut, len(batch)) for cut in cuts)) == run([])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), deaths=st.lists(st.integers(0, 150), min_size=2, max_size=2))
def test_the_living_channels_are_judged_whenever_another_one_died(seed: int, deaths: list[int]) -> None:
    values = plant(np.random.default_rng(seed))
    found = []
    for death in deaths:
        dead = values.copy()
        dead[:, death:, 1] = np.nan
        scores = pipeline().process(readings(dead)).scores
        later = scores.take(np.flatnonzero(scores.start >= (max(deaths) + 6) * S))
        assert not np.isin(later.state, [State.INSUFFICIENT]).any() or (later.stream == 1).any()
        found.append([column.tobytes() for column in (later.stream, later.end, later.score, later.ratio, later.state)])
    assert found[0] == found[1]
