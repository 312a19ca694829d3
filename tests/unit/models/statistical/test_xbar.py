"""Charts over windows: what each one sees, and readings that depend on one another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import models
from models.statistical import xbar
from models.statistical.xbar import FittedXbar, Xbar, XbarConfig
from tests.unit.models.statistical.windows import Float32


def process(count: int, seed: int, memory: float = 0.0, length: int = 60) -> Float32:
    """Windows (n, length, 1) of an autoregressive process of one variance."""
    random = np.random.default_rng(seed)
    values = np.empty((count, length))
    values[:, 0] = random.normal(size=count)
    for step in range(1, length):
        fresh = random.normal(0, np.sqrt(1 - memory**2), count)
        values[:, step] = memory * values[:, step - 1] + fresh
    return values.astype(np.float32)[:, :, None]


def fit(windows: Float32, chart: str = "xbar") -> FittedXbar:
    return Xbar(XbarConfig(keep=1.0, chart=chart)).fit(windows, windows[:1])


def auc(fitted: FittedXbar, clean: Float32, broken: Float32) -> float:
    scores = fitted.score(np.concatenate([clean, broken]))
    return float(roc_auc_score(np.repeat([0, 1], [len(clean), len(broken)]), scores))


def test_cumulative_sums_and_averages_see_small_lasting_shifts_best() -> None:
    clean, moved = process(500, seed=1), process(500, seed=2)
    moved[:, 20:] += 0.7
    found = {chart: auc(fit(process(500, seed=0), chart), clean, moved) for chart in ("xbar", "ewma", "cusum")}

    assert found["cusum"] > 0.95
    assert found["ewma"] > 0.95
    assert found["xbar"] > 0.85


def test_the_chart_of_spreads_sees_what_leaves_the_level_alone() -> None:
    clean, shaken = process(500, seed=1), process(500, seed=2)
    shaken[:, 30:50] *= 2.5

    assert auc(fit(process(500, seed=0)), clean, shaken) > 0.95


@pytest.mark.parametrize("chart", ["xbar", "ewma", "cusum"])
def test_readings_that_depend_on_one_another_do_not_signal_more_often(chart: str) -> None:
    alone, depending = ((fit(process(2000, 0, memory), chart).score(process(2000, 1, memory)) > 1).mean()
                        for memory in (0.0, 0.8))  # fmt: skip

    assert depending == pytest.approx(alone, abs=0.06)


def test_without_the_autoregression_they_would() -> None:
    """The false signals that the test above is about: nearly all windows."""
    scores = fit(process(500, 0), "cusum").score(process(500, 1, memory=0.8))

    assert (scores > 1).mean() > 0.5


def test_channels_have_charts_of_their_own() -> None:
    windows = np.concatenate([process(500, 0), process(500, 1)], axis=2)
    moved = windows[:50].copy()
    moved[:, 10:, 1] += 2
    mirrored = moved[:, :, ::-1].copy()
    fitted = fit(windows)

    assert (fitted.score(moved) > 1.5).all()
    assert (fit(windows[:, :, ::-1].copy()).score(mirrored) == fitted.score(moved)).all()


def test_options_that_make_no_sense_are_refused() -> None:
    options: dict[str, Any] = {"chart": "p"}

    with pytest.raises(models.ConfigError, match="chart"):
        models.check("xbar", options)


@pytest.mark.parametrize("chart", ["xbar", "ewma", "cusum"])
def test_many_channels_take_a_product_for_each(chart: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same scores, however windows are batched; a matrix of all channels at once would be channels times larger."""
    windows = np.concatenate([process(200, seed, 0.5, 20) for seed in range(3)], axis=2)
    at_once = models.create("xbar", length=20, channels=3, chart=chart).fit(windows)
    monkeypatch.setattr(xbar, "MOST_NUMBERS", 0)
    each = models.create("xbar", length=20, channels=3, chart=chart).fit(windows)

    scores = each.score(windows)
    assert scores == pytest.approx(at_once.score(windows), rel=1e-5)
    for size in (1, 7, 33):
        parts = [each.score(windows[begin : begin + size]) for begin in range(0, len(windows), size)]
        assert np.concatenate(parts).tobytes() == scores.tobytes()
    for place in range(20):
        holed = windows[:3].copy()
        holed[1, place, 2] = np.nan
        assert np.isnan(each.score(holed)).tolist() == [False, True, False]
