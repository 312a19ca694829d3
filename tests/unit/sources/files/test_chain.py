"""Folders and patterns: many files are read as one, chunk by chunk."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor import bootstrap
from monitor.config.settings import parse
from monitor.errors import SettingsError, SourceError
from monitor.records.batches import DeadLetter, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Records
from monitor.sources.files.chain import count_rows, files_of, stream_names
from monitor.sources.files.head import Head
from monitor.sources.files.source import FileColumns, FileSource

COLUMNS = FileColumns(values=("value",), time="when", stream="m-1")
PER_FILE = FileColumns(values=("value",), time="when")


def save(path: Path, first: int, rows: int) -> None:
    """Rows `first` to `first + rows` of a ramp, one a second; each kind of file has its own types and column order."""
    times = [f"2026-01-01 00:{row // 60:02}:{row % 60:02}" for row in range(first, first + rows)]
    if path.suffix == ".parquet":
        values = pa.array(range(first, first + rows), pa.int64() if first % 2 else pa.float64())
        pq.write_table(pa.table({"value": values, "when": pa.array(pd.to_datetime(times))}), path)
        return
    text = "".join(f"{row};{at}\n" for row, at in zip(range(first, first + rows), times, strict=True))
    data = f"value;when\n{text}".encode()
    packed = {".gz": gzip.compress, ".zst": lambda body: pa.compress(body, "zstd", asbytes=True)}
    path.write_bytes(packed.get(path.suffix, bytes)(data))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """40 rows in six files, one of them without rows, beside what is none of them."""
    sizes = {"2.csv": 9, "3.parquet": 5, "10.csv.gz": 0, "11.csv.zst": 14, "11b.parquet": 7, "100.csv": 5}
    first = 0
    (tmp_path / "plant").mkdir()
    for name, rows in sizes.items():
        save(tmp_path / "plant" / name, first, rows)
        first += rows
    (tmp_path / "plant" / "README.txt").write_text("no table")
    (tmp_path / "plant" / ".hidden.csv").write_text("no table")
    (tmp_path / "plant" / "below").mkdir()
    save(tmp_path / "plant" / "below" / "1.csv", 900, 3)
    return tmp_path / "plant"


def read(
    path: Path, columns: FileColumns = COLUMNS, chunk_rows: int = 1000, first_rows: int | None = None
) -> tuple[list[Readings], list[DeadLetter], list[str]]:
    index = StreamIndex()
    source = FileSource(path, columns, index, chunk_rows=chunk_rows, first_rows=first_rows)
    readings, dead, finished, seen = [], [], False, 0
    while not finished:
        poll = source.poll(0)
        finished = poll.finished
        readings.append(poll.readings["file"])
        dead += poll.dead
        seen += poll.records
        assert list(poll.positions.values()) == [seen]
        assert source.rows.index.tolist() == list(range(seen - poll.records, seen))
    source.close()
    return readings, dead, [index.name(code) for part in readings for code in part.stream.tolist()]


@pytest.mark.parametrize("chunk_rows", [1, 3, 7, 1000])
@pytest.mark.parametrize("first_rows", [None, 12])
def test_a_folder_reads_like_one_file(folder: Path, chunk_rows: int, first_rows: int | None) -> None:
    readings, dead, names = read(folder, chunk_rows=chunk_rows, first_rows=first_rows)

    assert dead == []
    assert len(readings[0]) == (first_rows or min(chunk_rows, 40))
    assert np.concatenate([part.values for part in readings])[:, 0].tolist() == list(range(40))
    start = 1767225600 * 10**9
    assert np.concatenate([part.time for part in readings]).tolist() == [start + row * 10**9 for row in range(40)]
    assert np.concatenate([part.offset for part in readings]).tolist() == list(range(40))
    assert set(names) == {"m-1"}


@pytest.mark.parametrize("chunk_rows", [4, 1000])
def test_without_a_name_each_file_is_a_stream(folder: Path, chunk_rows: int) -> None:
    _, _, names = read(folder, PER_FILE, chunk_rows)

    assert names == ["2"] * 9 + ["3"] * 5 + ["11"] * 14 + ["11b"] * 7 + ["100"] * 5


def test_patterns(folder: Path) -> None:
    def names(pattern: str) -> list[str]:
        return [str(path.relative_to(folder)) for path in files_of(folder / pattern)]

    assert names("*.csv*") == ["2.csv", "10.csv.gz", "11.csv.zst", "100.csv"]
    assert names("**/*.csv") == ["2.csv", "100.csv", "below/1.csv"]
    assert names("1?.csv.*") == ["10.csv.gz", "11.csv.zst"]
    (folder / "[odd].csv").write_text("value;when\n")
    assert names("[odd].csv") == ["[odd].csv"]


@pytest.mark.parametrize(
    ("pattern", "message"), [("*.xls", "no such file"), ("below/none", "no such"), ("empty", "no CSV")]
)
def test_nothing_to_read_is_an_error(folder: Path, pattern: str, message: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(SourceError, match=message):
        files_of(folder / pattern)


def test_a_file_without_the_columns_is_found_before_anything_is_read(folder: Path) -> None:
    (folder / "99.csv").write_text("when;valve\n")
    with pytest.raises(SettingsError, match=r"99\.csv has no column value \(did you mean valve\?\)"):
        FileSource(folder, COLUMNS, StreamIndex())


def test_dead_letters_name_the_file_and_its_row(folder: Path) -> None:
    (folder / "12.csv").write_text("when;value\nsoon;1\n2026-01-01;x\n2026-01-01\n")
    _, dead, _ = read(folder)

    assert [(letter.topic, letter.offset, letter.reason) for letter in dead] == [
        ("plant", 35, "bad-time"), ("plant", 36, "bad-value"), ("plant", 37, "wrong-length"),
    ]  # fmt: skip
    assert dead[1].error == '12.csv, row 1: value: "x" is not a number: --high x, --low x or --missing x?'


def test_names_that_cannot_be_kept_are_dead_letters(tmp_path: Path) -> None:
    cells = [b"m-1", b"a\x00b", b"", b"\xff", b"x" * 513]
    rows = b"".join(b"2026-01-01," + cell + b",1\n" for cell in cells)
    (tmp_path / "a.csv").write_bytes(b"when,name,value\n" + rows)
    _, dead, names = read(tmp_path / "a.csv", FileColumns(values=("value",), time="when", key="name"))

    assert names == ["m-1"]
    assert [letter.reason for letter in dead] == ["bad-key", "missing-key", "utf8", "bad-key"]


TIMES = [
    "2026-01-31T10:00:00+05:30", "2026-01-31 10:00:00-0800", "2026-03-29T02:30:00+01:00", "1969-12-31T23:59:59Z",
    "1900-01-01", "2262-04-12", "2300-01-01T00:00:00Z", "9999-12-31", "-86400", "1e300", "nan", "25:00", "",
    "1767225600123", "99999999999999999999", "2024-02-30", "2026-01-31T10:00:60Z",
]  # fmt: skip
VALUES = ["1.5", "1e39", "inf", "-inf", "nan", "null", "", "0x1", "1,5", "٣", "true", "-0.0", "1e-50", " 2 "]


def test_cells_mean_what_they_mean_in_messages(tmp_path: Path) -> None:
    """Kafka's CSV lines, CSV files, and Parquet files of text: the same readings, and the same rows dead."""
    pairs = [(at, "1") for at in TIMES] + [("2026-01-01", value) for value in VALUES]
    frame = pd.DataFrame(pairs, columns=["when", "value"])
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    raw = {
        "topic": "t",
        "interval": "1s",
        "recipe": "plain",
        "window": {"length": 4},
        "format": {"kind": "csv", "time": "when"},
    }
    family = parse({"families": {"f": raw}}).families["f"]
    lines = [f'{at},"{value}"'.encode() for at, value in pairs]
    zeros = np.zeros(len(lines), np.int32)
    records = Records("t", [b"m-1"] * len(lines), lines, zeros, np.arange(len(lines)))
    expected, dead = bootstrap.decoder(family, StreamIndex()).decode(records)

    for name in ("a.csv", "a.parquet"):
        (readings,), refused, _ = read(tmp_path / name)
        assert [letter.offset for letter in refused] == [letter.offset for letter in dead]
        for column in ("time", "values", "offset"):
            assert getattr(readings, column).tobytes() == getattr(expected, column).tobytes(), (name, column)
    assert len(expected) + len(dead) == len(pairs)
    assert 12 < len(dead) < 22


