"""Metrics of labelled windows, and the pictures of them."""

from __future__ import annotations

import re

import numpy as np
import pytest

import models
from models.evaluation import report
from models.evaluation.metrics import evaluate

NORMAL = np.array([True, True, True, True, False, False])


def test_metrics_by_hand() -> None:
    scores = np.array([1, 2, 3, 9, 4, 10], np.float32)

    found = evaluate(scores, NORMAL, limit=5.0)  # judged anomalous: 10 rightly, 9 wrongly; 4 is missed

    assert found.accuracy == pytest.approx(4 / 6)
    assert found.precision == pytest.approx(1 / 2)
    assert found.recall == pytest.approx(1 / 2)
    assert found.f1 == pytest.approx(1 / 2)
    assert found.roc_auc == pytest.approx(7 / 8)  # of 8 pairs only (9, 4) is the wrong way round
    assert found.pr_auc == pytest.approx((1 + 2 / 3) / 2)


def test_at_the_limit_is_still_normal() -> None:
    scores = np.array([1, 1, 1, 5, 6, 7], np.float32)

    assert evaluate(scores, NORMAL, limit=5.0).accuracy == 1


def test_nothing_judged_anomalous() -> None:
    found = evaluate(np.arange(6, dtype=np.float32), NORMAL, limit=5.0)

    assert (found.precision, found.recall, found.f1) == (0, 0, 0)


@pytest.mark.parametrize(
    ("scores", "normal", "message"),
    [
        ([1.0, 2.0], [True, True], "both classes"),
        ([1.0, 2.0], [False, False], "both classes"),
        ([1.0, np.nan], [True, False], "no score"),
        ([1.0], [True, False], "1 scores but 2 labels"),
    ],
)
def test_what_cannot_be_measured_is_refused(scores: list[float], normal: list[bool], message: str) -> None:
    with pytest.raises(models.DataError, match=message):
        evaluate(np.array(scores, np.float32), np.array(normal), limit=1.0)


def test_report_is_pictures_and_one_page_without_links() -> None:
    random = np.random.default_rng(0)
    windows = random.normal(size=(40, 8, 2)).astype(np.float32)
    detector = models.create("dense", length=8, channels=2, epochs=2).fit(windows)
    normal = np.arange(40) < 30
    windows[30:] *= 5
    scores = detector.score(windows)
    limit = detector.training_scores.limit(n_std=6)
    judged = report.Evaluation(detector, windows, normal, scores, limit, evaluate(scores, normal, limit))

    files = report.files(judged)

    assert list(files) == ["loss.png", "scores.png", "examples.png", "report.html"]
    assert all(body.startswith(b"\x89PNG") for name, body in files.items() if name.endswith(".png"))
    page = files["report.html"].decode()
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert f"{judged.metrics.roc_auc:.4f}" in page
