"""`watchkeeper evaluate mitbih|ecg5000` on made-up heartbeats: what it compares is what `watchkeeper score` writes."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.evaluation.beats import Record, compare
from monitor.cli.app import build
from monitor.cli.evaluate import measure, split_normal
from monitor.cli.evaluation import ecg5000, mitbih
from monitor.cli.evaluation.asked import Asked, Job
from monitor.errors import RecordError
from monitor.replay.labelled_windows import LabelledWindows
from tests.ecg import lead

RATE = 250
SECONDS = 460


def test_beats_above_the_limit_are_compared_with_the_marks_behind_five_minutes(tmp_path: Path) -> None:
    signal, at = lead(SECONDS, float(RATE), 70, np.random.default_rng(9), premature=0.06)
    marks = np.round(at * RATE).astype(np.int64)
    gaps = np.diff(marks, prepend=0)
    early = marks[gaps < 0.72 * np.median(gaps)]
    np.savez(tmp_path / "1.npz", ecg_mv=signal.astype(np.float32), beats=marks, pvc=early, rate_hz=RATE)
    pd.DataFrame({"ecg": signal.astype(np.float32)}).to_csv(tmp_path / "1.csv", index=False)
    (patient,) = mitbih.patients(tmp_path)
    found = mitbih.judge(Job(patient, None, 4))
    options = ["--rate", str(RATE), "--values", "ecg", "--window", "beat", "--seed", "4"]
    options += ["--train-rows", str(mitbih.LEARNED * RATE), "--output", str(tmp_path / "beats.csv"), "--json"]
    with redirect_stdout(StringIO()) as out:
        build().main(args=["score", str(tmp_path / "1.csv"), *options], standalone_mode=False)
    rows, summary = pd.read_csv(tmp_path / "beats.csv"), json.loads(out.getvalue())

    expected = compare(Record(marks, early, RATE), rows["sample"], rows["ratio"], mitbih.LEARNED)
    assert found.beats == expected
    assert found.beats.premature > 3
    assert found.peaks.sensitivity > 0.98
    opened = [alert for alert in summary["alerts"] if alert["kind"] == "anomaly"]
    assert found.alerts <= len(opened)
    assert 0 <= found.false_alerts <= found.alerts
    assert found.minutes == pytest.approx((SECONDS - 300) / 60, abs=0.02)


def test_records_that_are_missing_or_broken_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"holds no \.npz records"):
        mitbih.patients(tmp_path)
    np.savez(tmp_path / "1.npz", other=np.ones(3))
    with pytest.raises(RecordError, match="cannot be read as an ECG"):
        mitbih.patients(tmp_path)[0].read()


def test_heartbeats_one_by_one_are_measured_as_labelled_windows_are() -> None:
    random = np.random.default_rng(0)
    windows = np.sin(np.arange(12) / 2) + random.normal(0, 0.1, (90, 12))
    windows[70:] += random.normal(0, 2, (20, 12))
    labelled = LabelledWindows(windows.astype(np.float32)[:, :, np.newaxis], np.repeat([1, 3], [70, 20]))
    found = ecg5000.judge(Job(ecg5000.Trial("dense", labelled), None, 2))

    split = split_normal(labelled, 1, 0.8, 2)
    assert found["roc_auc"] == measure(split, "dense", None, classic=False, seed=2).metrics.roc_auc
    assert Asked(None, seed=2, count=2).seeds == (2, 3)
