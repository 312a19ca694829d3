"""The composition root: every entry of every registry can be found, and every module has an entry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor import bootstrap, bootstrap_detector

ROOT = Path(bootstrap.__file__).parent
HELPERS = {"thresholds": {"base"}, "notifiers": {"payload", "guard"}}


@pytest.mark.parametrize("registry", [bootstrap.THRESHOLDS, bootstrap.NOTIFIERS])
def test_every_entry_can_be_found(registry: dict[str, str]) -> None:
    for reference in registry.values():
        assert callable(bootstrap.resolve(reference))


@pytest.mark.parametrize(
    ("folder", "registry"), [("thresholds", bootstrap.THRESHOLDS), ("notifiers", bootstrap.NOTIFIERS)]
)
def test_every_module_is_registered(folder: str, registry: dict[str, str]) -> None:
    modules = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"} - HELPERS[folder]

    assert modules == {reference.partition(":")[0].rpartition(".")[2] for reference in registry.values()}


def test_the_bootstrap_detector_sees_a_jump_and_forgives_noise() -> None:
    windows = np.random.default_rng(0).normal(50, 1, (200, 60, 2)).astype(np.float32)
    windows[0, -1, 1] = 90

    scores = bootstrap_detector.score(windows)

    assert scores[0] > bootstrap_detector.LIMIT
    assert (scores[1:] < bootstrap_detector.LIMIT).all()


def test_the_bootstrap_detector_keeps_quiet_where_it_knows_nothing() -> None:
    short = np.ones((3, 4, 1), np.float32)
    holes = np.full((1, 20, 1), np.nan, np.float32)

    assert np.isnan(bootstrap_detector.score(short)).all()
    assert np.isnan(bootstrap_detector.score(holes)).all()
    assert bootstrap_detector.score(np.ones((1, 20, 1), np.float32)) == 0
