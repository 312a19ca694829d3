"""`watchkeeper score` on whole files: one row out per row in, and nothing depends on what comes later."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
import typer
from rich.console import Console

from models import DETECTORS
from monitor.cli.app import build
from monitor.cli.rendering.alert_table import alerts_table
from monitor.errors import ModelError, NotJudgedError, SettingsError
from monitor.records.alerts import Alert
from monitor.sources.files import source

HEADER = ["timestamp", "value", "score", "limit", "ratio", "anomaly_score", "state", "alert_id", "alert_opened"]
TRAIN = 150
KINDS = ", ".join(DETECTORS)
QUICK = """
[families.quick]
topic = "t"
interval = "5m"
channels = [CHANNELS]
recipe = "plain"
window.length = 12
threshold = { n_std = 7, history = 5000 }
detector.options = { epochs = 15 }
"""
DATA = Path(os.environ.get("WATCHKEEPER_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def score(*arguments: object) -> dict[str, Any]:
    """Run the command; errors are raised."""
    out = StringIO()
    with redirect_stdout(out):
        build().main(args=["score", *map(str, arguments), "--json"], standalone_mode=False)
    summary: dict[str, Any] = json.loads(out.getvalue())
    return summary


def score_in_part(*arguments: object) -> tuple[dict[str, Any], str]:
    """As `score`, of a file of which too much is not judged; also returns what is said about that."""
    out = StringIO()
    with redirect_stdout(out), pytest.raises(NotJudgedError) as error:
        build().main(args=["score", *map(str, arguments), "--json"], standalone_mode=False)
    assert error.value.exit_code == 6
    return json.loads(out.getvalue()), str(error.value)


@pytest.fixture
def quick(tmp_path: Path) -> list[str]:
    """Options of the default settings, but for a training that takes no time."""
    return quick_options(tmp_path)


def quick_options(folder: Path, *channels: str) -> list[str]:
    names = ", ".join(f'"{name}"' for name in channels or ("value",))
    (folder / "quick.toml").write_text(QUICK.replace("CHANNELS", names))
    return ["--config", str(folder / "quick.toml"), "--train-rows", str(TRAIN)]


def signal(rows: int = 600, channels: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A rhythm with a little noise, and a fault from row 400 to row 420."""
    rng = np.random.default_rng(7)
    step = np.arange(rows)[:, None] * (1 + 0.1 * np.arange(channels))
    values = 20 + np.sin(step / 6) + rng.normal(0, 0.05, (rows, channels))
    values[400:420] += 6 * rng.choice([-1, 1], (min(20, max(0, rows - 400)), 1))
    return np.round(values, 4)


def stamps(rows: int) -> list[str]:
    return [f"{at:%Y-%m-%d %H:%M:%S}" for at in pd.date_range("2026-03-01", periods=rows, freq="5min")]


def table(rows: int = 600) -> list[list[str]]:
    return [[at, str(value)] for at, value in zip(stamps(rows), signal(rows)[:, 0].tolist(), strict=True)]


