"""Mixes of detectors: what a score is, members of any sort, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from models.contract import Capabilities
from models.registry import DETECTORS, Kind
from tests.contract.test_detectors import LENGTH, WITHOUT_TORCH, waves, with_spike

WINDOWS = waves(300, 1, seed=0)
MEMBERS = ["mahalanobis", {"kind": "gmm", "components": 3}]


def fit(kind: str, **options: Any) -> Any:
    return models.create(kind, length=LENGTH, channels=1, **options).fit(WINDOWS)


def alone() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Score / limit of each member without the others."""
    members = [fit("mahalanobis"), fit("gmm", components=3)]
    test = with_spike(waves(40, 1, seed=1))
    return np.stack([member.score(test) / member.training_scores.limit(n_std=6) for member in members])


def test_mean_and_largest_ratio_to_the_members_own_limits() -> None:
    test = with_spike(waves(40, 1, seed=1))

    for mix, expected in (("mean", alone().mean(axis=0)), ("max", alone().max(axis=0))):
        np.testing.assert_allclose(fit("ensemble", members=MEMBERS, mix=mix).score(test), expected, rtol=1e-4)


def test_a_position_is_a_share_of_the_clean_windows_and_grows_beyond_them() -> None:
    ensemble = fit("ensemble", members=["mahalanobis"], mix="rank")
    held_out = ensemble.score(WINDOWS[240:])
    away = WINDOWS[:1] + np.array([0, 10, 100, 1e4], np.float32)[:, None, None]

    assert np.quantile(held_out, [0, 0.5, 1]) == pytest.approx([1, 1.5, 2], abs=0.1)
    far = ensemble.score(away)
    assert (np.diff(far) > 0).all()
    assert far[-1] > 1000


def test_clean_windows_have_the_middle_position() -> None:
    ensemble = fit("ensemble", members=MEMBERS, mix="rank")

    assert ensemble.score(waves(200, 1, seed=3)).mean() == pytest.approx(1.5, abs=0.15)


def test_networks_may_be_members_and_score_in_the_same_graph(tmp_path: Path) -> None:
    net = {"kind": "dense", "epochs": 2}
    fit("ensemble", members=[net, "mahalanobis"]).save(tmp_path / "mixed")
    test = with_spike(waves(40, 1, seed=1))
    ratios = [
        member.score(test) / member.training_scores.limit(n_std=6)
        for member in (fit("dense", epochs=2), fit("mahalanobis"))
    ]

    np.testing.assert_allclose(models.load(tmp_path / "mixed").score(test), np.mean(ratios, axis=0), rtol=1e-4)


def test_without_torch_a_network_is_no_member(tmp_path: Path) -> None:
    code = WITHOUT_TORCH.replace('models.check(kind, {"keep": 0.5})', "").replace(
        "models.create(kind, ", 'models.create(kind, members=["dense"], '
    )
    command = [sys.executable, "-c", code, "ensemble", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "pip install 'watchkeeper[train]'" in done.stderr


def test_validation_and_keep_are_those_of_the_ensemble() -> None:
    options = fit("ensemble", members=MEMBERS, keep=0.8, validation=0.3)._known().fitted._members[1].options

    assert (options["keep"], options["validation"], options["components"]) == (0.8, 0.3, 3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"members": []}, "between 1 and 16"),
        ({"members": ["gmm"] * 17}, "between 1 and 16"),
        ({"members": ["ensemble"]}, "ensemble cannot be a member"),
        ({"members": ["gm"]}, "did you mean gmm"),
        ({"members": [3]}, "is no member"),
        ({"members": [{"components": 3}]}, "is no member"),
        ({"members": [{"kind": "gmm", "component": 3}]}, "did you mean components"),
        ({"members": [{"kind": "gmm", "keep": 0.5}]}, "keep of a member is that of the ensemble"),
        ({"members": "gmm"}, "a list"),
        ({"mix": "median"}, "median"),
        ({"keep": 0.0}, "keep"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(models.ConfigError, match=said):
        models.check("ensemble", options)


def test_kinds_that_are_no_graph_are_no_members(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Kind("models.statistical.gmm:Gmm", "models.statistical.gmm:GmmConfig", Capabilities(engine="torch"))
    monkeypatch.setitem(DETECTORS, "searched", other)

    with pytest.raises(models.ConfigError, match="searched cannot be a member"):
        models.check("ensemble", {"members": ["searched"]})


def test_a_member_is_left_a_channel_to_judge() -> None:
    with pytest.raises(models.ConfigError, match="dense: given = 2 of 2 channels"):
        models.create("ensemble", length=4, channels=2, members=["gmm", {"kind": "dense", "given": 2}])
