"""The clean mode and the limit that follows from it."""

from __future__ import annotations

import numpy as np
import pytest

from models.artefacts.scores import ScoreSummary


def lognormal(count: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.exp(np.random.default_rng(0).normal(0, 0.3, count)).astype(np.float32)


def test_clean_scores_are_kept_whole() -> None:
    scores = lognormal(500)

    summary = ScoreSummary.of(scores)

    assert summary.count >= 495
    assert summary.mean == pytest.approx(scores.mean(), rel=0.03)
    assert summary.std == pytest.approx(scores.std(), rel=0.1)
    assert summary.quantiles[0.5] == pytest.approx(np.median(scores), rel=0.02)


@pytest.mark.parametrize("faults", [0.05, 0.2, 0.35])
def test_faults_in_the_history_do_not_move_the_limit(faults: float) -> None:
    clean = lognormal(400)
    dirty = np.concatenate([clean, np.full(int(faults / (1 - faults) * 400), 30, np.float32)])

    assert ScoreSummary.of(dirty).limit(6) == pytest.approx(ScoreSummary.of(clean).limit(6), rel=0.05)


def test_limit_is_mean_and_standard_deviations() -> None:
    summary = ScoreSummary(mean=2.0, std=0.5, quantiles={}, count=1, total=1)

    assert summary.limit(3) == 3.5
    assert summary.limit(1) == 2.5


def test_limit_is_never_zero() -> None:
    assert ScoreSummary.of(np.zeros(5, np.float32)).limit(6) > 0


def test_one_score_is_enough() -> None:
    assert ScoreSummary.of(np.ones(1, np.float32)).count == 1


def test_through_a_dict() -> None:
    summary = ScoreSummary.of(lognormal(50))

    assert ScoreSummary.from_dict(summary.to_dict()) == summary
