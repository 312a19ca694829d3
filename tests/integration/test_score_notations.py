"""`watchkeeper score` on files as loggers, Excel and historians write them, through the command line."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.cli.app import build
from monitor.errors import NotJudgedError, SettingsError, SourceError

ROWS, FAULT = 520, slice(400, 430)


def score(path: Path, *options: str, time: str = "time", value: str = "value") -> dict[str, Any]:
    """The summary, with the table that was written under "table"."""
    out = path.parent / "out.csv"
    arguments = [str(path), "--time", time, "--value", value, "--train-rows", "150", "--output", str(out)]
    arguments += (
        [] if "--config" in options else ["--recipe", "plain"]
    )  # how values are written, not how they are judged
    command = ["score", *arguments, *options, "--json"]
    shown: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.echo", lambda text, **_: shown.append(str(text)))
        with suppress(NotJudgedError):  # it comes behind the summary
            build().main(args=command, standalone_mode=False)
    found: dict[str, Any] = json.loads(shown[-1])
    return {**found, "table": pd.read_csv(out, keep_default_na=False)}


def opened(found: dict[str, Any]) -> list[int]:
    """Rows at which an alert opened."""
    rows: list[int] = np.flatnonzero(found["table"]["alert_opened"]).tolist()
    return rows


def kinds(found: dict[str, Any]) -> list[str]:
    """Kinds of the alerts, but for those that say what is missing and what was not judged."""
    return [alert["kind"] for alert in found["alerts"] if alert["kind"] not in ("missing", "unscored")]


def numbers(level: float = 20.0, fault: float = 4.0) -> list[float]:
    rng = np.random.default_rng(3)
    values = level + np.sin(np.arange(ROWS) / 6) + rng.normal(0, 0.05, ROWS)
    values[FAULT] += fault
    return [float(value) for value in np.round(values, 3)]


def stamps() -> list[str]:
    first = datetime(2026, 3, 2)  # noqa: DTZ001 (as the files have it)
    return [(first + timedelta(seconds=10 * row)).isoformat() for row in range(ROWS)]


def write(
    path: Path, cells: Sequence[Sequence[str]], header: Sequence[str] = ("time", "value"), *, delimiter: str = ",",
    above: str = "", encoding: str = "utf-8",
) -> Path:  # fmt: skip
    with path.open("w", newline="", encoding=encoding) as file:
        file.write(above)
        csv.writer(file, delimiter=delimiter).writerows([header, *cells])
    return path


def plain(path: Path, form: Callable[[int, float], str] = lambda _, value: str(value), **options: Any) -> Path:
    rows = [(at, form(row, value)) for row, (at, value) in enumerate(zip(stamps(), numbers(), strict=True))]
    return write(path, rows, **options)


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "plain").mkdir()
    return score(plain(tmp_path / "plain" / "in.csv"))


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["states"] == expected["states"]
    assert [alert["opened"] for alert in found["alerts"]] == [alert["opened"] for alert in expected["alerts"]] != []


def grouped(separator: str, point: str = ".") -> Callable[[int, float], str]:
    def form(_: int, value: float) -> str:
        return f"{value * 1000:,.1f}".translate({ord(","): separator, ord("."): point})

    return form


@pytest.mark.parametrize(
    ("form", "options"),
    [
        (grouped(","), ["--thousands", ","]),
        (grouped(".", ","), ["--decimal", ",", "--thousands", "."]),
        (grouped("\u202f"), ["--thousands", " "]),
        (grouped("\u2019"), ["--thousands", "'"]),
        (lambda _, value: f"{value:.3f}".replace(".", ","), ["--decimal", ","]),
    ],
)
def test_numbers_as_people_write_them(
    tmp_path: Path, expected: dict[str, Any], form: Callable[[int, float], str], options: list[str]
) -> None:
    assert_same(score(plain(tmp_path / "in.csv", form, delimiter=";"), *options), expected)


def test_numbers_that_are_not_asked_for_are_unreadable_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r'"20,\d+" is not a number: .*--decimal ","|--thousands ","'):
        score(plain(tmp_path / "in.csv", lambda _, value: str(value).replace(".", ","), delimiter=";"))


def over(row: int, value: float) -> str:
    return "Over Range" if FAULT.start <= row < FAULT.stop or row == 40 else str(value)


def test_a_word_above_the_range_is_an_alert_and_is_not_learned(tmp_path: Path) -> None:
    found = score(plain(tmp_path / "in.csv", over), "--high", "OVER,Over Range")
    assert kinds(found) == ["out-of-range"]
    assert found["alerts"][0]["severity"] == "warning"
    assert opened(found)[0] == FAULT.start
    assert set(found["table"]["state"][FAULT.stop + 12 :]) == {"ok"}

    assert kinds(score(plain(tmp_path / "in.csv", over), "--missing", "over range")) == []


def test_a_number_that_stands_for_no_value_is_one(tmp_path: Path) -> None:
    path = plain(tmp_path / "in.csv", lambda row, value: "-9999.0" if 300 <= row < 320 else str(value))
    found = score(path, "--missing", "-9999")
    assert kinds(found) == ["anomaly"]
    assert FAULT.start + 1 in opened(found)


def test_what_is_not_good_is_missing(tmp_path: Path) -> None:
    """Communication is lost for 40 rows: the value is 0. That is no fault, nor is the first window after it."""
    lost = range(300, 340)
    cells = [
        (at, "0" if row in lost else str(value), "Bad, comm" if row in lost else "GOOD")
        for row, (at, value) in enumerate(zip(stamps(), numbers(fault=0), strict=True))
    ]
    path = write(tmp_path / "in.csv", cells, ("time", "value", "StatusCode"))
    assert kinds(score(path)) == ["anomaly"]

    found = score(path, "--quality", "StatusCode", "--good", "Good")
    assert kinds(found) == []
    assert found["alerts"] != []  # the long stretch is said
    assert found["states"]["insufficient"] >= len(lost)


HEADS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("utf-16 with a mark", {"encoding": "utf-16", "delimiter": "\t"}, []),
    ("utf-16 big endian", {"encoding": "utf-16-be", "above": "\ufeff"}, []),
    ("utf-16 without a mark", {"encoding": "utf-16-le"}, []),
    ("utf-8 with a mark", {"encoding": "utf-8-sig"}, []),
    ("sep", {"above": "sep=;\r\n", "delimiter": ";"}, []),
    ("sep, marked", {"above": '"sep=|"\n', "delimiter": "|", "encoding": "utf-16"}, []),
    ("title", {"above": "Logger 7, 2026\n\n"}, ["--skip-rows", "2"]),
    ("title and sep", {"above": "Logger 7\nsep=;\n", "delimiter": ";"}, ["--skip-rows", "1"]),
]


@pytest.mark.parametrize(("options", "arguments"), [head[1:] for head in HEADS], ids=[head[0] for head in HEADS])
def test_the_head_of_a_file(
    tmp_path: Path, expected: dict[str, Any], options: dict[str, Any], arguments: list[str]
) -> None:
    assert_same(score(plain(tmp_path / "in.csv", **options), *arguments), expected)


def test_names_in_another_encoding_are_renamed(tmp_path: Path, expected: dict[str, Any]) -> None:
    path = plain(tmp_path / "in.csv", header=("Zeit", "Temp. [\xb0C]"), encoding="cp1252")
    with pytest.raises(SettingsError, match="--encoding cp1252"):
        score(path, time="Zeit", value="Temp. [\xb0C]")
    found = score(
        path, "--encoding", "cp1252", "--rename", "Temp. [\xb0C]=value", "--rename", "#1=time"
    )  # fmt: skip
    assert_same(found, expected)
    assert list(found["table"].columns[:2]) == ["time", "value"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--skip-rows", "900"], "the line after the first 900 must name"),
        (["--encoding", "dos"], "^--encoding: 'dos' is not known"),
        (["--encoding", "utf-16"], "is not utf-16"),
        (["--rename", "valeu=x"], r"no column valeu \(did you mean value\?\)"),
        (["--rename", "x"], "--rename: write"),
        (["--thousands", "."], "^--thousands: . is the decimal sign already"),
        (["--decimal", ";"], "^--decimal: "),
        (["--quality", "q"], "^--quality: "),
        (["--missing", "a", "--high", "A"], "^--missing, high and low: a may stand"),
        (["--key", "m1"], "--key names a stream of --key-column"),
        (["--counter", "energy"], "^--counters: there is no channel energy"),
    ],
)
def test_mistakes_name_the_option(tmp_path: Path, options: list[str], message: str) -> None:
    with pytest.raises((SettingsError, SourceError), match=message):
        score(plain(tmp_path / "in.csv"), *options)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_two_columns_of_one_name_are_an_error_with_a_way_on(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"in.{kind}"
    cells = [(at, "5.0", str(value)) for at, value in zip(stamps(), numbers(), strict=True)]
    if kind == "csv":
        write(path, cells, ("time", "value", "value"))
    else:
        columns = [pa.array(column) for column in zip(*cells, strict=True)]
        pq.write_table(pa.Table.from_arrays(columns, names=["time", "value", "value"]), path)
    with pytest.raises(SettingsError, match=r'columns 2 and 3 are both called value.*--rename "#3=value-3"'):
        score(path)
    found = score(path, "--rename", "#3=level", value="level")
    assert len(found["alerts"]) == 1
    assert list(found["table"].columns[:3]) == ["time", "level", "value"]


def test_a_column_of_labels_and_the_name_of_the_time_come_out_again(tmp_path: Path) -> None:
    cells = [
        (at, str(value), f"label {row}", "on") for row, (at, value) in enumerate(zip(stamps(), numbers(), strict=True))
    ]
    path = write(tmp_path / "in.csv", cells, ("when", "value", "label", "state"))
    table = score(path, time="when")["table"]
    assert list(table.columns)[:5] == ["when", "value", "label", "input_state", "score"]
    assert table["label"].tolist() == [f"label {row}" for row in range(ROWS)]
    assert set(table["input_state"]) == {"on"}


def two_machines(path: Path) -> Path:
    calm = numbers(level=70, fault=0)
    cells = [
        cell
        for at, value, other in zip(stamps(), numbers(), calm, strict=True)
        for cell in ((at, "m1", str(value)), (at, "m2", str(other)))
    ]
    return write(path, cells, ("time", "machine", "value"))


def test_one_of_several_machines_is_scored(tmp_path: Path, expected: dict[str, Any]) -> None:
    path = two_machines(tmp_path / "in.csv")
    with pytest.raises(SettingsError, match="machine names the streams m1, m2; score judges one of them"):
        score(path, "--key-column", "machine")
    with pytest.raises(SettingsError, match="m3 is not among them"):
        score(path, "--key-column", "machine", "--key", "m3")

    found = score(path, "--key-column", "machine", "--key", "m1")
    assert_same(found, expected)
    assert set(found["table"]["machine"]) == {"m1"}
    assert found["rows"] == ROWS
    assert score(path, "--key-column", "machine", "--key", "m2")["alerts"] == []


@pytest.mark.parametrize("chunk", [7, 1000])
def test_the_rows_of_a_machine_do_not_depend_on_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any], chunk: int
) -> None:
    monkeypatch.setattr("monitor.sources.files.selection.CHUNK", chunk)
    path = two_machines(tmp_path / "in.csv")
    assert_same(score(path, "--key-column", "machine", "--key", "m1"), expected)


def test_another_file_is_learned_from(tmp_path: Path) -> None:
    learned, judged = tmp_path / "learned.csv", tmp_path / "in.csv"
    table = list(zip(stamps(), map(str, numbers(fault=0)), strict=True))
    write(learned, table[:300])
    write(judged, [(at, str(value)) for at, value in list(zip(stamps(), numbers(), strict=True))[380:]])
    found = score(judged, "--train-file", str(learned))
    assert found["rows"] == ROWS - 380
    assert found["states"]["bootstrap"] == 11  # of the first window
    assert found["not_judged"] == []
    assert opened(found) == [FAULT.start + 1 - 380]
    with pytest.raises(SettingsError, match="is a file that is read"):
        score(judged, "--train-file", str(tmp_path / "out.csv"))


def test_a_counter_is_judged_by_its_rise_and_recognised(tmp_path: Path) -> None:
    rises = np.abs(np.array(numbers(level=0.3, fault=0)) / 20 + 0.3)
    rises[FAULT] *= 3
    totals = 250_000 + np.cumsum(rises)
    totals[350:] -= totals[350]  # reset
    path = write(tmp_path / "in.csv", [(at, f"{total:.3f}") for at, total in zip(stamps(), totals, strict=True)])

    (hint,) = score(path)["growing"]
    assert hint.startswith("value only grows, from 250,00")
    found = score(path, "--counter", "value")
    assert found["growing"] == []
    assert opened(found) == [FAULT.start + 1]


def test_the_options_stand_in_the_help() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "monitor", "score", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for option in ("--decimal", "--rename", "--high", "--time-format", "--train-file", "--key-column", "--good"):
        assert option in shown
