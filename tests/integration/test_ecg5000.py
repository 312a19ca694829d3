"""Real heartbeats: ECG5000, trained on 80 % of the normal beats, tested on the others and on every abnormal one.

Every training is the shipped default, to its end: 2,326 beats, with the sizes, epochs and limit of a family that says
nothing of them. Dense takes three seeds, the LSTM one (about 40 s on a free core).
"""

from __future__ import annotations

import os
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.metrics import Metrics
from models.evaluation.report import Evaluation
from monitor.cli.evaluate import measure, split_normal
from monitor.replay.labelled_windows import read_labelled

SEEDS = (0, 1, 2)
pytestmark = pytest.mark.timeout(1800)  # seven trainings: two minutes on a free core, many on a crowded machine


@pytest.fixture(scope="module")
def beats() -> Path:
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("WATCHKEEPER_DATA", beside)) / "ecg5000" / "beats.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not there; set WATCHKEEPER_DATA to the folder that holds ecg5000/beats.npz")
    return path


def runs(beats: Path, kind: str, seeds: tuple[int, ...], *, classic: bool = False) -> list[Evaluation]:
    """One for each seed, which has a split and a training of its own."""
    labelled = read_labelled(beats)
    splits = [(seed, split_normal(labelled, normal=1, train_share=0.8, seed=seed)) for seed in seeds]
    return [measure(split, kind, None, classic=classic, seed=seed) for seed, split in splits]


def average(metrics: list[Metrics]) -> Metrics:
    return Metrics(*np.mean([astuple(found) for found in metrics], axis=0).tolist())


def test_dense(beats: Path) -> None:
    by_default = average([run.metrics for run in runs(beats, "dense", SEEDS)])

    assert by_default.roc_auc >= 0.99, by_default
    assert by_default.accuracy >= 0.98, by_default
    assert by_default.f1 >= 0.982, by_default


def test_lstm(beats: Path) -> None:
    (run,) = runs(beats, "lstm", SEEDS[:1])

    assert run.metrics.roc_auc >= 0.985, run.metrics
    assert run.metrics.accuracy >= 0.97, run.metrics


def test_classic_recipe_reaches_the_published_numbers(beats: Path) -> None:
    """They take the normal beats as the positive class."""
    found = runs(beats, "dense", SEEDS, classic=True)
    passed = [run.scores <= run.limit for run in found]
    precision = np.mean([run.normal[some].mean() for run, some in zip(found, passed, strict=True)])
    recall = np.mean([some[run.normal].mean() for run, some in zip(found, passed, strict=True)])

    assert average([run.metrics for run in found]).accuracy >= 0.944
    assert precision >= 0.992, precision
    assert recall >= 0.907, recall
