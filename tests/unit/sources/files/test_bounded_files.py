"""Files that unpack to a thousand times their size are read, or refused with a reason, in bounded memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.errors import SettingsError
from monitor.records.streams import StreamIndex
from monitor.sources.files import source as file_source
from monitor.sources.files.head import once
from monitor.sources.files.lines import HELD, LONGEST
from monitor.sources.files.source import FileColumns, FileSource

BIG = 400_000_000  # bytes
ROOM = 300_000_000  # bytes that reading may take, besides the program itself
COLUMNS = FileColumns(values=("value",), time="when", stream="m")
MEASURE = """
import sys
from pathlib import Path
from monitor.errors import MonitorError
from monitor.records.streams import StreamIndex
from monitor.sources.files.source import FileColumns, FileSource

def peak():
    status = Path("/proc/self/status").read_text().split()  # not getrusage: it counts what the parent held, too
    return int(status[status.index("VmHWM:") + 1]) * 1024

import pandas, pyarrow.parquet, pyarrow.compute
before, said, records, dead = peak(), "", 0, 0
try:
    columns = FileColumns(values=("value",), rate=1.0, stream="m")
    source = FileSource(Path(sys.argv[1]), columns, StreamIndex())
    finished = False
    while not finished:
        poll = source.poll(0)
        records, dead, finished = records + poll.records, dead + len(poll.dead), poll.finished
except MonitorError as error:
    said = str(error)
print(records, dead, peak() - before)
print(said)
"""


def packed(path: Path, head: bytes, piece: bytes, times: int, encoding: str = "utf-8") -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head.decode().encode(encoding))
        block = (piece * (1_000_000 // len(piece))).decode().encode(encoding.removesuffix("-bom"))
        for _ in range(times * len(piece) // len(block) + 1):
            file.write(block)


def one_line(path: Path) -> None:
    packed(path, b"when,value\n", b"1", BIG)


def one_line_of_names(path: Path) -> None:
    packed(path, b"when,value,", b"a", BIG)


def a_row_of_many_lines(path: Path) -> None:
    packed(path, b'when,value\n"', b'\n","', BIG // 4)


def wide_cells(path: Path) -> None:
    packed(path, b"when,value,more\n", b"1,2," + b" " * 100_000 + b"\n", BIG // 100_000)


def utf_16(path: Path) -> None:
    packed(path, b"when,value\n", b"1", BIG // 4, "utf-16-le")


def names_without_end(path: Path) -> None:
    path.write_bytes(gzip.compress(b"when,value," + b"a," * 1_000_000 + b"\n1,2\n"))


def one_text_in_all_rows(path: Path) -> None:
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array([" " * 500_000]))
    pq.write_table(pa.table({"value": rows}), path, store_schema=False)


def one_category_in_all_rows(path: Path) -> None:
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array([" " * 500_000]))
    pq.write_table(pa.table({"value": rows}), path)


def texts_of_a_megabyte(path: Path) -> None:
    pq.write_table(pa.table({"value": pa.array([" " * 1_000_000] * 300)}), path, use_dictionary=False)


def a_dictionary_of_one_text(path: Path) -> None:
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array([" " * BIG]))
    pq.write_table(
        pa.table({"value": rows}), path, dictionary_pagesize_limit=2 * BIG, compression="gzip", write_statistics=False
    )


def a_text_that_is_too_long(path: Path) -> None:
    pq.write_table(pa.table({"value": pa.array(["1", " " * (LONGEST + 1), *["1"] * 100])}), path)


def one_row_group(path: Path) -> None:
    count, times = 1_000_000, 5
    when, value = ([pa.array(numbers)] * times for numbers in (range(count), [1.0] * count))
    table = pa.table({"when": pa.chunked_array(when), "value": pa.chunked_array(value)})
    pq.write_table(table, path, row_group_size=count * times)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc, which is Linux's")
@pytest.mark.parametrize(
    ("suffix", "make", "says"),
    [
        (".csv.gz", one_line, "line 2: a row has more than 4,194,304 characters; is it a table?"),
        (".csv.gz", one_line_of_names, "line 1: a row has more than"),
        (".csv.gz", a_row_of_many_lines, "a row has more than"),
        (".csv.gz", wide_cells, ""),
        (".csv.gz", utf_16, "line 2: a row has more than"),
        (".csv.gz", names_without_end, "has 1,000,003 columns; 65,536 at most are read"),
        (".parquet", one_text_in_all_rows, ""),
        (".parquet", one_category_in_all_rows, ""),
        (".parquet", texts_of_a_megabyte, "column value has 1,000,"),
        (".parquet", a_dictionary_of_one_text, "column value unpacks from "),
        (".parquet", a_text_that_is_too_long, "row 1: its texts have more than 4,194,304 bytes"),
        (".parquet", one_row_group, ""),
    ],
)
def test_memory_is_bounded(tmp_path: Path, suffix: str, make: Callable[[Path], None], says: str) -> None:
    path = tmp_path / f"bomb{suffix}"
    make(path)

    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)

    counts, said = done.stdout.split("\n", 1)
    records, _, grown = map(int, counts.split())
    print(records, grown, said)
    assert grown < ROOM
    assert says in said
    assert bool(said.strip()) == bool(says)
    assert not says or str(path) in said
    assert bool(records) == (not says)


def test_long_rows_come_in_smaller_polls_and_none_is_lost(tmp_path: Path) -> None:
    cell, rows = "x" * 100_000, 400
    text = "".join(f"2026-01-01T00:00:{row % 60:02}.{row:03}Z,{row},{cell}\n" for row in range(rows))
    (tmp_path / "r.csv").write_text(f"when,value,more\n{text}")
    source = FileSource(tmp_path / "r.csv", COLUMNS, StreamIndex())

    values, polls = list[float](), 0
    while True:
        poll = source.poll(0)
        values += poll.readings["file"].values[:, 0].tolist()
        polls += 1
        if poll.finished:
            break
    source.close()

    assert values == list(range(rows))
    assert 3 <= polls <= rows * len(cell) // HELD + 2


def test_rows_to_learn_from_that_are_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_source, "FIRST_HELD", HELD + 1)
    (tmp_path / "r.csv").write_text("when,value,more\n" + f"1,2,{'x' * 100_000}\n" * 400)

    with pytest.raises(SettingsError, match=r"the 300 rows to learn from have more than .* --train-rows"):
        FileSource(tmp_path / "r.csv", COLUMNS, StreamIndex(), first_rows=300).poll(0)
    assert FileSource(tmp_path / "r.csv", COLUMNS, StreamIndex(), first_rows=50).poll(0).records == 50


def test_texts_of_parquet_are_read_as_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame({"when": [f"2026-01-01T00:00:{row:02}Z" for row in range(60)], "value": ["1", None, "3"] * 20})
    pq.write_table(
        pa.table({"when": pa.array(frame["when"], pa.large_string()), "value": frame["value"]}), tmp_path / "r.parquet"
    )
    poll = FileSource(tmp_path / "r.parquet", COLUMNS, StreamIndex(), chunk_rows=7).poll(0)

    assert poll.readings["file"].values[:, 0].tolist()[::3] == [1.0, 1.0, 1.0]
    assert poll.dead == []


def test_names_that_stand_once() -> None:
    assert once(["a", "b", "a", "", "c"]) == ["b", "c"]
