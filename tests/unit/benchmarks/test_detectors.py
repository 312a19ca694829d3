"""The harness behind `make bench-detectors`: corpora, rows, and the page that is made of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import models
from models.artefacts.scores import ScoreSummary
from monitor.pipeline.scoring import false_alarms
from tests.benchmarks.detectors import data, page, trial
from tests.benchmarks.detectors.__main__ import Job, main, measured

MARKS = f"# Title\n\n{page.BEGIN}\nold\n{page.END}\n\nMore.\n"
CHANNELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small files of the three corpora: noise, with heartbeats and rows that are far off."""
    made, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name in ("ecg5000", "skab/valve1", "nab/realKnownCause"):
        (made / name).mkdir(parents=True)
    beats = np.sin(np.arange(20) / 3) + random.normal(0, 0.1, (150, 20))
    beats[100:] += 3
    label = np.repeat(np.array([1, 2], np.int8), (100, 50))
    np.savez(made / "ecg5000" / "beats.npz", beats=beats.astype(np.float32), label=label)
    for number in range(2):
        rows = pd.DataFrame(random.normal(size=(500, 3)), columns=list(CHANNELS))
        rows.iloc[450:] += 5
        rows["anomaly"], rows["changepoint"] = (rows.index >= 450) * 1.0, 0.0
        rows.insert(0, "datetime", pd.date_range("2020-03-01", periods=500, freq="s"))
        rows.to_csv(made / "skab" / "valve1" / f"{number}.csv", sep=";", index=False)
    times = pd.date_range("2013-12-02", periods=1000, freq="5min")
    values = random.normal(80, 1, 1000)
    values[800:900] -= 20
    pd.DataFrame({"timestamp": times, "value": values}).to_csv(made / "nab" / data.MACHINE, index=False)
    spans = {data.MACHINE: [[str(times[800]), str(times[899])]]}
    (made / "nab" / "windows.json").write_text(json.dumps(spans), encoding="utf-8")
    return made


def test_beats_are_split_as_evaluate_splits_them(folder: Path) -> None:
    from monitor.cli.evaluate import split_normal
    from monitor.replay.labelled_windows import read_labelled

    split = split_normal(read_labelled(folder / "ecg5000" / "beats.npz"), 1, 0.8, seed=3)
    (part,) = data.ecg5000(folder, seed=3)

    np.testing.assert_array_equal(part.train, split.train)
    np.testing.assert_array_equal(part.test, split.test)
    np.testing.assert_array_equal(part.anomalous, ~split.normal)


def test_a_window_of_a_series_ends_at_the_row_whose_label_it_has(folder: Path) -> None:
    first, second = data.skab(folder, seed=0)
    rows = pd.read_csv(folder / "skab" / "valve1" / "1.csv", sep=";")

    assert (first.train.shape, second.test.shape) == ((377, 24, 3), (100, 24, 3))
    np.testing.assert_array_equal(second.train[-1, -1], rows.loc[399, list(CHANNELS)].to_numpy(np.float32))
    np.testing.assert_array_equal(second.test[50], rows.loc[427:450, list(CHANNELS)].to_numpy(np.float32))
    assert np.flatnonzero(second.anomalous)[0] == 50


def test_the_failures_of_the_machine_are_rows(folder: Path) -> None:
    (part,) = data.machine(folder, seed=0)

    assert part.train.shape == (127, 24, 1)
    assert np.flatnonzero(part.anomalous)[[0, -1]].tolist() == [650, 749]


def test_the_limit_is_that_of_evaluate() -> None:
    for mean, std in ((1.0, 0.3), (20.0, 0.0), (1e-3, 5e-3)):
        clean = ScoreSummary(mean, std, {}, 10, 10)
        assert trial.default_limit(clean) == pytest.approx(false_alarms.limit(mean, std))


@pytest.mark.parametrize("kind", ["median window", "mahalanobis"])
@pytest.mark.parametrize("corpus", data.CORPORA)
def test_a_row_has_every_figure_of_its_table(folder: Path, kind: str, corpus: str) -> None:
    row = trial.measure(kind, corpus, 0, folder)

    assert (row["megabytes"] is None) == (kind == "median window")
    columns = (page.WINDOWS if corpus == "ecg5000" else page.SERIES) | page.COSTS
    assert {name for name, _ in columns.values()} <= set(row)
    assert row["auc"] > 0.99
    assert row["f1"] > 0.3  # limits from a few dozen windows that overlap
    if corpus != "ecg5000":
        assert row["ranges_found"] == row["ranges"] > 0
    json.dumps(row, allow_nan=False)


