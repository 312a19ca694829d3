"""Options by search: what is searched, by which criterion, within which budget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from models.artefacts.data import Float32
from models.search import spaces
from models.search.injected import FAULTS, separation, with_faults
from models.search.search import Budget, detector

HOURS = Budget(seconds=3600.0, trials=3)
QUICK: dict[str, Any] = {"epochs": 3, "patience": 3}


def waves(count: int, seed: int = 0) -> Float32:
    random = np.random.default_rng(seed)
    turns = np.arange(16) / 16 + random.random((count, 1))
    wave = np.sin(2 * np.pi * turns) + random.normal(0, 0.05, (count, 16))
    return wave[:, :, np.newaxis].astype(np.float32)


def test_each_window_gets_one_fault_and_the_clean_ones_stay() -> None:
    clean = waves(40)
    before = clean.copy()
    faulty = with_faults(clean, seed=1)

    np.testing.assert_array_equal(clean, before)
    assert (faulty != clean).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(with_faults(clean, seed=1), faulty)
    assert (with_faults(clean, seed=2) != faulty).any()


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_a_fault_is_in_one_channel_and_finite(number: int) -> None:
    window = np.random.default_rng(number).normal(size=(9, 3)).astype(np.float32)
    faulty = window.copy()
    FAULTS[number](faulty, 1, np.random.default_rng(number))

    assert np.isfinite(faulty).all()
    assert (faulty != window).any(axis=0).tolist() == [False, True, False]


def test_a_better_score_separates_better() -> None:
    clean = waves(200)
    blind = separation(lambda windows: np.zeros(len(windows), np.float32), clean, seed=0)
    spread = separation(lambda windows: np.asarray(windows.std(axis=(1, 2))), clean, seed=0)

    assert blind == 0.5
    assert spread > 0.6
    assert separation(lambda windows: np.full(len(windows), np.nan, np.float32), clean, seed=0) == 0
    assert separation(lambda windows: np.full(len(windows), np.inf, np.float32), clean, seed=0) == 0.5


def test_a_search_is_repeated_by_its_seed_and_never_ends_below_the_defaults() -> None:
    fitted = []
    for _ in range(2):
        made, search = detector("dense", (16, 1), HOURS, seed=5, **QUICK)
        made.fit(waves(200), progress=False)
        assert search.result is not None
        fitted.append((made.score(waves(20, seed=9)), search.result))

    (scores, result), (again, same) = fitted
    assert result == same
    np.testing.assert_array_equal(scores, again)
    assert result.trials == 3
    assert result.best >= result.default > 0.5


def test_what_was_found_is_what_the_artefact_says_and_loads(tmp_path: Path) -> None:
    import json

    made, search = detector("dense", (16, 1), HOURS, seed=5, **QUICK)
    made.fit(waves(200), progress=False).save(tmp_path / "artefact")
    config = json.loads((tmp_path / "artefact" / "manifest.json").read_text(encoding="utf-8"))["config"]

    assert search.result is not None
    assert {name: config[name] for name in search.result.options} == dict(search.result.options)
    assert config["epochs"] == 3
    loaded = models.load(tmp_path / "artefact")
    np.testing.assert_array_equal(loaded.score(waves(20)), made.score(waves(20)))


def test_the_defaults_stay_where_the_budget_is_one_trial_or_no_time() -> None:
    for budget in (Budget(3600.0, trials=1), Budget(0.0)):
        made, search = detector("dense", (16, 1), budget, **QUICK)
        made.fit(waves(100), progress=False)

        assert search.result is not None
        assert (search.result.trials, search.result.options) == (1, {})


def test_windows_held_out_for_limits_take_no_part() -> None:
    """Other held-out windows change the limit and when the last training stops, but not what the search chose."""
    results = []
    for seed in (1, 2):
        windows = np.concatenate([waves(160), waves(40, seed=seed)])
        made, search = detector("dense", (16, 1), HOURS, scale=False, **QUICK)
        made.fit(windows, progress=False)
        results.append(search.result)

    assert results[0] == results[1]


def test_the_bar_is_shown_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    made, _ = detector("dense", (16, 1), Budget(3600.0, trials=2), epochs=1)
    made.fit(waves(100), progress=True)

    assert "searching: 2 trials" in capsys.readouterr().err


class TestSpaces:
    @pytest.mark.parametrize(
        "kind", [k for k, v in models.DETECTORS.items() if v.capabilities.epochs or k in spaces.SPACES]
    )
    def test_every_end_of_every_range_is_an_option_of_the_kind(self, kind: str) -> None:
        for inputs in (1, 24, 140, 5000):
            for name, where in spaces.space(kind, inputs, ()).items():
                values = where.values if isinstance(where, spaces.Choice) else [where.least, where.most]
                for value in values:
                    models.check(kind, {name: value})

    @pytest.mark.parametrize("kind", ["kmeans", "knn", "gmm", "pca"])
    def test_a_kind_without_epochs_is_searched_too(self, kind: str) -> None:
        made, search = detector(kind, (16, 1), HOURS)
        made.fit(waves(200), progress=False)

        assert search.result is not None
        assert search.result.trials == 3
        assert search.result.best >= search.result.default > 0.5
        assert set(search.result.options) <= set(spaces.SPACES[kind](16))

    def test_options_that_are_given_are_not_searched(self) -> None:
        assert set(spaces.space("dense", 24, ["hidden"])) == {"learning_rate", "batch_size"}

    def test_a_kind_without_any_is_refused_with_those_that_have_some(self) -> None:
        with pytest.raises(
            models.ConfigError, match=r"mahalanobis has no option to search; kinds that have some: .*dense"
        ):
            detector("mahalanobis", (16, 1), HOURS)

    def test_the_ranges_are_documented(self) -> None:
        page = (Path(__file__).parents[3] / "docs" / "detectors.md").read_text(encoding="utf-8")
        for kind in spaces.SPACES:
            for name in spaces.SPACES[kind](140):
                assert f"| `{kind}` | `{name}` |" in page
        for name in ("learning_rate", "batch_size"):
            assert f"| kinds with epochs | `{name}` |" in page


def test_optuna_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)

    with pytest.raises(models.DependencyError, match=r"watchkeeper\[search\]"):
        detector("dense", (16, 1), HOURS)
