from __future__ import annotations

import gzip
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.config.formats import Format
from monitor.errors import SettingsError, SourceError
from monitor.records.batches import DeadLetter, Poll, Readings, TopicPartition
from monitor.records.streams import StreamIndex
from monitor.sources.files.chain import count_rows
from monitor.sources.files.head import Head
from monitor.sources.files.scored_output import ScoredWriter
from monitor.sources.files.source import FileColumns, FileSource

DATA = Path(os.environ.get("WATCHKEEPER_DATA", Path(__file__).parents[5] / "shared" / "data"))
real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}; set WATCHKEEPER_DATA")
ROWS = [("2020-01-01 00:00:00", "1.5"), ("2020-01-01 00:00:10", ""), ("2020-01-01T00:00:20Z", "-3e2")]
EXPECTED_TIMES = [1577836800 * 10**9 + step * 10**10 for step in range(3)]
PLAIN = FileColumns(values=("value",), time="when")


def read(path: Path, columns: FileColumns = PLAIN, **options: Any) -> tuple[list[Readings], list[DeadLetter], Poll]:
    """All readings, all dead letters, and the last poll."""
    source = FileSource(path, columns, StreamIndex(), **options)
    readings, dead = [], []
    while True:
        poll = source.poll(0)
        readings.append(poll.readings["file"])
        dead += poll.dead
        if poll.finished:
            source.close()
            return readings, dead, poll


