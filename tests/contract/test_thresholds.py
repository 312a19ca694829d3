"""Every threshold of the registry keeps the promises of `monitor.pipeline.thresholds.base.Threshold`."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.bootstrap import THRESHOLDS
from monitor.config.families import Threshold as Rule
from monitor.config.references import resolve
from monitor.pipeline.thresholds.base import Threshold
from monitor.records.batches import Float64, Int32, Int64

BOTH = np.array([0, 1], np.int32)
END = np.arange(1, 301) * 10**9


@pytest.fixture(params=THRESHOLDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def make(kind: str) -> Threshold:
    """Two streams; buckets of a few seconds, where the kind has any."""
    made: Threshold = resolve(THRESHOLDS[kind]).of(Rule.model_validate({"kind": kind, "n_std": 3, "history": "1m"}))
    made.columns.grow(2)
    return made


def seed(threshold: Threshold, streams: Int32 = BOTH, least: float = 0.0) -> None:
    ones = np.ones(len(streams))
    threshold.seed(streams, ones, 0.25 * ones, np.full(len(streams), 500), least * ones)


def judge(threshold: Threshold, scores: Float64, end: Int64, step: int) -> list[float]:
    """Limits of the windows of stream 0, judged and then learned from in cuts of `step`, bucket by bucket."""
    one, limits = BOTH[:1], []
    for at in range(0, len(scores), step):
        part = slice(at, at + step)
        bucket = threshold.buckets(np.repeat(one, len(scores[part])), end[part])
        for number in np.unique(bucket):
            rows = bucket == number
            limits += [float(threshold.limits(one, np.array([number]))[0])] * int(rows.sum())
            threshold.learn(np.repeat(one, int(rows.sum())), scores[part][rows])
    return limits


def test_there_is_no_limit_before_training_and_one_above_the_mean_after(kind: str) -> None:
    threshold = make(kind)
    bucket = threshold.buckets(BOTH, END[:2])
    assert np.isnan(threshold.limits(BOTH, bucket)).all()
    seed(threshold)
    assert (threshold.limits(BOTH, bucket + 1) > 1).all()


def test_buckets_never_go_back(kind: str) -> None:
    threshold = make(kind)
    assert (np.diff(threshold.buckets(np.zeros(300, np.int32), END)) >= 0).all()


def test_any_cut_gives_the_same_limits_to_the_bit(kind: str) -> None:
    scores = np.random.default_rng(0).lognormal(0, 0.25, 300)
    found = []
    for step in (1, 7, 300):
        threshold = make(kind)
        seed(threshold)
        found.append(judge(threshold, scores, END, step))
    assert found[0] == found[1] == found[2]
    assert np.isfinite(found[0]).all()


def test_a_saved_stream_goes_on_where_it_was(kind: str) -> None:
    scores = np.random.default_rng(1).lognormal(0, 0.25, 300)
    whole, first, second = make(kind), make(kind), make(kind)
    for threshold in (whole, first):
        seed(threshold)
    expected = judge(whole, scores, END, 300)
    judge(first, scores[:100], END[:100], 100)
    second.columns.load(BOTH[:1], first.columns.dump(BOTH[:1]))
    assert judge(second, scores[100:], END[100:], 200) == expected[100:]


def test_streams_do_not_know_of_each_other(kind: str) -> None:
    alone, beside = make(kind), make(kind)
    seed(alone, BOTH[:1])
    seed(beside)
    judge(beside, np.full(100, 50.0), END[:100], 100)
    other = BOTH[1:]
    limits = [
        float(threshold.limits(stream, threshold.buckets(stream, END[-1:]))[0])
        for threshold, stream in ((alone, BOTH[:1]), (beside, other))
    ]
    assert limits[0] == limits[1]