def test_figures_of_a_kind_are_those_of_its_scores(folder: Path) -> None:
    (part,) = data.ecg5000(folder, seed=1)
    detector = models.create("mahalanobis", length=20, channels=1, seed=1).fit(part.train)
    above = detector.score(part.test) > false_alarms.limit(detector.training_scores.mean, detector.training_scores.std)
    row = trial.measure("mahalanobis", "ecg5000", 1, folder)

    assert row["accuracy"] == pytest.approx(float((above == part.anomalous).mean()))
    assert row["parameters"] == 20 + 20 * 20


def test_a_row_that_fails_says_why_and_so_does_the_exit_code(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    command = ["run", "--kinds", "median window", "--corpora", "ecg5000", "skab", "--seeds", "1", "--jobs", "2"]
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "ecg5000").symlink_to(folder / "ecg5000")

    assert main([*command, "--data", str(tmp_path / "part"), "--out", str(out)]) == 1
    rows = {row["corpus"]: row for row in map(json.loads, out.read_text(encoding="utf-8").splitlines())}
    assert "holds no experiments (exit code 1)" in rows["skab"]["failed"]
    assert rows["ecg5000"]["auc"] > 0.99

    assert main([*command, "--data", str(folder), "--out", str(out)]) == 0  # only what failed is measured again
    again = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(row["corpus"], "failed" in row) for row in again[2:]] == [("skab", False)]


def test_a_row_that_takes_too_long_is_given_up(folder: Path) -> None:
    row = measured(Job("median window", "skab", 0), folder, timeout=0.01)

    assert row == {"kind": "median window", "corpus": "skab", "seed": 0, "failed": "took longer than 0.01 s"}


def test_it_needs_nothing_of_the_monitor() -> None:
    check = (
        "import sys, tests.benchmarks.detectors.__main__, tests.benchmarks.detectors.trial;"
        "sys.exit(' '.join({'monitor', 'pydantic', 'typer', 'torch', 'sqlalchemy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", check], text=True, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def figures(kind: str, seed: int, auc: float) -> page.Row:
    names = [name for name, _ in (page.WINDOWS | page.COSTS).values()]
    return dict.fromkeys(names, 0.5) | {"kind": kind, "corpus": "ecg5000", "seed": seed, "auc": auc, "machine": "M"}


class TestPage:
    def test_rows_are_means_and_spreads_with_the_best_first(self) -> None:
        rows = [figures("dense", 0, 0.99), figures("dense", 1, 0.97), figures("lstm", 0, 0.995)]
        written = page.render(MARKS, rows, ["dense", "lstm"])

        assert written.startswith("# Title\n")
        assert written.endswith(f"{page.END}\n\nMore.\n")
        assert "old" not in written
        assert written.index("| `lstm` | .9950 |") < written.index("| `dense` | .9800 ± .0141 |")
        assert page.render(written, rows, ["dense", "lstm"]) == written

    def test_a_detector_that_loses_to_a_simple_one_is_named(self) -> None:
        rows = [figures("dense", 0, 0.99), figures("lstm", 0, 0.9), figures("median window", 0, 0.95)]
        written = page.render(MARKS, rows, ["dense", "lstm"])

        assert "Below median window (.9500 AUC): `lstm` .9000." in written
        assert "Below `dense` (.9900 AUC): `lstm` .9000, median window .9500." in written

    def test_what_was_not_measured_is_no_failure(self) -> None:
        written = page.render(MARKS, [figures("dense", 0, 0.99) | {"megabytes": None}], ["dense"])

        assert "memory, MB |" in written
        assert "| - |" in written
        assert "failed" not in written

    def test_a_failure_is_shown(self) -> None:
        row = {"kind": "lstm", "corpus": "ecg5000", "seed": 2, "failed": "no memory (exit code -9)"}
        written = page.render(MARKS, [row], ["dense", "lstm"])

        assert "| `lstm` | failed |" in written
        assert "`lstm`, seed 2, failed: no memory (exit code -9)" in written

    def test_a_page_without_markers_is_refused(self) -> None:
        with pytest.raises(ValueError, match="once each"):
            page.render("# Title", [], [])


def test_the_page_has_the_figures_that_are_kept() -> None:
    root = Path(__file__).parents[3]
    kept = root / "docs" / "detectors.json"
    if not kept.is_file():
        pytest.skip("no docs/detectors.json yet: make bench-detectors")
    written = (root / "docs" / "detectors.md").read_text(encoding="utf-8")

    assert page.render(written, json.loads(kept.read_text(encoding="utf-8")), list(models.DETECTORS)) == written