def write(path: Path, text: str) -> Path:
    """A file of this text, packed as its name says."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif path.suffix == ".zst":
        path.write_bytes(pa.compress(text.encode(), "zstd", asbytes=True))
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zst"])
def test_delimited_text_in_any_wrapping(tmp_path: Path, name: str, delimiter: str) -> None:
    lines = [("when", "value"), *ROWS]
    path = write(tmp_path / name, "\n".join(delimiter.join(line) for line in lines) + "\n")
    (readings,), dead, poll = read(path)

    assert dead == []
    assert readings.time.tolist() == EXPECTED_TIMES
    assert np.array_equal(readings.values, np.array([[1.5], [np.nan], [-300]], np.float32), equal_nan=True)
    assert readings.offset.tolist() == [0, 1, 2]
    assert poll.positions == {(name, 0): 3}
    assert poll.records == 3


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_keeps_types(tmp_path: Path, unit: Literal["s", "ms", "us", "ns"]) -> None:
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({"when": pd.to_datetime([row[0][:19].replace("T", " ") for row in ROWS]).as_unit(unit)})
    frame["value"] = pd.array([1, None, -300], dtype="Int64")
    frame["name"] = ["a", "b", "a"]
    frame.to_parquet(path, row_group_size=2)
    (readings,), dead, _ = read(path, FileColumns(values=("value",), time="when", key="name"))

    assert dead == []
    assert readings.time.tolist() == EXPECTED_TIMES
    assert np.array_equal(readings.values[:, 0], np.array([1, np.nan, -300], np.float32), equal_nan=True)
    assert readings.stream.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1577836800", 1577836800 * 10**9),
        ("1577836800.25", 1577836800_250_000_000),
        ("1577836800123", 1577836800_123_000_000),
        ("1577836800123456", 1577836800_123_456_000),
        ("1577836800123456789", 1577836800_123_456_789),
        ("2020-01-01", 1577836800 * 10**9),
        ("2020-01-01T02:00+02:00", 1577836800 * 10**9),
        ("2020-01-01 00:00:00.123456789", 1577836800_123_456_789),
    ],
)
def test_times_to_the_nanosecond(tmp_path: Path, text: str, nanoseconds: int) -> None:
    (readings,), _, _ = read(write(tmp_path / "a.csv", f"when,value\n{text},1\n"))

    assert readings.time.tolist() == [nanoseconds]


@pytest.mark.parametrize(("text", "nanoseconds"), [("0", 0), ("-1", -(10**9)), ("2020-01-01", 1577836800 * 10**9)])
def test_small_times_need_a_unit(tmp_path: Path, text: str, nanoseconds: int) -> None:
    path = write(tmp_path / "a.csv", f"when,value\n{text},1\n")
    columns = FileColumns(values=("value",), time="when", layout=Format(time_unit="s"))

    assert read(path, columns)[0][0].time.tolist() == [nanoseconds]


@pytest.mark.parametrize("rate", [360.0, 0.1, 128.5, 333.333])
def test_rows_at_a_rate_have_exact_times(tmp_path: Path, rate: float) -> None:
    path = write(tmp_path / "a.csv", "ecg\n" + "0.1\n" * 1000)
    readings, _, _ = read(path, FileColumns(values=("ecg",), rate=rate), chunk_rows=7)
    thousandths = round(rate * 1000)

    times = np.concatenate([part.time for part in readings]).tolist()
    assert times == [row * 10**12 // thousandths for row in range(1000)]


def test_a_rate_needs_no_more_than_int64(tmp_path: Path) -> None:
    """Hours at 360 Hz, started far into the file, are still exact."""
    path = write(tmp_path / "a.csv", "ecg\n" + "0\n" * 3)
    source = FileSource(path, FileColumns(values=("ecg",), rate=360.0), StreamIndex(), start=2)

    assert source.poll(0).readings["file"].time.tolist() == [2 * 10**9 // 360]
    assert source.rows["timestamp"].tolist() == ["1970-01-01T00:00:00.005555555Z"]


def test_rows_that_cannot_be_read_are_dead_letters_with_their_row_and_reason(tmp_path: Path) -> None:
    lines = ["when,value,name", "noon,1,a", "2020-01-01,x,a", ",1,a", "2020-01-01,inf,a", "2020-01-01,1e39,a",
             "2020-01-01,1,", "2020-01-01,1,a,b", "2020-01-01", "", "2020-01-01,7,a"]  # fmt: skip
    path = write(tmp_path / "a.csv", "\n".join(lines))
    (readings,), dead, poll = read(path, FileColumns(values=("value",), time="when", key="name"))

    assert [letter.reason for letter in dead] == [
        "bad-time", "bad-value", "missing-time", "bad-value", "bad-value", "missing-key", "wrong-length",
        "wrong-length",
    ]  # fmt: skip
    assert [letter.offset for letter in dead] == list(range(8))
    assert readings.offset.tolist() == [8]  # an empty line is no row
    assert poll.records == len(dead) + len(readings) == 9
    assert dead[1].error == 'a.csv, row 1: value: "x" is not a number: --high x, --low x or --missing x?'
    assert dead[1].body == b"2020-01-01,a,x"


@pytest.mark.parametrize("text", ["", "NaN", "null", "None", "NA", " "])
def test_an_empty_value_is_missing_not_wrong(tmp_path: Path, text: str) -> None:
    (readings,), dead, _ = read(write(tmp_path / "a.csv", f"when,value\n2020-01-01,{text}\n"))

    assert dead == []
    assert np.isnan(readings.values).tolist() == [[True]]


def test_odd_bytes_and_a_quote_without_end_do_not_stop_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfwhen,value\n2020-01-01,\xff\n2020-01-01,2\n2020-01-01,"' + b"x" * 200_000)
    (readings,), dead, poll = read(path)

    assert readings.values.tolist() == [[2.0]]
    assert poll.records == len(readings) + len(dead)
    assert dead[0].body == b"2020-01-01,\xff"


def test_first_rows_are_exact_and_the_last_poll_is_finished(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "value\n" + "1\n" * 20)
    readings, _, _ = read(path, FileColumns(values=("value",), rate=1.0), first_rows=3, chunk_rows=5)

    assert list(map(len, readings)) == [3, 5, 5, 5, 2]
    exact, _, _ = read(path, FileColumns(values=("value",), rate=1.0), chunk_rows=10)
    assert list(map(len, exact)) == [10, 10]


class Resume:
    """Says where to start, as a store does."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, self.offset)

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        raise AssertionError

    lost = revoked


