"""Real heartbeats: ECG5000, trained on 80 % of the normal beats, tested on the others and on every abnormal one."""

from __future__ import annotations

import os
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.metrics import Metrics
from monitor.cli.evaluate import measure, split_normal
from monitor.replay.labelled_windows import read_labelled

SEEDS = (0, 1, 2)
pytestmark = pytest.mark.timeout(1800)  # six trainings: a minute on a free core, many on a crowded machine


@pytest.fixture(scope="module")
def beats() -> Path:
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("WATCHKEEPER_DATA", beside)) / "ecg5000" / "beats.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not there; set WATCHKEEPER_DATA to the folder that holds ecg5000/beats.npz")
    return path


def average(beats: Path, *, classic: bool) -> Metrics:
    """Mean over seeds, each with a split and a training of its own."""
    labelled = read_labelled(beats)
    runs = [
        measure(split_normal(labelled, normal=1, train_share=0.8, seed=seed), "dense", None, classic=classic, seed=seed)
        for seed in SEEDS
    ]
    return Metrics(*np.mean([astuple(run.metrics) for run in runs], axis=0).tolist())


def test_default_recipe(beats: Path) -> None:
    found = average(beats, classic=False)

    assert found.accuracy >= 0.97, found
    assert found.roc_auc >= 0.985, found


def test_classic_recipe_reaches_the_published_numbers(beats: Path) -> None:
    found = average(beats, classic=True)

    assert found.accuracy >= 0.944, found
    assert found.precision >= 0.992, found
    assert found.recall >= 0.907, found
