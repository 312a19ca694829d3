"""Windows that lack channels: what is put in their place, and what score is left."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import models
from monitor.pipeline.scoring import partial_windows
from monitor.records.batches import Float32
from monitor.testing.in_memory import DistanceScorer

NAN = np.float32(np.nan)
USUAL = 1.25


class Cloud(DistanceScorer):
    """Root mean square of the cells' Mahalanobis distances, where the channels have this covariance at each step."""

    def __init__(self, covariance: list[list[float]]) -> None:
        self._inverse = np.linalg.inv(np.array(covariance))
        self.calls = 0

    def score(self, windows: Float32) -> Float32:
        self.calls += 1
        wide = windows.astype(np.float64)
        squares = np.einsum("mlc,cd,mld->m", wide, self._inverse, wide)
        found = np.sqrt(np.maximum(squares, 0) / windows[0].size).astype(np.float32)
        return np.where(np.isnan(windows).any(axis=(1, 2)), np.float32(np.nan), found)


def score(scorer: Cloud, windows: Float32) -> Float32:
    m, _, channels = windows.shape
    zero = np.zeros((m, channels), np.float32)
    usual = np.full(m, USUAL, np.float32)
    return partial_windows.score(scorer, partial_windows.Units(windows, zero, zero + 1, usual))


def windows(count: int, channels: int = 2) -> Float32:
    return np.random.default_rng(1).normal(0, 1, (count, 6, channels)).astype(np.float32)


def test_complete_windows_are_scored_once_and_as_they_are() -> None:
    scorer, given = Cloud([[1, 0.5], [0.5, 1]]), windows(20)
    assert score(scorer, given).tobytes() == Cloud([[1, 0.5], [0.5, 1]]).score(given).tobytes()
    assert scorer.calls == 1


@pytest.mark.parametrize("correlation", [0.0, 0.6, -0.95])
def test_the_score_is_that_of_the_channels_that_are_there(correlation: float) -> None:
    """The distance of the first channel alone, and what is usual of the other one, whatever it would have had to be."""
    scorer, given = Cloud([[1, correlation], [correlation, 1]]), windows(20)
    given[:, 2:, 1] = NAN

    found = score(scorer, given)

    alone = np.square(given[:, :, 0].astype(np.float64)).mean(axis=1)
    np.testing.assert_allclose(found, np.sqrt((alone + USUAL**2) / 2), rtol=1e-3)


def test_where_the_usual_score_is_not_known_it_is_that_of_the_others_alone() -> None:
    scorer, given = Cloud([[1, 0.5], [0.5, 1]]), windows(20)
    given[:, 2:, 1] = NAN
    zero = np.zeros((20, 2), np.float32)

    found = partial_windows.score(scorer, partial_windows.Units(given, zero, zero + 1, zero[:, 0]))

    alone = np.sqrt(np.square(given[:, :, 0].astype(np.float64)).mean(axis=1))
    np.testing.assert_allclose(found, alone, rtol=1e-3)


def test_a_window_without_any_channel_has_no_score() -> None:
    given = windows(3)
    given[1, 0] = NAN
    found = score(Cloud([[1, 0], [0, 1]]), given)
    assert np.isnan(found).tolist() == [False, True, False]


def test_windows_that_lack_different_channels_do_not_touch_each_other() -> None:
    covariance = np.full((3, 3), 0.7) + 0.3 * np.eye(3)
    given = windows(30, 3)
    given[::3, 1, 0] = given[1::4, 5, 2] = NAN
    together = score(Cloud(covariance.tolist()), given)
    alone = [score(Cloud(covariance.tolist()), given[i : i + 1]) for i in range(len(given))]
    assert together.tobytes() == np.concatenate(alone).tobytes()


def test_an_infinite_score_stays_one() -> None:
    given = windows(2)
    given[:, :, 1] = NAN
    given[0, 3, 0] = 3e38

    class Overflows(Cloud):
        def score(self, windows: Float32) -> Float32:
            found = super().score(windows)
            return np.where(np.abs(windows).max(axis=(1, 2)) > 1e30, np.float32(np.inf), found)

    found = score(Overflows([[1, 0], [0, 1]]), given)
    assert np.isinf(found[0])
    assert np.isfinite(found[1])


@pytest.mark.parametrize("seed", range(3))
def test_a_channel_that_follows_another_one_with_a_lag_is_what_a_net_rebuilds(seed: int) -> None:
    """A level and a multiple of the other channel do not make it: without it normal windows score twice as high."""
    random = np.random.default_rng(seed)
    turns = np.arange(700) * 2 * np.pi / 62
    leads, follows = np.sin(turns), np.sin(turns - 0.1)
    noise = random.normal(0, 1, (2, 700))
    values = np.stack([1.4 * leads + 0.25 * noise[0], 1.4 * follows + 0.12 * noise[1]], axis=1).astype(np.float32)
    windows = np.ascontiguousarray(sliding_window_view(values, 12, axis=0).transpose(0, 2, 1))
    detector = models.create("dense", length=12, channels=2, scale=False).fit(windows[:189], progress=False)
    later = windows[200:]
    whole, dead = detector.score(later), later.copy()
    dead[:, :, 1] = np.nan

    neutral, spread = np.zeros((len(later), 2), np.float32), np.ones((len(later), 2), np.float32)
    usual = np.full(len(later), np.median(whole), np.float32)
    masked = partial_windows.mask(detector, partial_windows.Units(dead, neutral, spread, usual)).score

    assert np.percentile(masked, 99) < 1.2 * np.percentile(whole, 99)


@pytest.mark.parametrize("kind", ["dense", "mahalanobis"])
def test_a_channel_in_another_phase_costs_no_false_alarm(kind: str) -> None:
    """What such a net makes of a wrong start is a false alarm in one of ten windows."""
    random, turns = np.random.default_rng(1), np.arange(800) / 15
    values = np.stack([np.sin(turns), np.sin(turns + 5)], axis=1) + random.normal(0, 0.1, (800, 2))
    windows = np.ascontiguousarray(sliding_window_view(1.4 * values, 20, axis=0).transpose(0, 2, 1), np.float32)
    detector = models.create(kind, length=20, channels=2, scale=False).fit(windows[:300])
    later = windows[320:].copy()
    usual = np.full(len(later), np.median(detector.score(later)), np.float32)
    later[:, :, 1] = np.nan
    fault = later[:50].copy()
    fault[:, 10:14, 0] += 3

    neutral, spread = np.zeros((len(later), 2), np.float32), np.ones((len(later), 2), np.float32)
    units = partial_windows.Units(later, neutral, spread, usual)
    limit = detector.training_scores.limit(n_std=6)

    assert partial_windows.mask(detector, units).score.max() < limit
    faulty = partial_windows.Units(fault, neutral[:50], spread[:50], usual[:50])
    assert partial_windows.mask(detector, faulty).score.min() > limit