@pytest.mark.parametrize("start", [0, 3, 7, 10, 12])
def test_reading_goes_on_where_the_store_says(tmp_path: Path, start: int) -> None:
    path = write(tmp_path / "a.csv", "value\n" + "".join(f"{row}\n" for row in range(10)))
    columns = FileColumns(values=("value",), rate=1.0)
    for options in ({"start": start}, {"assignments": Resume(start)}):
        readings, _, poll = read(path, columns, chunk_rows=4, **options)
        assert np.concatenate([part.offset for part in readings]).tolist() == list(range(start, 10))
        assert np.concatenate([part.values for part in readings]).ravel().tolist() == list(range(start, 10))
        assert poll.positions == {("a.csv", 0): 10}


def test_a_wrong_column_is_answered_with_the_nearest_and_all(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Timestamp,Value\n")

    with pytest.raises(SettingsError, match=r"no column timestmp \(did you mean Timestamp\?\).*: Timestamp, Value$"):
        FileSource(path, FileColumns(values=("Value",), time="timestmp"), StreamIndex())


@pytest.mark.parametrize("content", ["", "\n"])
def test_a_file_without_a_table_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(SourceError, match="first line must name"):
        FileSource(write(tmp_path / "a.csv", content), PLAIN, StreamIndex())


def test_a_file_that_is_missing_or_damaged_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        FileSource(tmp_path / "a.csv", PLAIN, StreamIndex())
    (tmp_path / "a.parquet").write_bytes(b"no parquet")
    with pytest.raises(SourceError, match="cannot be read"):
        FileSource(tmp_path / "a.parquet", PLAIN, StreamIndex())
    packed = gzip.compress(b"when,value\n" + os.urandom(200_000).hex().encode())
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(SourceError, match=r"a\.csv\.gz"):
        read(tmp_path / "a.csv.gz")


def test_a_file_of_a_header_only_is_finished_at_once(tmp_path: Path) -> None:
    (readings,), dead, poll = read(write(tmp_path / "a.csv", "when,value\n"))

    assert (len(readings), dead, poll.finished) == (0, [], True)


@pytest.mark.parametrize(
    "arguments",
    [{"values": ()}, {"values": ("a",)}, {"values": ("a",), "time": "t", "rate": 1.0},
     {"values": ("a",), "rate": 0.0}, {"values": ("a",), "rate": 1 / 3}],
)  # fmt: skip
def test_columns_that_make_no_sense_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        FileColumns(**arguments)


@pytest.mark.parametrize("options", [*({"delimiter": text} for text in ("", ";;", '"', "\n")), {"encoding": "dos"}])
def test_heads_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        Head(**options)


def score(path: Path, out: Path, columns: FileColumns, chunk_rows: int) -> None:
    """Copy a file with a score per row."""
    source = FileSource(path, columns, StreamIndex(), chunk_rows=chunk_rows)
    with ScoredWriter(out, columns) as writer:
        finished = False
        while not finished:
            finished = source.poll(0).finished
            rows = source.rows.index.to_numpy()
            values = np.where(rows % 3 == 0, np.nan, rows / 7).astype(np.float32)
            names = np.array([None if row % 2 else f"alert-{row}" for row in rows], dtype=object)
            writer.write(source.rows, {"score": values, "alert_id": names, "alert_opened": rows % 2 == 0})
    source.close()


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_text_comes_back_unchanged_with_more_columns(tmp_path: Path, chunk_rows: int) -> None:
    text = 'when;note;value\n2020-01-01 00:00:00;"a;b";1.50\nbad;x;07\n2020-01-01T00:00:20Z;;\n'
    score(write(tmp_path / "a.csv", text), tmp_path / "out.csv", PLAIN, chunk_rows)

    assert (tmp_path / "out.csv").read_text() == (
        "when,value,score,alert_id,alert_opened\n"
        "2020-01-01 00:00:00,1.50,,alert-0,1\n"
        "bad,07,0.14285715,,0\n"
        "2020-01-01T00:00:20Z,,0.2857143,alert-2,1\n"
    )


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_parquet_out_has_types(tmp_path: Path, chunk_rows: int) -> None:
    path = write(tmp_path / "a.csv", "when,value\n2020-01-01 00:00:00,1.5\nbad,x\n2020-01-01T00:00:20Z,\n")
    score(path, tmp_path / "out.parquet", PLAIN, chunk_rows)
    table = pa.parquet.read_table(tmp_path / "out.parquet")

    assert table.schema.types == [
        pa.timestamp("ns", "UTC"), pa.float64(), pa.float32(), pa.string(), pa.bool_(),
    ]  # fmt: skip
    assert table["when"].cast(pa.int64()).to_pylist() == [EXPECTED_TIMES[0], None, EXPECTED_TIMES[2]]
    assert table["value"].to_pylist() == [1.5, None, None]
    assert table["score"].null_count == 1


def test_parquet_in_csv_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"when": pd.to_datetime(["2020-01-01"], utc=True).as_unit("ms"), "value": [0.1]})
    frame.to_parquet(tmp_path / "a.parquet")
    score(tmp_path / "a.parquet", tmp_path / "out.csv.gz", PLAIN, 10)

    assert gzip.decompress((tmp_path / "out.csv.gz").read_bytes()).decode() == (
        "when,value,score,alert_id,alert_opened\n2020-01-01 00:00:00.000Z,0.1,,alert-0,1\n"
    )


