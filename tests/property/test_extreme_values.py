"""Numbers at the edge of float32 run through every stage without a warning of numpy: here, each would fail a test."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import models
from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile, robust_scale
from monitor.ports.scorer import Scorer
from monitor.records.batches import Readings
from monitor.records.streams import StreamIndex

S = 10**9
LARGEST = float(np.finfo(np.float32).max)
EXTREMES = (LARGEST, -LARGEST, 1e20, -1e30, 1e-45, -1e-38, 0.0, 2**31 - 1, 65535.0, float("nan"), 1.0, 1.5, -2.0)
numbers = st.sampled_from(EXTREMES) | st.floats(width=32, allow_infinity=False)
FAMILIES: dict[str, dict[str, object]] = {
    "sliding": {},
    "default": {"recipe": "default"},
    "multivariate": {"recipe": "multivariate", "channels": ["a", "b"]},
    "vectors": {"recipe": "vectors", "window": {"kind": "message", "length": 8}},
    "tumbling": {"recipe": "plain", "window": {"kind": "tumbling", "length": 8}},
    "message": {"window": {"kind": "message", "length": 8}},
    "unscaled": {"scale": "none"},
    "static": {"threshold": {"kind": "static", "n_std": 6}},
    "two channels": {"channels": ["a", "b"]},
    "counter": {"format": {"counters": ["value"]}},
    "ranges": {"valid_range": {"value": [-1e30, 1e30]}, "health": {"frozen_after": "20s"}},
}


@cache
def scorer(channels: int) -> Scorer:
    windows = np.random.default_rng(0).normal(0, 1, (200, 8, channels)).astype(np.float32)
    return models.create("mahalanobis", length=8, channels=channels, scale=False).fit(windows)


def pipeline(how: str, center: float, scale: float, *, model: bool) -> Pipeline:
    index = StreamIndex()
    index.intern(["m"])
    table = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 8}, **FAMILIES[how]}
    made = bootstrap.pipeline("f", Family.model_validate(table), index=index)
    channels = len(made.family.channels)
    one = np.ones(channels, np.float32)
    if model:
        made.adopt("0123456789", scorer(channels), {"m": Profile(center * one, scale * one, 1.0, 0.2, 50)})
    return made


@pytest.mark.parametrize("model", [True, False])
@pytest.mark.parametrize("how", FAMILIES)
@example(values=[LARGEST, -LARGEST] * 30, center=-LARGEST, scale=1e-6)
@example(values=[LARGEST] * 22 + [-LARGEST] + [LARGEST] * 10 + [math.nan, LARGEST, math.nan], center=0.0, scale=1.0)
@example(values=[LARGEST] * 8 + [-LARGEST] * 5 + [LARGEST] * 2 + [-LARGEST] + [LARGEST] * 4, center=0.0, scale=1e-30)
@example(values=[1.0] * 20 + [LARGEST] * 20 + [-LARGEST] * 20, center=1e-45, scale=1e-30)
@example(values=[LARGEST] * 2 + [1e-45] * 5 + [LARGEST] * 13, center=0.0, scale=1.0)
@given(
    values=st.lists(numbers, min_size=20, max_size=80),
    center=st.sampled_from([0.0, 1.0, LARGEST, -LARGEST, 1e-38]),
    scale=st.sampled_from([1e-30, 1e-6, 1.0, 1e30, LARGEST]),
)
def test_no_value_makes_numpy_warn(how: str, values: list[float], center: float, scale: float, *, model: bool) -> None:
    made = pipeline(how, center, scale, model=model)
    width = made.family.shape.width
    rows = np.array(values, np.float32)[: len(values) // width * width].reshape(-1, width)
    none = np.zeros(len(rows), np.int32)
    outcome = made.process(Readings(none, np.arange(len(rows)) * S, rows, none, none.astype(np.int64)))
    assert not np.isinf(outcome.scores.score).any()
    assert not np.isinf(outcome.scores.ratio).any()
    for evidence in outcome.evidence:
        assert np.isfinite(evidence.contribution).all()
        assert all(map(math.isfinite, [*evidence.components.values(), *evidence.facts.values()]))


@example([LARGEST, -LARGEST])
@example([LARGEST, -LARGEST] * 20)
@given(st.lists(numbers, min_size=1, max_size=50))
def test_every_scale_is_a_number_that_can_be_divided_by(values: list[float]) -> None:
    found = robust_scale(np.array(values, np.float32)[:, None])
    known = ~np.isnan(np.array(values, np.float32)).all()
    assert not known or np.isfinite(found.center).all()
    assert not known or (np.isfinite(found.scale) & (found.scale > 0)).all()
