"""Every threshold of the registry keeps the promises of `monitor.pipeline.thresholds.base.Threshold`."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.bootstrap import THRESHOLDS
from monitor.config.families import Threshold as Rule
from monitor.config.references import resolve
from monitor.pipeline.thresholds.base import Threshold
from monitor.records.batches import Bool, Float64, Int32, Int64

BOTH = np.array([0, 1], np.int32)
END = np.arange(1, 301) * 10**9
RULE = {"n_std": 3, "history": "1m", "rate": 0.005}


@pytest.fixture(params=THRESHOLDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def make(kind: str) -> Threshold:
    """Two streams; buckets of a few seconds, where the kind has any."""
    made: Threshold = resolve(THRESHOLDS[kind]).of(Rule.model_validate(RULE | {"kind": kind}))
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


def watch(threshold: Threshold, scores: Float64, end: Int64, learns: Bool | None = None) -> Float64:
    """Ratios of the windows of stream 0, one by one; those up to the limit are learned, or those that `learns` says."""
    one, ratios = BOTH[:1], np.zeros(len(scores))
    for row in range(len(scores)):
        limit = threshold.limits(one, threshold.buckets(one, end[row : row + 1]))
        ratios[row] = scores[row] / limit[0]
        if ratios[row] <= 1 if learns is None else learns[row]:
            threshold.learn(one, scores[row : row + 1])
    return ratios


def noise(number: int = 0, windows: int = 300) -> Float64:
    return np.random.default_rng(number).lognormal(0, 0.25, windows)


def test_a_surge_after_bursts_is_still_an_anomaly(kind: str) -> None:
    threshold, scores = make(kind), noise(2, 1500)
    seed(threshold)
    for at, height in zip(range(50, 1350, 100), np.geomspace(1.5, 26, 13), strict=True):
        scores[at : at + 4] *= np.array([0.5, 1, 1, 0.5]) * (height - 1) + 1  # windows slide over a burst
    scores[1400] = 26

    ratios = watch(threshold, scores, np.arange(1, 1501) * 10**9 // 5)  # 300 windows a history

    assert ratios[1400] > 2


@pytest.mark.parametrize("height", [1e9, 3e38])
def test_a_gigantic_score_moves_no_limit(kind: str, height: float) -> None:
    with_spike, without = make(kind), make(kind)
    scores = noise(3)
    spiked = scores.copy()
    spiked[100] = height
    for threshold in (with_spike, without):
        seed(threshold)

    ratios, expected = watch(with_spike, spiked, END), watch(without, scores, END)

    assert ratios[100] > 1e8
    np.testing.assert_allclose(ratios[101:], expected[101:], rtol=0.05)


def test_a_gigantic_score_that_was_taken_for_normal_is_forgotten(kind: str) -> None:
    threshold, scores = make(kind), noise(4)
    seed(threshold)
    scores[100] = 1e9

    watch(threshold, scores, END, learns=np.ones(300, np.bool_))

    limit = threshold.limits(BOTH[:1], threshold.buckets(BOTH[:1], END[-1:]))[0]
    assert 1 < limit < 6


def test_no_limit_falls_below_the_least_one(kind: str) -> None:
    threshold = make(kind)
    seed(threshold, least=40.0)

    ratios = watch(threshold, noise(5), END)

    assert (ratios < 0.1).all()


def test_a_limit_stays_useful_where_only_windows_below_it_are_learned(kind: str) -> None:
    threshold, scores = make(kind), noise(6, 6000)
    seed(threshold)

    ratios = watch(threshold, scores, np.arange(1, 6001) * 10**8)

    assert (ratios[3000:] > 1).mean() < 0.05


def test_training_scores_that_are_all_equal_or_zero_give_a_limit(kind: str) -> None:
    threshold = make(kind)
    threshold.seed(BOTH, np.array([0.0, 2.0]), np.zeros(2), np.full(2, 40), np.zeros(2))

    limits = threshold.limits(BOTH, threshold.buckets(BOTH, END[:2]))

    assert np.isfinite(limits).all()
    assert limits[1] > 2
