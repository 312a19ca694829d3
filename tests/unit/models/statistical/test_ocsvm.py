"""The one-class machine: the region it finds, far windows, and what scikit-learn and pyod make of the same windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM

import models
from models.statistical.belief import BeliefNet
from models.statistical.kernel import Kernel
from models.statistical.ocsvm import FittedOcsvm, Ocsvm, OcsvmConfig
from tests.unit.models.statistical.windows import Float32, mixed, of_two_kinds, rows


def fit(windows: Float32, **options: Any) -> FittedOcsvm:
    return Ocsvm(OcsvmConfig(keep=1.0, **options)).fit(windows, windows[:1])


def test_it_ranks_as_the_machine_of_scikit_learn() -> None:
    windows, test = of_two_kinds(800, 10, seed=0), mixed(10)
    known = OneClassSVM(gamma=Kernel.width(rows(windows)), nu=0.1).fit(rows(windows))

    found = fit(windows).score(test)

    assert spearmanr(found, -known.decision_function(rows(test))).statistic >= 0.999


def test_it_ranks_as_the_machine_of_pyod() -> None:
    ocsvm = pytest.importorskip("pyod.models.ocsvm", reason="pyod is not installed")
    windows, test = of_two_kinds(800, 10, seed=0), mixed(10)
    known = ocsvm.OCSVM(gamma=Kernel.width(rows(windows)), nu=0.1).fit(rows(windows))

    found = fit(windows).score(test)

    assert spearmanr(found, known.decision_function(rows(test))).statistic >= 0.95


def test_nystroem_ranks_as_the_pipeline_of_scikit_learn() -> None:
    windows = of_two_kinds(800, 10, seed=1)
    test = mixed(10)[:200]  # farther away their signed distance says the same of all
    known = make_pipeline(
        Nystroem(gamma=Kernel.width(rows(windows)), n_components=100, random_state=0),
        SGDOneClassSVM(nu=0.1, random_state=0, average=True),
    ).fit(rows(windows))

    found = fit(windows, features="nystroem").score(test)

    assert spearmanr(found, -known.decision_function(rows(test))).statistic >= 0.95


def test_the_share_nu_of_the_windows_lies_outside() -> None:
    windows = of_two_kinds(800, 10, seed=2)

    outside = (fit(windows, features="nystroem", nu=0.1).score(windows) > 1).mean()

    assert 0.03 < outside < 0.2


@pytest.mark.parametrize("features", ["windows", "nystroem", "dbn"])
def test_the_farther_the_higher(features: str) -> None:
    fitted = fit(of_two_kinds(400, 10, seed=3), features=features)
    away = np.array([3, 10, 30, 100, 1e4], np.float32)[:, None, None] * np.ones((5, 10, 1), np.float32)

    scores = fitted.score(away)

    assert (np.diff(scores) > 0).all()
    assert scores[-1] == pytest.approx(1e4, rel=0.05)  # a distance, root mean square


@pytest.mark.parametrize("features", ["windows", "nystroem"])
def test_a_window_between_two_kinds_is_like_neither(features: str) -> None:
    """Nothing of it is out of range."""
    fitted = fit(of_two_kinds(400, 10, seed=4), features=features)
    between = np.zeros((1, 10, 1), np.float32)

    assert fitted.score(between)[0] > np.quantile(fitted.score(of_two_kinds(400, 10, seed=5)), 0.9)


def test_features_of_the_belief_net_differ_between_windows() -> None:
    known = rows(of_two_kinds(400, 10, seed=6))
    net = BeliefNet.trained(known, known.min(axis=0), known.max(axis=0), seed=0)

    features = net.of(known)

    assert features.shape == (400, 8)
    assert ((features >= 0) & (features <= 1)).all()
    assert features.std(axis=0).max() > 0.05


@pytest.mark.parametrize("options", [{"nu": 0.0}, {"nu": 0.6}, {"features": "rbf"}, {"features": 3}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(models.ConfigError, match=next(iter(options))):
        models.check("ocsvm", options)