def write(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = ("timestamp", "value")) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return path


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=True)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored file, out.csv, beside its input, in.csv."""
    folder = tmp_path_factory.mktemp("scored")
    path = write(folder / "in.csv", table())
    summary = score(path, "--time", "timestamp", *quick_options(folder), "--output", folder / "out.csv")
    assert summary["rows"] == 600
    assert summary["interval"] == "5m"
    assert (summary["first_time"], summary["last_time"]) == ("2026-03-01 00:00:00", "2026-03-03 01:55:00")
    return folder / "out.csv"


def test_every_row_comes_out_with_its_score(scored: Path) -> None:
    out = read(scored)
    assert list(out.columns) == HEADER
    assert out["timestamp"].tolist() == stamps(600)
    assert set(out["state"][:TRAIN]) == {"bootstrap"}
    assert out[["score", "anomaly_score", "alert_id"]][:TRAIN].isna().all(axis=None)
    judged = out[TRAIN:]
    assert judged["anomaly_score"].between(0, 1).all()
    order = np.argsort(judged["ratio"].to_numpy(), kind="stable")
    assert (np.diff(judged["anomaly_score"].to_numpy()[order]) >= 0).all()
    assert ((judged["ratio"] > 1) == (judged["state"] == "anomaly")).all()
    assert ((judged["anomaly_score"] > 0.5) == (judged["state"] == "anomaly")).all()


def test_the_fault_opens_an_alert(scored: Path) -> None:
    out = read(scored)
    opened = np.flatnonzero(out["alert_opened"])
    assert any(400 <= row < 405 for row in opened)
    assert len(opened) <= 3
    for row in opened:
        assert isinstance(out["alert_id"][row], str)
    ids = out["alert_id"].fillna("")
    assert set(ids[out["alert_opened"] == 1]) == set(ids) - {""}
    assert (out["alert_opened"][ids == ""] == 0).all()


@pytest.mark.parametrize("garbage", ["-3.4e38", "4294967295", "1e6"])
def test_garbage_among_what_is_learned_hides_no_fault(tmp_path: Path, quick: list[str], garbage: str) -> None:
    rows = table()
    rows[100][1] = garbage

    summary = score(write(tmp_path / "garbage.csv", rows), "--time", "timestamp", *quick)

    after = read(tmp_path / "garbage.scored.csv")[TRAIN:]
    assert summary["garbage"] == 1
    assert len(summary["alerts"]) == 1
    assert np.isfinite(after["limit"]).all()
    assert after["limit"].max() < 5


def test_the_last_digit_of_a_constant_opens_no_alert(tmp_path: Path, quick: list[str]) -> None:
    rows = table()
    for i, row in enumerate(rows):
        row[1] = "50.1" if i > 400 or i % 90 == 60 else "50.0"
    for row in rows[500:520]:
        row[1] = "58.0"

    summary = score(write(tmp_path / "constant.csv", rows), "--time", "timestamp", *quick)

    opened = np.flatnonzero(read(tmp_path / "constant.scored.csv")["alert_opened"])
    assert len(summary["alerts"]) == len(opened) == 1
    assert 500 <= opened[0] < 505


@pytest.mark.parametrize("rows", [TRAIN + 1, 403, 404, 521])
def test_a_prefix_gives_the_prefix_of_the_output(scored: Path, tmp_path: Path, quick: list[str], rows: int) -> None:
    cut = write(tmp_path / "cut.csv", table()[:rows])
    score(cut, "--time", "timestamp", *quick, "--output", tmp_path / "out.csv")
    whole = scored.read_bytes()
    part = (tmp_path / "out.csv").read_bytes()
    assert len(part.splitlines()) == rows + 1
    assert whole.startswith(part)


def messy() -> list[list[str]]:
    """Bad cells, a repeated row, one out of order, short gaps and a long one; all behind the training rows too."""
    rows = table()
    rows[50][1] = "broken"
    rows[300][1] = "n.a."
    rows[301][0] = "yesterday"
    rows[302][1] = ""  # missing, not bad
    rows.insert(310, list(rows[309]))
    rows.insert(330, [*rows[320]])
    del rows[350:352]
    del rows[450:470]
    return rows


def test_bad_late_and_repeated_rows_stay_in_their_places(tmp_path: Path, quick: list[str]) -> None:
    path = write(tmp_path / "in.csv", messy())
    summary, _ = score_in_part(path, "--time", "timestamp", *quick)
    out = read(tmp_path / "in.scored.csv")
    state = out["state"]
    assert len(out) == len(messy()) == summary["rows"]
    assert state[50] == state[300] == state[301] == "invalid"
    assert out["value"][300] == "n.a."
    assert state[310] == "duplicate"
    assert state[330] == "late"
    assert out["anomaly_score"][[300, 301, 310, 330]].isna().all()
    assert summary["states"]["invalid"] == 3
    long_gap = np.flatnonzero(pd.to_datetime(out["timestamp"], errors="coerce").diff() > pd.Timedelta("1h"))[-1]
    assert set(state[long_gap : long_gap + 11]) == {"insufficient"}
    assert out["anomaly_score"][long_gap + 11 :].notna().all()


def test_the_size_of_chunks_changes_nothing(tmp_path: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "in.csv", messy())
    arguments = (path, "--time", "timestamp", *quick, "--output")
    _, whole = score_in_part(*arguments, tmp_path / "whole.csv")
    original = source.FileSource.__init__
    for chunk in (1, 97):
        monkeypatch.setattr(
            source.FileSource, "__init__",
            lambda self, *args, chunk=chunk, **more: original(self, *args, **{**more, "chunk_rows": chunk}),
        )  # fmt: skip
        assert score_in_part(*arguments, tmp_path / "parts.csv")[1] == whole
        assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("place", [0, TRAIN - 1, TRAIN, 404, 600])
def test_one_reading_from_the_future_costs_no_other_its_score(
    tmp_path: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """At the start, at the end of the training rows, within the fault and at the end: the others are judged as ever."""
    rows = table()
    rows.insert(place, ["2036-01-01 00:00:00", "20.5"])
    train = ["--train-rows", str(TRAIN + (place < TRAIN))]  # the same ones to learn from
    clean = write(tmp_path / "clean.csv", table())
    ahead = write(tmp_path / "ahead.csv", rows)
    score(clean, "--time", "timestamp", *quick, "--output", tmp_path / "expected.csv")
    summary = score(ahead, "--time", "timestamp", *quick[:2], *train, "--output", tmp_path / "out.csv")
    expected, out = read(tmp_path / "expected.csv"), read(tmp_path / "out.csv")

    assert out["state"][place] == "future"
    assert summary["states"]["future"] == 1
    assert np.isnan(out["score"][place])
    assert out.drop(index=place).to_csv(index=False) == expected.to_csv(index=False)

    original = source.FileSource.__init__
    monkeypatch.setattr(
        source.FileSource, "__init__", lambda self, *args, **more: original(self, *args, **{**more, "chunk_rows": 1})
    )
    score(ahead, "--time", "timestamp", *quick[:2], *train, "--output", tmp_path / "parts.csv")
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_several_channels_another_delimiter_and_parquet(tmp_path: Path) -> None:
    values = signal(600, 3)
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    frame.insert(0, "datetime", stamps(600))
    frame["unused"] = "x"
    frame.to_csv(tmp_path / "in.csv", sep=";", index=False)
    frame.assign(datetime=pd.to_datetime(frame["datetime"])).to_parquet(tmp_path / "in.parquet")
    options = ("--time", "datetime", "--values", "a,b,c", *quick_options(tmp_path, *"abc"), "--output")
    score(tmp_path / "in.csv", "--delimiter", ";", *options, tmp_path / "out.csv")
    score(tmp_path / "in.parquet", *options, tmp_path / "out.parquet")
    text, typed = read(tmp_path / "out.csv"), pd.read_parquet(tmp_path / "out.parquet")
    assert list(text.columns) == list(typed.columns) == ["datetime", "a", "b", "c", "unused", *HEADER[2:]]
    assert text["unused"].tolist() == ["x"] * 600
    assert typed["datetime"].dtype.kind == "M"
    assert np.array_equal(text["ratio"].to_numpy(np.float32), typed["ratio"].to_numpy(np.float32), equal_nan=True)
    assert text["alert_id"].fillna("").tolist() == typed["alert_id"].fillna("").tolist()


def test_clocks_that_were_put_back_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = table()
    moved = [*stamps(312), *stamps(600)[300:588]]
    path = write(tmp_path / "in.csv", [[at, value] for at, (_, value) in zip(moved, rows, strict=True)])

    score(path, "--time", "timestamp", *quick_options(tmp_path))

    message = capsys.readouterr().err
    assert "value, from 2026-03-02T01:00:00 on: 12 readings in a row are late by exactly an hour" in message
    assert "--timezone" in message


@pytest.mark.parametrize(("first", "words"), [("46082", "Excel days"), ("202603010000", "%Y%m%d%H%M")])
def test_times_of_another_calendar_are_an_error(tmp_path: Path, first: str, words: str) -> None:
    rows = [[f"{int(first) + row % 60}", "1"] for row in range(600)]

    with pytest.raises(SettingsError, match=f"row 0: timestamp = {first} looks like {words}; .* --time-format"):
        score(write(tmp_path / "in.csv", rows), "--time", "timestamp", *quick_options(tmp_path))


def test_a_rate_stands_in_for_times(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [row[1:] for row in table()], ["ecg_mv"])
    summary = score(path, "--value", "ecg_mv", "--rate", 360, "--window", "50ms", "--train-rows", TRAIN)
    out = read(tmp_path / "in.scored.csv")
    assert summary["window"] == 18
    assert summary["interval"] == "none"
    assert list(out.columns) == ["timestamp", "ecg_mv", *HEADER[2:]]
    assert out["timestamp"][36] == "1970-01-01T00:00:00.100000000Z"
    assert out["anomaly_score"][TRAIN:].notna().all()


def test_a_rate_without_a_window_takes_that_of_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [row[1:] for row in table()], ["ecg_mv"])
    assert score(path, "--value", "ecg_mv", "--rate", 360, "--train-rows", TRAIN)["window"] == 24


def test_settings_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "plant.toml").write_text(
        '[families.pumps]\ntopic = "t"\ninterval = "5m"\nwindow.length = "1h30m"\nthreshold.kind = "static"\n'
        'detector.kind = "lstm"\ndetector.options = { epochs = 3 }\n'
    )
    path = write(tmp_path / "in.csv", table())
    summary = score(path, "--time", "timestamp", "--train-rows", TRAIN, "--config", tmp_path / "plant.toml")
    assert (summary["window"], summary["detector"]) == (18, "lstm")
    assert read(tmp_path / "in.scored.csv")["limit"][TRAIN:].nunique() == 1


@pytest.mark.parametrize(("after", "learned"), [(200, 200), (100_000, 100)])
def test_as_many_rows_are_learned_as_settings_say_where_the_file_has_more(
    tmp_path: Path, after: int, learned: int
) -> None:
    settings = f'[families.pumps]\ntopic = "pumps"\ninterval = "5m"\nrecipe = "plain"\ntrain = {{ after = {after} }}\n'
    (tmp_path / "plant.toml").write_text(settings + 'detector = { kind = "mahalanobis" }\nwindow = { length = 10 }\n')
    path = write(tmp_path / "in.csv", table())

    summary = score(path, "--time", "timestamp", "--config", tmp_path / "plant.toml")

    assert summary["training_rows"] == learned


def test_defaults_learn_from_the_first_15_percent_and_see_the_fault(tmp_path: Path) -> None:
    summary = score(write(tmp_path / "in.csv", table(1000)), "--time", "timestamp")
    assert (summary["training_rows"], summary["interval"], summary["detector"]) == (150, "5m", "dense")
    opened = np.flatnonzero(read(tmp_path / "in.scored.csv")["alert_opened"])
    assert any(400 <= row < 405 for row in opened)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ([], SettingsError, "time column or"),
        (["--time", "when"], SettingsError, "no column when"),
        (["--time", "timestamp", "--train-rows", "600"], SettingsError, "only 600 rows"),
        (["--time", "timestamp", "--train-rows", "30"], ModelError, "complete windows"),
        (["--time", "timestamp", "--window", "7x"], SettingsError, "7x"),
        (["--time", "timestamp", "--output", "in.csv"], SettingsError, "file that is read"),
        (["--time", "timestamp", "--family", "pumps"], SettingsError, "--config"),
        (["--time", "timestamp", "--detector", "dance"], SettingsError, f"^--detector: 'dance' .* {KINDS}"),
        (["--time", "timestamp", "--window", "-3"], SettingsError, "^--window: -3 is neither"),
        (["--time", "timestamp", "--window", "0"], SettingsError, "^--window: must be"),
        (["--time", "timestamp", "--n-std", "-1"], typer.BadParameter, "'-1' is not a number from 0 to"),
        (["--time", "timestamp", "--interval", "soon"], SettingsError, "^--interval: 'soon'"),
        (["--rate", "1", "--window", "beat"], SettingsError, "^--rate: should be greater"),
        (["--time", "timestamp", "--delimiter", ";;"], SettingsError, "^--delimiter: ';;' is not one character"),
        (["--time", "timestamp", "--output", "out.txt"], SettingsError, "one of .csv, .parquet, .pq, .tsv"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], kind: type[Exception], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in.csv", table())
    with pytest.raises(kind, match=message):
        score("in.csv", *arguments)


def test_a_folder_and_a_pattern_are_scored_as_one_file(tmp_path: Path, quick: list[str]) -> None:
    rows, folder = table(), tmp_path / "days"
    folder.mkdir()
    for number, (begin, end) in enumerate([(0, 100), (100, 420), (420, 600)], start=9):  # 9, 10, 11
        write(folder / f"{number}.csv", rows[begin:end])
    score(write(tmp_path / "in.csv", rows), "--time", "timestamp", *quick)
    summary = score(folder, "--time", "timestamp", *quick)
    score(folder / "*.csv", "--time", "timestamp", *quick, "--output", tmp_path / "out.csv")

    expected = (tmp_path / "in.scored.csv").read_bytes()
    assert (tmp_path / "days.scored.csv").read_bytes() == (tmp_path / "out.csv").read_bytes() == expected
    assert summary["rows"] == 600
    with pytest.raises(SettingsError, match="--output: name the file"):
        score(folder / "*.csv", "--time", "timestamp", *quick)
    with pytest.raises(SettingsError, match="file that is read"):
        score(folder, "--time", "timestamp", *quick, "--output", folder / "9.csv")


def test_a_header_alone_is_no_file_to_score(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no rows"):
        score(write(tmp_path / "in.csv", []), "--time", "timestamp")


def test_a_window_may_be_wider_than_a_live_family_would_wait_for(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", table())
    with pytest.raises(ModelError, match=r"complete windows of 2500; raise --train-rows"):
        score(path, "--time", "timestamp", "--window", "2500")


def test_alerts_found_fit_80_columns() -> None:
    opened = 1_700_000_000 * 10**9
    one = Alert(
        id=UUID(int=7), run="r", family="f", stream="machine-[17]", opened_at=opened, started_at=opened,
        last_at=opened, resolved_at=opened, peak_ratio=12.5, peak_at=opened, windows=1234,
    )  # fmt: skip
    out = StringIO()
    Console(file=out, width=80).print(alerts_table([one]))
    row = out.getvalue().splitlines()[-1].split()
    assert row == ["00000000", "2023-11-14", "22:13:20", "2023-11-14", "22:13:20", "machine-[17]", "12.50"]


def test_a_real_machine_fails_where_people_said_so(tmp_path: Path) -> None:
    """NAB's machine temperature: alerts open inside labelled windows."""
    name = "realKnownCause/machine_temperature_system_failure.csv"
    if not (DATA / "nab" / name).exists():
        pytest.skip(f"no NAB data in {DATA}")
    score(DATA / "nab" / name, "--time", "timestamp", "--value", "value", "--output", tmp_path / "out.csv")
    out = read(tmp_path / "out.csv")
    when = pd.to_datetime(out["timestamp"])
    windows = [pd.to_datetime(window) for window in json.loads((DATA / "nab" / "windows.json").read_text())[name]]
    training = when[(out["state"] == "bootstrap").to_numpy().nonzero()[0][-1]]
    opened = when[out["alert_opened"] == 1]
    assert all(window[0] > training for window in windows)  # it learns from the first 750 rows
    assert sum(bool(opened.between(*window).any()) for window in windows) >= 3


