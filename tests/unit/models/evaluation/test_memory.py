"""Memory of a trained detector: its model, and what scoring takes, which grows with the windows."""

from __future__ import annotations

import subprocess
from typing import Any

import numpy as np
import pytest

import models
from models.detector import Detector
from models.evaluation import memory
from models.evaluation.memory import Memory


def fitted(length: int) -> Detector:
    noise = np.random.default_rng(0).normal(size=(64, length, 1)).astype(np.float32)
    return models.create("pca", length=length, channels=1).fit(noise)


def test_the_model_and_what_scoring_takes_are_measured() -> None:
    detector = fitted(64)
    few, many = memory.measure(detector, 100), memory.measure(detector, 20_000)

    assert few.model == many.model > detector.parameters * 4
    assert few.working is not None
    assert many.working is not None
    assert many.working > few.working + 20_000 * 32  # at least half of a byte for each cell: which ones are finite
    assert many.working < 50_000_000


def test_both_together_are_megabytes() -> None:
    assert Memory(1_000_000, 500_000).megabytes == 1.5
    assert Memory(1_000_000, None).megabytes is None


def test_scoring_that_fails_is_an_error_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "Traceback\nMemoryError: no")

    detector = fitted(8)
    monkeypatch.setattr(subprocess, "run", fails)

    with pytest.raises(models.ModelsError, match="the memory of pca cannot be measured: MemoryError: no"):
        memory.measure(detector)
