"""The head that ranks alerts by verdicts: what it learns, what it refuses to learn, and how it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import models
from models.semi_supervised import FEWEST, Reranker, alert_features

WIDTH = 9


def judged(count: int, apart: float, seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Features of alerts, half of them true, and the verdicts; each feature of true ones is `apart` larger."""
    random = np.random.default_rng(seed)
    true = np.arange(count) % 2 == 0
    return random.normal(size=(count, WIDTH)) + apart * true[:, None], true


def test_separable_verdicts_put_true_alerts_first() -> None:
    head = Reranker.fit(*judged(60, apart=1.0))
    features, true = judged(400, apart=1.0, seed=1)

    assert true[head.order(features)[:100]].mean() > 0.95
    assert roc_auc_score(true, head.probability(features)) > 0.93
    assert head.skill > 0.95
    assert head.verdicts == (30, 30)


@pytest.mark.parametrize("seed", range(5))
def test_verdicts_that_contradict_one_another_rank_nothing(seed: int) -> None:
    """The same alerts, judged both ways."""
    features, _ = judged(30, apart=0.0, seed=seed)
    head = Reranker.fit(np.concatenate([features, features]), np.repeat([True, False], 30))

    np.testing.assert_allclose(head.probability(features), 0.5)
    assert head.order(features).tolist() == list(range(30))
    assert head.skill < 0.6


@pytest.mark.parametrize("seed", range(5))
def test_verdicts_without_a_pattern_promise_little(seed: int) -> None:
    head = Reranker.fit(*judged(200, apart=0.0, seed=seed))
    features, true = judged(400, apart=0.0, seed=seed + 50)

    assert np.square(head.probability(features) - true).mean() < 0.27  # .25: every alert alike


def test_probabilities_are_as_frequent_as_they_say() -> None:
    head = Reranker.fit(*judged(400, apart=0.4))
    features, true = judged(4000, apart=0.4, seed=1)
    found = head.probability(features)

    for low, high in ((0.0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
        inside = (found >= low) & (found < high)
        assert abs(found[inside].mean() - true[inside].mean()) < 0.1


def test_few_verdicts_that_are_all_foreseen_make_nothing_certain() -> None:
    features, true = judged(2 * FEWEST, apart=20.0)
    found = Reranker.fit(features, true).probability(features)

    assert roc_auc_score(true, found) == 1
    assert 0.02 < found.min() < found.max() < 0.98


def test_a_prior_moves_probabilities_and_no_rank() -> None:
    features, true = judged(200, apart=0.4)
    usual, rare = Reranker.fit(features, true), Reranker.fit(features, true, prior=0.05)

    assert usual.order(features).tolist() == rare.order(features).tolist()
    odds = [head.probability(features) / (1 - head.probability(features)) for head in (usual, rare)]
    np.testing.assert_allclose(odds[0] / odds[1], 19)


@pytest.mark.parametrize(("true", "other"), [(FEWEST - 1, 50), (50, FEWEST - 1), (50, 0)])
def test_too_few_verdicts_are_said(true: int, other: int) -> None:
    features = np.random.default_rng(0).normal(size=(true + other, 3))

    with pytest.raises(models.DataError, match=f"{true} alerts judged true and {other} judged false; at least 10"):
        Reranker.fit(features, np.repeat([True, False], [true, other]))


def test_incomplete_alerts_teach_nothing_and_come_last() -> None:
    features, true = judged(60, apart=1.0)
    holed = np.concatenate([features, np.full((3, WIDTH), np.nan)])
    head = Reranker.fit(holed, np.concatenate([true, [True] * 3]))

    assert head.verdicts == (30, 30)
    assert head.order(holed)[-3:].tolist() == [60, 61, 62]
    assert np.isnan(head.probability(holed)[-3:]).all()


def test_features_that_never_change_do_no_harm() -> None:
    features, true = judged(60, apart=1.0)
    features[:, 0] = 7.0

    assert np.isfinite(Reranker.fit(features, true).probability(features)).all()


def test_what_does_not_fit_is_refused() -> None:
    features, true = judged(60, apart=1.0)

    with pytest.raises(models.DataError, match="features have shape"):
        Reranker.fit(features, true[:-1])
    with pytest.raises(models.DataError, match="of true or false"):
        Reranker.fit(features, true.astype(int))
    with pytest.raises(models.DataError, match=r"expected \(n, 9\)"):
        Reranker.fit(features, true).probability(features[:, 1:])
    with pytest.raises(models.ConfigError, match="prior"):
        Reranker.fit(features, true, prior=1.0)


def test_the_same_verdicts_give_the_same_numbers_and_a_file_keeps_them(tmp_path: Path) -> None:
    features, true = judged(60, apart=0.5)
    head, again = (Reranker.fit(features, true) for _ in range(2))
    head.save(tmp_path / "head.safetensors")
    loaded = Reranker.load(tmp_path / "head.safetensors")

    for other in (again, loaded):
        np.testing.assert_array_equal(other.probability(features), head.probability(features))
    assert (loaded.skill, loaded.verdicts) == (head.skill, head.verdicts)
    assert [path.name for path in tmp_path.iterdir()] == ["head.safetensors"]


@pytest.mark.parametrize("body", [b"", b"\x80\x04N.", b"{}", b"\x00" * 64])
def test_a_file_that_is_something_else_is_refused(body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    with pytest.raises(models.ArtefactError, match="cannot rank alerts"):
        Reranker.load(path)
    path.write_bytes(body)

    with pytest.raises(models.ArtefactError, match="cannot rank alerts"):
        Reranker.load(path)


def test_it_learns_from_what_a_net_makes_of_windows() -> None:
    """Two kinds of unusual waves, equally far from normal: people call only one of them a fault."""
    random = np.random.default_rng(0)
    turns = np.arange(16) / 16 + random.random((400, 1))
    normal = np.sin(2 * np.pi * turns)[:, :, None] + random.normal(0, 0.05, (400, 16, 1))
    detector = models.create("dense", length=16, channels=1, epochs=10, batch_size=32, learning_rate=1e-2)
    detector.fit(normal, progress=False)
    alerts, true = normal[:80].copy(), np.arange(80) % 2 == 0
    alerts[true, :4] += 1.5
    alerts[~true, -4:] += 1.5

    head = Reranker.fit(alert_features(detector, alerts[:40]), true[:40])

    assert alert_features(detector, alerts[:0]).shape == (0, 2 + 8 + 1)
    assert roc_auc_score(true[40:], head.probability(alert_features(detector, alerts[40:]))) > 0.9


def test_a_kind_without_a_code_is_refused() -> None:
    detector = models.create("mahalanobis", length=4, channels=1)

    with pytest.raises(models.ConfigError, match="mahalanobis has no latent vector to rank alerts by; train one of: d"):
        alert_features(detector, np.zeros((1, 4, 1)))
