"""What the times of a file say about the file as a whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from monitor.config.formats import Format
from monitor.errors import SettingsError
from monitor.records.batches import DeadLetter
from monitor.records.streams import StreamIndex
from monitor.sources.files.scored_output import ScoredWriter
from monitor.sources.files.source import FileColumns, FileSource

START = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
SECOND = 10**9


def write(folder: Path, when: Sequence[Any], **columns: Sequence[Any]) -> Path:
    path = folder / "a.csv"
    pd.DataFrame({"when": when, "value": np.arange(len(when)) % 7} | columns).to_csv(path, index=False)
    return path


def source_of(path: Path, chunk_rows: int = 37, layout: dict[str, str] | None = None, **columns: Any) -> FileSource:
    where = FileColumns(values=("value",), time="when", layout=Format.model_validate(layout or {}), **columns)
    return FileSource(path, where, StreamIndex(), chunk_rows=chunk_rows)


def read(source: FileSource) -> tuple[list[int], list[DeadLetter]]:
    times, dead, finished = [], [], False
    while not finished:
        poll = source.poll(0)
        times += poll.readings["file"].time.tolist()
        dead += poll.dead
        finished = poll.finished
    return times, dead


def moments(count: int, step: int = 10) -> list[datetime]:
    return [START + timedelta(seconds=step * row) for row in range(count)]


def naive(when: Sequence[datetime], zone: str = "Europe/Berlin") -> list[str]:
    return [moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat() for moment in when]


@pytest.mark.parametrize("chunk_rows", [1, 64, 10_000])
def test_a_file_with_its_newest_row_first_is_an_error_that_says_so(tmp_path: Path, chunk_rows: int) -> None:
    path = write(tmp_path, moments(150)[::-1])
    with pytest.raises(SettingsError, match=r"when runs backwards: 99 of the first 100 rows .* the oldest first"):
        read(source_of(path, chunk_rows))


def test_rows_that_come_late_now_and_then_are_read(tmp_path: Path) -> None:
    rows = moments(600)
    rows = [row for begin in range(0, 600, 3) for row in rows[begin : begin + 3][::-1]]  # two in three are late
    assert len(read(source_of(write(tmp_path, rows)))[0]) == 600


@pytest.mark.parametrize("chunk_rows", [1, 64, 10_000])
def test_a_column_of_another_calendar_is_an_error_that_names_it(tmp_path: Path, chunk_rows: int) -> None:
    ticks = [621_355_968_000_000_000 + int(moment.timestamp()) * 10**7 for moment in moments(150)]
    path = write(tmp_path, ticks)

    with pytest.raises(SettingsError, match=re.escape("a.csv, row 0: when = 63928")) as error:
        read(source_of(path, chunk_rows))
    assert "looks like .NET ticks" in str(error.value)
    assert "--time-format ticks" in str(error.value)
    times, dead = read(source_of(path, chunk_rows, {"time_unit": "ticks"}))
    assert (times, dead) == ([int(moment.timestamp()) * SECOND for moment in moments(150)], [])


def test_a_few_implausible_times_are_dead_letters(tmp_path: Path) -> None:
    when = [int(moment.timestamp()) for moment in moments(150)]
    when[3] = when[70] = 0

    times, dead = read(source_of(write(tmp_path, when)))

    assert len(times) == 148
    assert [(letter.offset, letter.reason) for letter in dead] == [(3, "bad-time"), (70, "bad-time")]
    assert 'set time_unit = "s"' in dead[0].error


@pytest.mark.parametrize("chunk_rows", [1, 64, 10_000])
@pytest.mark.parametrize("case", ["interleaved", "stacked", "cut"])
def test_several_rows_of_one_time_are_an_error_with_both_causes(tmp_path: Path, case: str, chunk_rows: int) -> None:
    when = [moment.isoformat() for moment in moments(150)]
    times = {
        "interleaved": [text for text in when for _ in range(2)],
        "stacked": when + when,
        "cut": [moment.isoformat(timespec="minutes")[:16] for moment in moments(300)],
    }[case]
    path = write(tmp_path, times, machine=["a", "b"] * 150 if case == "interleaved" else ["a"] * 150 + ["b"] * 150)

    with pytest.raises(SettingsError, match="--key-column") as error:
        read(source_of(path, chunk_rows))
    assert "--rate" in str(error.value)
    if case != "cut":
        assert len(read(source_of(path, chunk_rows, key="machine"))[0]) == 300


def test_a_few_repeated_rows_are_none(tmp_path: Path) -> None:
    when = [moment.isoformat() for moment in moments(150)]

    assert len(read(source_of(write(tmp_path, when[:40] + when[20:])))[0]) == 170


@pytest.mark.parametrize("chunk_rows", [1, 7, 10_000])
def test_a_block_that_is_late_by_an_hour_is_noted(tmp_path: Path, chunk_rows: int) -> None:
    path = write(tmp_path, naive(moments(1500)))
    source = source_of(path, chunk_rows, stream="m-1")
    read(source)

    (note,) = source.times.notes
    assert note.startswith("m-1, from 2026-10-25T02:00:00")
    assert "late by exactly an hour" in note
    assert (source.times.first, source.times.last) == (1_792_886_400 * SECOND, 1_792_886_400 * SECOND + 11_390 * SECOND)


@pytest.mark.parametrize("chunk_rows", [1, 64, 10_000])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_of_local_times(tmp_path: Path, suffix: str, chunk_rows: int) -> None:
    expected = [int(moment.timestamp()) * SECOND for moment in moments(1500)]
    path = write(tmp_path, naive(moments(1500)))
    if suffix == ".parquet":
        frame = pd.read_csv(path, parse_dates=["when"])
        path = tmp_path / "a.parquet"
        frame.to_parquet(path)
    source = source_of(path, chunk_rows, {"time_zone": "Europe/Berlin"})

    assert read(source) == (expected, [])
    assert source.times.notes == []
    assert (source.times.first, source.times.last) == (expected[0], expected[-1])


def test_scored_rows_have_the_times_of_the_readings(tmp_path: Path) -> None:
    """In Parquet, where they become timestamps."""
    columns = FileColumns(values=("value",), time="when", layout=Format(time_zone="Europe/Berlin"))
    source = FileSource(write(tmp_path, naive(moments(1500))), columns, StreamIndex(), chunk_rows=100)
    with ScoredWriter(tmp_path / "out.parquet", columns) as writer:
        finished = False
        while not finished:
            finished = source.poll(0).finished
            writer.write(source.rows, {"score": np.zeros(len(source.rows))})

    written = pd.read_parquet(tmp_path / "out.parquet")["when"].astype("int64").tolist()
    assert written == [int(moment.timestamp()) * SECOND for moment in moments(1500)]


def test_what_cannot_be(tmp_path: Path) -> None:
    path = write(tmp_path, ["2026-01-01"])
    with pytest.raises(SettingsError, match="time_zone: 'Berlin' is not known"):
        source_of(path, layout={"time_zone": "Berlin"})
    with pytest.raises(SettingsError, match="time_unit: '%H': a pattern needs"):
        source_of(path, layout={"time_unit": "%H"})
