"""Rolling limits against a slow, obvious reference; judged in rounds, learned in any cut."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.pipeline.thresholds.base import FLOOR
from monitor.pipeline.thresholds.rolling import BUCKETS, FEWEST, RollingThreshold

HISTORY = 240  # so that a bucket is 10 long
N_STD = 3.0


@dataclass
class Reference:
    """One stream: keeps every normal score and recomputes everything."""

    seed_mean: float = 0.0
    seed_std: float = 0.0
    seed_count: int = 0
    learned: list[tuple[int, float]] = field(default_factory=list)  # bucket, score
    bucket: int | None = None
    limit: float = float("nan")

    def enter(self, bucket: int) -> float:
        if self.bucket is None or bucket > self.bucket:
            self.bucket = bucket
            last = sorted({b for b, _ in self.learned})[-BUCKETS:]
            kept = [score for b, score in self.learned if b in last]
            weight = max(self.seed_count - len(kept), 0)
            if len(kept) + weight >= FEWEST:
                sample = np.concatenate([kept, np.repeat(self.seed_mean, weight)])
                mean = float(sample.mean())
                within = weight * self.seed_std**2
                std = np.sqrt((((sample - mean) ** 2).sum() + within) / len(sample))
                self.limit = mean + N_STD * max(std, FLOOR * abs(mean))
        return self.limit

    def learn(self, score: float) -> None:
        assert self.bucket is not None
        self.learned.append((self.bucket, score))


scores = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 45), st.floats(0, 1e6, width=32)), min_size=1, max_size=120
)


@settings(max_examples=150, deadline=None)
@given(steps=scores, seeds=st.lists(st.booleans(), min_size=2, max_size=2), repeat=st.integers(1, 12))
def test_limit_equals_recomputing_everything(
    steps: list[tuple[int, int, float]], seeds: list[bool], repeat: int
) -> None:
    threshold = RollingThreshold(N_STD, HISTORY)
    threshold.columns.grow(2)
    references = [Reference(), Reference()]
    for stream, seeded in enumerate(seeds):
        if seeded:
            one = np.array([stream], np.int32)
            threshold.seed(one, np.array([5.0]), np.array([2.0]), np.array([40]), np.zeros(1))
            references[stream] = Reference(5.0, 2.0, 40)
    time = [0, 0]
    for stream, later, score in steps:
        time[stream] += later
        one = np.array([stream], np.int32)
        bucket = threshold.buckets(one, np.array([time[stream]], np.int64))

        limit = threshold.limits(one, bucket)[0]

        expected = references[stream].enter(time[stream] // 10)
        np.testing.assert_allclose(limit, expected, rtol=1e-9, atol=1e-6)
        for _ in range(repeat):
            threshold.learn(one, np.array([float(score)]))
            references[stream].learn(float(score))


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.floats(0, 1e3, width=32), min_size=2, max_size=60), cut=st.integers(0, 60))
def test_learning_in_any_cut_gives_the_same_bits(values: list[float], cut: int) -> None:
    def limit(parts: list[list[float]]) -> np.ndarray:
        threshold = RollingThreshold(N_STD, HISTORY)
        threshold.columns.grow(1)
        stream = np.zeros(1, np.int32)
        threshold.seed(stream, np.array([1.0]), np.array([1.0]), np.array([50]), np.zeros(1))
        threshold.limits(stream, np.array([0]))
        for part in parts:
            threshold.learn(np.zeros(len(part), np.int32), np.array(part, np.float64))
        return threshold.limits(stream, np.array([1]))

    cut %= len(values)

    assert limit([values]).tobytes() == limit([values[:cut], values[cut:]]).tobytes()


def test_a_spike_that_leaves_the_history_leaves_no_trace() -> None:
    threshold = RollingThreshold(N_STD, HISTORY)
    threshold.columns.grow(1)
    stream = np.zeros(1, np.int32)
    rng = np.random.default_rng(0)
    with_spike = rng.normal(10, 1, (60, 10))
    with_spike[5, 5] = 1e9
    limits = []
    for bucket, part in enumerate(with_spike):
        limits.append(threshold.limits(stream, np.array([bucket]))[0])
        threshold.learn(np.zeros(10, np.int32), part)

    assert limits[7] > 1e6
    assert abs(limits[-1] - (10 + 3)) < 1


def test_windows_are_counted_where_history_is_a_number() -> None:
    threshold = RollingThreshold(N_STD, 24, by_time=False)
    threshold.columns.grow(2)
    stream = np.array([0, 0, 1, 1, 1], np.int32)

    first = threshold.buckets(stream, np.zeros(5, np.int64))
    second = threshold.buckets(stream, np.zeros(5, np.int64))

    assert first.tolist() == [0, 1, 0, 1, 2]
    assert second.tolist() == [2, 3, 3, 4, 5]