MEASURE = """
import sys
from pathlib import Path
from monitor.config.formats import Format
from monitor.records.streams import StreamIndex
from monitor.sources.files.source import FileColumns, FileSource
columns = FileColumns(values=("value",), time="when", layout=Format(time_unit="s"), stream="m")
source = FileSource(Path(sys.argv[1]), columns, StreamIndex(), chunk_rows=5000)
rows, finished = 0, False
while not finished:
    poll = source.poll(0)
    rows, finished = rows + poll.records, poll.finished
status = Path("/proc/self/status").read_text().split()  # not getrusage: it counts what the parent held, too
print(rows, status[status.index("VmHWM:") + 1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc, which is Linux's")
@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.zst", ".parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    """Four times the rows, of numbers that cannot be packed, in one row group, take no more memory.

    The smaller file is larger than what is read of Parquet at once.
    """
    peaks = []
    for rows in (80_000, 320_000):
        path = tmp_path / f"{rows}{suffix}"
        when = np.arange(rows)
        noise = np.random.default_rng(0).normal(size=(rows, 4))
        frame = pd.DataFrame({"when": when, "value": noise[:, 0], "b": noise[:, 1], "c": noise[:, 2]})
        if suffix == ".parquet":
            frame.to_parquet(path, row_group_size=rows)
        else:
            frame.round(6).to_csv(path, index=False, compression="gzip" if path.suffix == ".gz" else None)
            if path.suffix == ".zst":
                path.write_bytes(pa.compress(path.read_bytes(), "zstd", asbytes=True))
        command, alone = [sys.executable, "-c", MEASURE, str(path)], os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=alone)
        read_rows, peak = map(int, done.stdout.split())
        assert read_rows == rows
        peaks.append(peak)

    assert peaks[1] - peaks[0] < 12_000  # KiB


def test_streams_are_called_like_their_files_and_never_two_alike(tmp_path: Path) -> None:
    for name in (
        "site-a/m1.csv",
        "site-b/m1.CSV",
        "site-b/2026.01.02.csv",
        "site-b/pump.1.csv.gz",
        "site-b/pump.2.csv",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = files_of(tmp_path / "site-?" / "*.*")

    assert set(stream_names(found).values()) == {"site-a/m1", "site-b/m1", "2026.01.02", "pump.1", "pump.2"}
    (tmp_path / "site-a" / "m1.parquet").touch()
    with pytest.raises(SettingsError, match=r"m1\.csv and .*m1\.parquet would both be stream m1.*--key"):
        stream_names(files_of(tmp_path / "site-a"))


def test_extensions_may_be_capital_letters(tmp_path: Path) -> None:
    for number, name in enumerate(("1.csv", "2.csv.gz", "3.parquet")):
        save(tmp_path / name, number, 1)
        (tmp_path / name).rename(tmp_path / name.upper())

    assert read(tmp_path)[1:] == ([], ["m-1"] * 3)
    assert count_rows(tmp_path, Head(), 100) == 3
