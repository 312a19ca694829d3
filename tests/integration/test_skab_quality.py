"""How well the recipe `multivariate` finds the faults of a real pump (SKAB), with default settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from monitor.cli.score import score

ROOT = Path(__file__).parents[2]
SKAB = Path(os.environ.get("WATCHKEEPER_DATA", ROOT.parent / "shared" / "data")) / "skab"
TRAIN, FILES = 400, (1, 4, 7, 10, 13)
WINDOW = np.timedelta64(60, "s")

pytestmark = pytest.mark.skipif(
    not SKAB.is_dir(), reason=f"no SKAB data in {SKAB}; set WATCHKEEPER_DATA to the folder that holds skab/"
)


class Judged(NamedTuple):
    """The test rows of a file: labelled and found anomalies, the times of labelled change points and of openings."""

    labelled: pd.Series
    found: pd.Series
    changes: np.ndarray
    openings: np.ndarray


def judged(number: int, folder: Path) -> Judged:
    file, target = SKAB / "valve1" / f"{number}.csv", folder / f"{number}.csv"
    table = pd.read_csv(file, sep=";", parse_dates=["datetime"])
    app = typer.Typer()
    app.command()(score)
    values = ",".join(table.columns[1:-2])
    given = ["--values", values, "--time", "datetime", "--train-rows", str(TRAIN), "--recipe", "multivariate"]
    done = CliRunner().invoke(app, [str(file), *given, "--output", str(target), "--quiet"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rows, truth = pd.read_csv(target)[TRAIN:], table[TRAIN:]
    times = truth["datetime"].to_numpy()
    return Judged(
        truth["anomaly"] == 1, rows["state"] == "anomaly",
        times[truth["changepoint"] == 1], times[(rows["alert_opened"] == 1).to_numpy()],
    )  # fmt: skip


def test_faults_of_a_pump_are_found_with_few_false_rows_and_their_changes_with_few_false_alerts(tmp_path: Path) -> None:
    files = [judged(number, tmp_path) for number in FILES]

    labelled, found = (np.concatenate([getattr(file, name) for file in files]) for name in ("labelled", "found"))
    hit, false, missed = (labelled & found).sum(), (~labelled & found).sum(), (labelled & ~found).sum()
    assert 2 * hit / (2 * hit + false + missed) >= 0.8
    assert false / (~labelled).sum() <= 0.2
    assert missed / labelled.sum() <= 0.25

    seen, wrong, every = 0, 0, 0
    for file in files:
        after = file.openings[None] - file.changes[:, None]
        inside = (after >= np.timedelta64(0)) & (after <= WINDOW)
        seen, every = seen + int(inside.any(axis=1).sum()), every + len(file.changes)
        wrong += int((~inside.any(axis=0)).sum())
    assert seen / every >= 0.7
    assert wrong / len(files) <= 1.8
