"""Windows are scaled once: by the profile of their stream, or, with `scale = "none"`, by the detector."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.ports.store import HistoryBlock
from monitor.training import fit

LEVELS, SIZES = {"a": 200.0, "b": -3.0}, {"a": 10.0, "b": 0.5}


def history() -> list[fit.Named]:
    random, time = np.random.default_rng(0), np.arange(300) * 10**9
    waves = {name: LEVELS[name] + SIZES[name] * random.normal(size=(300, 1)) for name in LEVELS}
    return [(name, HistoryBlock(i, time, wave.astype(np.float32))) for i, (name, wave) in enumerate(waves.items())]


@pytest.mark.parametrize(("scale", "once"), [("stream", True), ("none", False)])
def test_the_detector_scales_where_the_stream_is_not(tmp_path: Path, scale: str, once: bool) -> None:
    raw = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, "scale": scale}
    family = Family.model_validate(raw | {"detector": {"kind": "mahalanobis"}})

    made, profiles = fit.train(family, history(), lambda: bootstrap.detector(family), bootstrap.normal_scores())
    made.save(tmp_path / "artefact", channel_names=["value"], span=(0, 1), beside={})
    scaler = json.loads((tmp_path / "artefact" / "manifest.json").read_text())["scaler"]

    by_detector = scaler != {"centre": [0.0], "scale": [1.0]}
    assert by_detector == (not once)
    assert (profiles["a"].center[0], profiles["b"].center[0]) == (pytest.approx(200, abs=3), pytest.approx(-3, abs=0.2))


def test_the_limit_begins_from_what_was_not_learned() -> None:
    from models.networks.training_options import TrainingConfig
    from models.statistical.mahalanobis import MahalanobisConfig

    shares = {bootstrap.normal_scores().share, TrainingConfig().validation, MahalanobisConfig().validation}

    assert len(shares) == 1