@pytest.mark.parametrize("chunk", [1, 97, 1000])
def test_values_out_of_range_are_marked_where_they_stand(
    tmp_path: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    with (tmp_path / "quick.toml").open("a") as settings:
        settings.write("valid_range = { value = [-100, 100] }\nalerts.resolve_after = 3\n")
    rows = table()
    for number, row in enumerate(rows):  # off the grid, to both sides
        row[0] = str(pd.Timestamp(row[0]) + pd.Timedelta(seconds=70 * (-1) ** number))
    for bad in (300, 406, 599):
        rows[bad][1] = "1000"
    original = source.FileSource.__init__
    monkeypatch.setattr(
        source.FileSource,
        "__init__",
        lambda self, *args, **more: original(self, *args, **{**more, "chunk_rows": chunk}),
    )
    score(write(tmp_path / "in.csv", rows), "--time", "timestamp", *quick)
    out = read(tmp_path / "in.scored.csv")
    ids = out["alert_id"].fillna("")

    assert out["alert_opened"][[300, 406, 599]].tolist() == [1, 1, 1]
    assert ids[299] == ids[303] == ""
    assert len({*ids[300:303]}) == 1
    anomaly = ids[next(row for row in range(400, 406) if out["alert_opened"][row])]
    assert set(ids[406:420]) == {anomaly}  # and not the value out of range, or nothing after it


def test_rows_that_cannot_be_read_are_the_reason_for_too_few(tmp_path: Path, quick: list[str]) -> None:
    rows = [[at, value.replace(".", ",") + " C"] for at, value in table()]
    with pytest.raises(
        ModelError, match=r"150 of the training rows cannot be read, the first is in\.csv, row 0: value"
    ):
        score(write(tmp_path / "in.csv", rows), "--time", "timestamp", *quick)
    empty = [[at, ""] for at, _ in rows]
    with pytest.raises(ModelError, match="hold 0 readings without missing values"):
        score(write(tmp_path / "in.csv", empty), "--time", "timestamp", *quick)
    seldom = [[at, value if number % 6 == 0 else ""] for number, (at, value) in enumerate(table())]
    with pytest.raises(ModelError, match=r"lack a value for longer than align\.max_gap: leave those rows out"):
        score(write(tmp_path / "in.csv", seldom), "--time", "timestamp")