def test_an_output_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(SettingsError, match="cannot be written: No such file"),
        ScoredWriter(tmp_path / "nowhere" / "out.csv", PLAIN),
    ):
        pass


@pytest.mark.parametrize("name", ["out", "out.txt", "out.gz", "out.xlsx", "out.parquet.gz"])
def test_an_output_of_no_known_kind_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"one of \.csv, \.parquet, \.pq, \.tsv"):
        ScoredWriter(tmp_path / name, PLAIN)
    assert not (tmp_path / name).exists()


@real_data
def test_every_nab_and_skab_file_is_read_in_full() -> None:
    skab = ("Accelerometer1RMS", "Current", "Volume Flow RateRMS")
    files = [(path, FileColumns(values=("value",), time="timestamp")) for path in DATA.glob("nab/*/*.csv")]
    files += [(path, FileColumns(values=skab, time="datetime")) for path in DATA.glob("skab/*/*.csv")]
    assert len(files) > 40
    for path, columns in files:
        readings, dead, poll = read(path, columns)
        lines = path.read_text().strip().count("\n")
        assert dead == []
        assert sum(map(len, readings)) == poll.positions[path.name, 0] == lines, path
        assert not np.isnan(readings[0].values).any()
        table = pd.read_csv(path, sep=";" if columns.values == skab else ",")
        expected = pd.to_datetime(table[columns.time]).to_numpy("datetime64[ns]")
        assert np.array_equal(np.concatenate([part.time for part in readings]), expected.astype(np.int64))


def test_a_header_that_is_not_utf8_is_counted_read_and_explained(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Gerät,when,value\n".encode("latin-1") + b"m-1,2020-01-01,1\n" * 3)

    assert count_rows(path, Head(), 100) == 3
    assert len(read(path)[0][0]) == 3
    with pytest.raises(SettingsError, match=r"not all UTF-8: Ger\\xe4t, when, value; .* --encoding") as refused:
        read(path, FileColumns(values=("Gerät",), time="when"))
    str(refused.value).encode()


def test_a_column_of_lists_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"when": ["2020-01-01"], "value": [[1.0]]}), tmp_path / "a.parquet")
    with pytest.raises(SettingsError, match="column value is of type list<"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("chunk_rows", [2, 3, 10])
def test_a_row_that_cannot_be_read_knows_its_stream_and_about_when(tmp_path: Path, chunk_rows: int) -> None:
    rows = ["x,a,1", "10,b,1", "20,a,x", ",a,2", "30,,3", "40,a,y"]
    (tmp_path / "r.csv").write_text("\n".join(["at,name,value", *rows]) + "\n")
    columns = FileColumns(("value",), time="at", key="name", layout=Format(time_unit="s"))
    source = FileSource(tmp_path / "r.csv", columns, StreamIndex(), chunk_rows=chunk_rows)
    dead = [letter for _ in range(3) for letter in source.poll(0).dead]

    found = [(letter.reason, letter.stream, (letter.time or 0) // 10**9) for letter in dead]
    assert found == [
        ("bad-time", "a", 10), ("bad-value", "a", 20), ("missing-time", "a", 20), ("missing-key", "", 30),
        ("bad-value", "a", 40),
    ]  # fmt: skip
