"""`watchkeeper evaluate` and the files it reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from monitor.cli.app import main
from monitor.cli.evaluate import evaluate, split_normal
from monitor.errors import MonitorError, RecordError
from monitor.replay.labelled_windows import LabelledWindows, read_labelled


@pytest.fixture
def beats() -> tuple[np.ndarray, np.ndarray]:
    """60 gentle beats labelled 1 and 20 wild ones labelled 2 and 3."""
    random = np.random.default_rng(0)
    windows = np.sin(np.arange(12) / 2) + random.normal(0, 0.1, (80, 12))
    windows[60:] += random.normal(0, 2, (20, 12))
    return windows.astype(np.float32), np.repeat([1, 2, 3], [60, 10, 10])


@pytest.fixture(params=["windows.npz", "beats.npz", "flat.csv", "flat.parquet"])
def file(request: pytest.FixtureRequest, tmp_path: Path, beats: tuple[np.ndarray, np.ndarray]) -> Path:
    windows, label = beats
    name: str = request.param
    path = tmp_path / name
    table = pd.DataFrame(windows, columns=[f"t{step}" for step in range(12)]).assign(label=label)
    if name == "windows.npz":
        np.savez(path, windows=windows[:, :, np.newaxis], label=label)
    elif name == "beats.npz":
        np.savez(path, beats=windows, label=label.astype(np.int8))
    elif name == "flat.csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    return path


def test_every_kind_of_file_gives_the_same_windows(file: Path, beats: tuple[np.ndarray, np.ndarray]) -> None:
    labelled = read_labelled(file)

    np.testing.assert_allclose(labelled.windows[:, :, 0], beats[0], rtol=1e-6)
    np.testing.assert_array_equal(labelled.label, beats[1])


def test_files_that_do_not_fit_are_explained(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    np.savez(tmp_path / "uneven.npz", windows=np.ones((3, 4)), label=np.ones(2))
    np.savez(tmp_path / "fractions.npz", windows=np.ones((3, 4)), label=np.full(3, 0.5))
    np.savez(tmp_path / "objects.npz", windows=np.array([{}, {}]), label=np.ones(2))
    (tmp_path / "broken.npz").write_bytes(b"PK broken")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "nolabel.csv").write_text("a,b\n1,2\n")
    (tmp_path / "text.csv").write_text("a,label\nhello,1\n")
    expected = {
        "missing.npz": "no such file", "notes.txt": "come as", "other.npz": "expected an array",
        "uneven.npz": "do not belong together", "fractions.npz": "whole numbers", "objects.npz": "pickle",
        "broken.npz": "cannot be read", "broken.parquet": "cannot be read", "nolabel.csv": "no column label",
        "text.csv": "could not convert",
    }  # fmt: skip

    for name, message in expected.items():
        with pytest.raises(RecordError, match=message):
            read_labelled(tmp_path / name)


def test_split_trains_on_normal_windows_only_and_tests_on_all_others(beats: tuple[np.ndarray, np.ndarray]) -> None:
    labelled = LabelledWindows(beats[0][:, :, np.newaxis], beats[1])

    split = split_normal(labelled, normal=1, train_share=0.8, seed=0)

    assert (len(split.train), len(split.test), int(split.normal.sum())) == (48, 32, 12)
    assert not {row.tobytes() for row in split.train} & {row.tobytes() for row in split.test}
    again = split_normal(labelled, normal=1, train_share=0.8, seed=0)
    np.testing.assert_array_equal(split.train, again.train)
    other = split_normal(labelled, normal=1, train_share=0.8, seed=1)
    assert not np.array_equal(split.train, other.train)


def test_an_unknown_normal_label_names_those_there_are(beats: tuple[np.ndarray, np.ndarray]) -> None:
    labelled = LabelledWindows(beats[0][:, :, np.newaxis], beats[1])

    with pytest.raises(MonitorError, match="the labels are 1, 2, 3"):
        split_normal(labelled, normal=9, train_share=0.8, seed=0)


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(evaluate)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("recipe", ["default", "classic"])
def test_json_and_report(tmp_path: Path, beats: tuple[np.ndarray, np.ndarray], recipe: str) -> None:
    np.savez(tmp_path / "data.npz", beats=beats[0], label=beats[1])
    flags = ["--classic"] if recipe == "classic" else []

    out = run("--data", f"{tmp_path}/data.npz", "--normal", "1", "--json", "--report", f"{tmp_path}/out", *flags)

    found = json.loads(out)
    assert found["recipe"] == recipe
    assert (found["train_windows"], found["test_normal"], found["test_anomalous"]) == (48, 12, 20)
    assert found["positive"] == "anomaly"
    assert found["roc_auc"] > 0.9
    assert all(Path(file).is_file() for file in found["files"])


def test_table(tmp_path: Path, beats: tuple[np.ndarray, np.ndarray]) -> None:
    np.savez(tmp_path / "data.npz", beats=beats[0], label=beats[1])

    out = run("--data", f"{tmp_path}/data.npz", "--normal", "1", "--n-std", "4")

    for name in ("accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "limit"):
        assert name in out
    assert "anomaly is the positive class" in out


def test_recall_is_the_share_of_the_anomalies_that_are_found(tmp_path: Path) -> None:
    """With a limit that no window passes nothing is found: the normal ones do not count as hits."""
    random = np.random.default_rng(0)
    windows = np.sin(np.arange(12) / 2) + random.normal(0, 0.1, (80, 12))
    windows[70:] += 2
    np.savez(tmp_path / "data.npz", beats=windows.astype(np.float32), label=np.repeat([1, 2], [70, 10]))
    found = json.loads(run("--data", f"{tmp_path}/data.npz", "--normal", "1", "--json"))

    assert found["recall"] == 1.0
    nothing = json.loads(run("--data", f"{tmp_path}/data.npz", "--normal", "1", "--n-std", "1e6", "--json"))
    assert (nothing["recall"], nothing["precision"]) == (0.0, 0.0)


def test_bad_input_ends_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "data.npz", beats=np.ones((4, 12), np.float32), label=np.array([1, 1, 1, 2]))
    data = ["--data", f"{tmp_path}/data.npz", "--normal"]
    for arguments, message in [
        ([*data, "1", "--detector", "crystal-ball"], "'crystal-ball' is not known"),
        ([*data, "9"], "the labels are 1, 2"),
        ([*data, "1"], "data.npz:"),
        (["--data", f"{tmp_path}/none.csv", "--normal", "1"], "no such file"),
        (["table.csv", "--detector", "dense"], "--detector goes with labelled windows"),  # the default, typed
        (["nab", "--train-share", "0.5"], "--train-share goes with labelled windows"),
        ([*data, "1", "--recipe", "plain"], "--recipe goes with corpora and tables"),
    ]:
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", *arguments])
        assert ended.value.code == 2, arguments
        assert message in capsys.readouterr().err
