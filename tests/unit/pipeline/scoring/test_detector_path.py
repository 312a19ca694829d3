"""The detector path of a recipe: which streams a model scores, and what is kept of them when it changes."""

from __future__ import annotations

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.scoring.detector_path import DetectorPath
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.testing.in_memory import DistanceScorer

FAMILY = Family.model_validate({"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}})
ONE = np.ones(1, np.float32)
PROFILE = Profile(0 * ONE, ONE, 1.0, 0.2, 50)
STREAM = np.array([0], np.int32)


def test_a_stream_that_the_next_model_does_not_know_keeps_the_count_of_its_readings() -> None:
    """They are in the store still; after a restart as without one, it need not send them again."""
    path = DetectorPath(FAMILY)
    path.profiles.columns.grow(1)
    path.adopt("a" * 64, DistanceScorer(), {"m-1": PROFILE})
    path.enrol(0, PROFILE)
    path.profiles.columns["seen"][0] = 200
    saved = path.profiles.columns.dump(STREAM)
    restarted = DetectorPath(FAMILY)
    restarted.profiles.columns.grow(1)
    restarted.adopt("b" * 64, DistanceScorer(), {})

    restarted.profiles.columns.load(STREAM, saved)

    assert restarted.resume(STREAM).tolist() == [True]
    assert restarted.enrolled(STREAM).tolist() == [False]
    assert restarted.profiles.columns["seen"].tolist()[:1] == [200]
