"""Damaged files of every kind, for a while: read to the end or refused, and every row is accounted for."""

from __future__ import annotations

import bz2
import gzip
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.config.formats import Format
from monitor.errors import SettingsError, SourceError
from monitor.records.counters import READINGS
from monitor.records.streams import StreamIndex
from monitor.sources.files.head import Head
from monitor.sources.files.source import FileColumns, FileSource
from tests.fuzzing import files
from tests.fuzzing.budget import bounded_memory, rounds
from tests.property.test_formats import damaged

MIB = 2**20
FAMILY = Family.model_validate({"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}})
PIECES = (
    b"\n", b"\r\n", b"\r", b'"', b'"' * 999, b",", b"," * 999, b";", b"\t", b"\x00", b"\xff", b"\xef\xbb\xbf",
    b"1e999", b"nan", b"9" * 400, b"time", b"value", b"x" * 5_000, b"\x1f\x8b", b"PAR1", b"\xff\xff\xff\x7f",
    b"\x00" * 64, b"\x80" * 12,
)  # fmt: skip
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".csv": bytes,
    ".csv.gz": gzip.compress,
    ".csv.bz2": bz2.compress,
    ".csv.zst": lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
    ".parquet": bytes,
}


def changed(data: bytes, chance: random.Random) -> bytes:
    changes = [
        (chance.choice(("cut", "put", "flip", "repeat")), chance.randrange(len(data) + 1), chance.choice(PIECES))
        for _ in range(chance.randrange(1, 6))
    ]
    return damaged(data, changes)


def content(kind: str, bodies: dict[str, list[bytes]], chance: random.Random) -> bytes:
    """A file that was damaged before it was packed, after that, or both."""
    data = chance.choice(bodies["parquet" if kind == ".parquet" else "csv"])
    if kind != ".parquet":
        data = changed(data, chance)
        if chance.random() < 0.1:
            data += chance.choice(PIECES) * chance.randrange(1, 5_000)
        data = PACK[kind](data)
    return changed(data, chance) if kind == ".parquet" or chance.random() < 0.4 else data


def columns(chance: random.Random) -> FileColumns:
    """Where the values stand, and how they are written."""
    unit, decimal = chance.choice(["auto", "auto", "s", "ns"]), chance.choice([".", ".", ","])
    layout = Format.model_validate({"kind": "csv", "time_unit": unit, "decimal": decimal})
    head = Head(None, chance.choice([None, None, "utf-8", "cp1252", "utf-16"]), chance.choice([0, 0, 3]))
    time, rate = chance.choice([("time", None), ("time", None), (None, 1.0)])
    key = chance.choice([None, "machine"])
    return FileColumns(values=("value",), time=time, rate=rate, key=key, stream="m", head=head, layout=layout)


def accounted(path: Path, where: FileColumns, chunk: int) -> None:
    """Read to the end: each row is a reading or a dead letter, and each reading has one fate."""
    index = StreamIndex()
    source = FileSource(path, where, index, chunk_rows=chunk)
    pipeline = bootstrap.pipeline("f", FAMILY, index=index)
    rows, finished = np.zeros(0, np.int64), False
    try:
        while not finished:
            poll = source.poll(0)
            finished = poll.finished
            readings = next(iter(poll.readings.values()))
            assert poll.records == len(readings) + len(poll.dead)
            rows = np.append(rows, readings.stream)
            pipeline.process(readings)
    finally:
        source.close()
    pipeline.flush()
    streams = len(index.codes)
    counts = pipeline.counters(np.arange(streams, dtype=np.int32))[:, : len(READINGS)]
    assert counts.sum(axis=1).tolist() == np.bincount(rows.astype(np.int64), minlength=streams).tolist()


@pytest.mark.timeout(3600)
def test_every_file_is_read_to_its_end_or_refused(tmp_path: Path) -> None:
    made = files.contents()
    tables = [data for name, data in made.items() if name.endswith(".parquet") and len(data) > 100]
    bodies = {"csv": [files.csv(), files.csv(3), made["twice.csv"], made["utf16.csv"]], "parquet": tables}
    for name in ("good.csv", "good.csv.gz", "good.parquet"):
        (tmp_path / name).write_bytes(made[name])
        accounted(tmp_path / name, FileColumns(values=("value",), time="time", key="machine"), 1000)
    for chance in rounds():
        kind = chance.choice(list(PACK))
        path = tmp_path / f"fuzz{kind}"
        data = content(kind, bodies, chance)
        path.write_bytes(data)
        with bounded_memory(len(data), 300, 150 * MIB):
            try:
                accounted(path, columns(chance), chance.choice([1, 7, 1000]))
            except (SourceError, SettingsError) as error:
                assert str(error)  # noqa: PT017 (refused, with a reason)
