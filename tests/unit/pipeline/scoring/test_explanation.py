"""The evidence of an alert, by what the detector can say."""

from __future__ import annotations

import numpy as np

from monitor.pipeline.scoring.explanation import explain
from monitor.pipeline.scoring.stream_scaling import Profile, Profiles
from monitor.records.batches import Float32, Windows
from monitor.testing.in_memory import DistanceScorer
from tests.store_rows import alert

CHANNELS = ("inlet", "outlet")
VALUES = np.array([[[10, 1], [10, 1], [14, 1], [10, 2]]], np.float32)  # medians 10 and 1
WINDOW = Windows(
    stream=np.zeros(1, np.int32), start=np.zeros(1, np.int64), end=np.full(1, 40, np.int64), values=VALUES,
    imputed=np.zeros(1, np.float32),
)  # fmt: skip
SCALED = np.array([[0, 0], [0, 0], [0.5, 0], [0, 0.5]], np.float32)
FROM_MEDIAN = np.array([[0, 0], [0, 0], [0.8, 0], [0, 0.2]], np.float32)


class Able(DistanceScorer):
    """Gives scores, and of the rest what it is made for."""

    def __init__(self, *, reconstructs: bool, explains: bool) -> None:
        self.reconstructs, self.explains = reconstructs, explains

    def reconstruct(self, windows: Float32) -> Float32 | None:
        return super().reconstruct(windows) if self.reconstructs else None

    def explain(self, windows: Float32) -> Float32 | None:
        return super().explain(windows) if self.explains else None


def profiles() -> Profiles:
    made = Profiles(2)
    made.columns.grow(1)
    made.put(0, b"ab", Profile(np.array([10, 1], np.float32), np.array([2, 0.5], np.float32), 1.0, 1.0, 50))
    return made


def test_without_a_model_the_median_was_expected() -> None:
    evidence = explain(alert().id, WINDOW, CHANNELS, None, None, {})

    np.testing.assert_array_equal(evidence.reconstruction, np.tile([10, 1], (4, 1)).astype(np.float32))
    np.testing.assert_allclose(evidence.contribution, FROM_MEDIAN, rtol=1e-6)


def test_a_model_expects_in_the_units_of_the_readings() -> None:
    evidence = explain(alert().id, WINDOW, CHANNELS, DistanceScorer(), profiles(), {})

    np.testing.assert_array_equal(evidence.reconstruction, np.tile([10, 1], (4, 1)))  # zero, scaled back
    np.testing.assert_allclose(evidence.contribution, SCALED, rtol=1e-6)


def test_a_model_that_reconstructs_nothing_leaves_it_out() -> None:
    evidence = explain(alert().id, WINDOW, CHANNELS, Able(reconstructs=False, explains=True), profiles(), {"rr_s": 0.8})

    assert evidence.reconstruction is None
    np.testing.assert_allclose(evidence.contribution, SCALED, rtol=1e-6)
    assert evidence.facts == {"rr_s": 0.8}


def test_a_model_that_does_not_explain_leaves_the_distance_from_the_median() -> None:
    evidence = explain(alert().id, WINDOW, CHANNELS, Able(reconstructs=False, explains=False), None, {})

    assert evidence.reconstruction is None
    np.testing.assert_allclose(evidence.contribution, FROM_MEDIAN, rtol=1e-6)
