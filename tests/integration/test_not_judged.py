"""Files of which much cannot be judged: what is said, and the exit code."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.ecg import lead
from tests.integration.test_score import score, score_in_part

T0 = np.datetime64("2026-05-04T00:00:00")


def write(path: Path, seconds: list[int], cells: list[str]) -> Path:
    with path.open("w", newline="") as file:
        rows = zip((str(T0 + np.timedelta64(at, "s")) + "Z" for at in seconds), cells, strict=True)
        csv.writer(file).writerows([("timestamp", "value"), *rows])
    return path


def cells(count: int) -> list[str]:
    rng = np.random.default_rng(7)
    return [f"{value:.3f}" for value in 20 + np.sin(np.arange(count) / 9) + rng.normal(0, 0.1, count)]


OPTIONS = ("--time", "timestamp", "--recipe", "plain", "--detector", "mahalanobis")  # it trains at once


def test_another_step_is_named(tmp_path: Path) -> None:
    seconds = [15 * i for i in range(400)]
    seconds += [seconds[-1] + 90 * (i + 1) for i in range(150)]
    summary, said = score_in_part(write(tmp_path / "in.csv", seconds, cells(550)), *OPTIONS)
    assert "150 of" in said.splitlines()[0]
    assert "every 90 s there, the interval is 15s" in said
    (alert,) = summary["alerts"]
    assert (alert["kind"], alert["state"]) == ("unscored", "open")
    assert "gaps: seems to send every 90 s, interval is 15s" in alert["cause"]
    assert summary["not_judged"] == said.splitlines()[: len(summary["not_judged"])]


def test_a_run_of_unreadable_rows_is_too_much(tmp_path: Path) -> None:
    """They are less than 5 % of the rows, but follow one another."""
    values = cells(2_000)
    values[1_000:1_030] = ["> 50"] * 30
    _, said = score_in_part(write(tmp_path / "in.csv", [10 * i for i in range(2_000)], values), *OPTIONS)
    assert "41 of" in said
    assert "41 of them in a row" in said
    assert '30 unreadable (bad-value); the first is in.csv, row 1000: value: "> 50" is not a number' in said


def test_a_block_that_is_an_hour_late_says_so(tmp_path: Path) -> None:
    at = [10 * i for i in range(900)]
    _, said = score_in_part(
        write(tmp_path / "in.csv", [*at, *(t + at[-1] - 3_590 for t in at)], cells(1_800)), *OPTIONS
    )
    assert "late: their time lies before that of an earlier row; the first is row 900" in said
    assert "60 min before the newest" in said


def test_one_gap_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = [10 * i + 3_000 * (i >= 900) for i in range(1_500)]
    summary = score(write(tmp_path / "in.csv", seconds, cells(1_500)), *OPTIONS)
    assert summary["not_judged"][0].startswith("11 of ")
    assert "unscored" not in {alert["kind"] for alert in summary["alerts"]}
    assert "warning: 11 of " in capsys.readouterr().err


def test_a_file_that_is_judged_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = score(write(tmp_path / "in.csv", [10 * i for i in range(900)], cells(900)), *OPTIONS)
    assert (summary["not_judged"], capsys.readouterr().err) == ([], "")


def test_a_heart_that_stops_is_an_alert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beats = lead(150, 250, 75, np.random.default_rng(3))[0]
    path = tmp_path / "ecg.csv"
    path.write_text("mv\n" + "\n".join(f"{value:.3f}" for value in [*beats, *[-0.1] * 6_000]))
    summary = score(path, "--rate", 250, "--values", "mv", "--window", "beat", "--train-rows", 15_000)
    (alert,) = (alert for alert in summary["alerts"] if alert["kind"] == "no-beat")
    assert (alert["state"], alert["severity"]) == ("open", "critical")
    assert alert["cause"].endswith("the line is flat at -0.1")
    assert "warning: no-beat of mv: no heartbeat for" in capsys.readouterr().err


def test_hours_without_a_value_are_no_anomaly(tmp_path: Path) -> None:
    """`default` would find its last value, which stands in for it, far from what is usual hours later."""
    rng = np.random.default_rng(7)
    at = np.arange(2_500)
    values = [f"{value:.3f}" for value in 50 + 10 * np.sin(2 * np.pi * at / 288) + rng.normal(0, 0.5, len(at))]
    values[1_512:1_656] = [""] * 144  # from the highest on, for twelve hours
    file = write(tmp_path / "in.csv", (300 * at).tolist(), values)
    summary, said = score_in_part(file, "--time", "timestamp", "--detector", "mahalanobis")
    assert summary["recipe"] == "default"
    assert {alert["kind"] for alert in summary["alerts"]} == {"missing", "unscored"}
    assert summary["states"]["insufficient"] == 141  # three are filled in
    assert "141 at the end of no whole window, after gaps or with values missing" in said
