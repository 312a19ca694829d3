"""However a file is cut into chunks, the same readings and the same dead letters come out of it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.records.batches import DeadLetter
from monitor.records.streams import StreamIndex
from monitor.sources.files.source import FileColumns, FileSource

COLUMNS = FileColumns(values=("a", "b"), time="when", key="name")
CELL = st.one_of(
    st.sampled_from(["", "x", "1", "-2.5", "1e300", "inf", "2020-01-01", "now", "1577836800", "\x00", "٣"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=5),
)
TABLE = st.lists(st.tuples(CELL, CELL, CELL, CELL), max_size=30)


def everything(path: Path, chunk_rows: int, first_rows: int | None) -> tuple[list[bytes], list[str], list[DeadLetter]]:
    """Columns joined to bytes, stream names in order, and dead letters."""
    index = StreamIndex()
    source = FileSource(path, COLUMNS, index, chunk_rows=chunk_rows, first_rows=first_rows)
    parts, dead, rows, finished = [], [], 0, False
    while not finished:
        poll = source.poll(0)
        finished = poll.finished
        parts.append(poll.readings["file"])
        dead += [replace(letter, time=None) for letter in poll.dead]  # at the start, that of a row to come
        rows += poll.records
        assert poll.records == len(poll.readings["file"]) + len(poll.dead)
        assert poll.positions == {(path.name, 0): rows}
    source.close()
    names = [index.name(code) for part in parts for code in part.stream.tolist()]
    columns = ([part.time for part in parts], [part.values for part in parts], [part.offset for part in parts])
    return [np.concatenate(column).tobytes() for column in columns], names, dead


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@settings(max_examples=50, deadline=None)
@given(table=TABLE, chunk_rows=st.integers(1, 12), first_rows=st.none() | st.integers(1, 12))
def test_cuts_do_not_matter(suffix: str, table: list[tuple[str, ...]], chunk_rows: int, first_rows: int | None) -> None:
    frame = pd.DataFrame(table, columns=["when", "a", "b", "name"], dtype=object)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{suffix}"
        if suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.astype(str).to_parquet(path, row_group_size=4)
        whole = everything(path, 1000, None)

        assert everything(path, chunk_rows, first_rows) == whole
        assert len(whole[1]) + len(whole[2]) == len(table)
