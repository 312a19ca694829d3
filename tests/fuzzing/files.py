"""Files that are not what they should be."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 240
START = datetime(2026, 1, 1, tzinfo=UTC)


def csv(rows: int = ROWS) -> bytes:
    """Readings of two streams."""
    lines = [f"{(START + timedelta(seconds=i)).isoformat()},{np.sin(i):.4f},{i % 7},m-{i % 2}" for i in range(rows)]
    return "\n".join(["time,value,b,machine", *lines, ""]).encode()


def columns() -> dict[str, pa.Array]:
    """One column for each kind of value that Parquet has."""
    count = range(ROWS)
    when = [START + timedelta(seconds=i) for i in count]
    return {
        "int": pa.array(list(count)),
        "uint64": pa.array([2**64 - 1 - i for i in count], pa.uint64()),
        "text": pa.array([f"{i}" for i in count]),
        "garbage": pa.array([f"x{i}" for i in count]),
        "bytes": pa.array([b"\xff%d" % i for i in count]),
        "lists": pa.array([[float(i)] * (i % 3) for i in count]),
        "nested": pa.array([[[i]] for i in count]),
        "record": pa.array([{"a": i, "b": "x"} for i in count]),
        "map": pa.array([[("a", i)] for i in count], pa.map_(pa.string(), pa.int64())),
        "decimal": pa.array([Decimal(i) / 8 for i in count], pa.decimal128(38, 20)),
        "wide": pa.array([Decimal(10) ** 60 + i for i in count], pa.decimal256(70, 0)),
        "category": pa.array(["a", "b", "c"] * (ROWS // 3)).dictionary_encode(),
        "numbers": pa.array([1.0, 2.0, 3.0] * (ROWS // 3)).dictionary_encode(),
        "zone": pa.array(when, pa.timestamp("us", "Asia/Kolkata")),
        "offset": pa.array(when, pa.timestamp("us", "+05:30")),
        "naive": pa.array([i * 10**9 for i in count], pa.timestamp("ns")),
        "far": pa.array([2**62 + i for i in count], pa.timestamp("ms")),
        "date": pa.array([w.date() for w in when]),
        "date64": pa.array([w.date() for w in when], pa.date64()),
        "clock": pa.array([w.time() for w in when]),
        "span": pa.array(list(count), pa.duration("s")),
        "bool": pa.array([i % 2 == 0 for i in count]),
        "null": pa.nulls(ROWS),
        "half": pa.array(np.arange(ROWS, dtype=np.float16)),
        "holes": pa.array([None if i % 2 else float(i) for i in count]),
    }


def table(extra: dict[str, pa.Array] | None = None) -> pa.Table:
    count = range(ROWS)
    when = pa.array([START + timedelta(seconds=i) for i in count])
    return pa.table(
        {"time": when, "value": pa.array(np.sin(count)), "machine": [f"m-{i % 2}" for i in count]} | (extra or {})
    )


def parquet(made: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(made, sink)
    return bytes(sink.getvalue())


def contents() -> dict[str, bytes]:
    """By name."""
    good, whole = csv(), parquet(table())
    twice = pa.Table.from_arrays(
        [*table().columns, table().column("value")], names=["time", "value", "machine", "value"]
    )
    deep = "[" * 100_000
    made = {
        "good.csv": good, "good.parquet": whole, "twice.parquet": parquet(twice),
        "twice.csv": good.replace(b",b,", b",value,", 1),
        "empty.csv": b"", "empty.parquet": b"", "header.csv": good.splitlines()[0] + b"\n",
        "header.parquet": parquet(table().slice(0, 0)),
        "one.csv": b"\n".join(good.splitlines()[:2]), "newlines.csv": b"\n" * 50, "bom.csv": b"\xef\xbb\xbf" + good,
        "utf16.csv": good.decode().encode("utf-16"),
        "binary.csv": np.random.default_rng(1).bytes(5000), "zeros.csv": bytes(3000),
        "commas.csv": b"," * 5000 + b"\n" + b"," * 5000, "long.csv": b"x" * 200_000,
        "quote.csv": good + b'"' + b"x" * 50_000, "ragged.csv": good + b"1,2,3,4,5,6,7\n1\n",
        "cr.csv": good.replace(b"\n", b"\r"), "nul.csv": good.replace(b"0.", b"0\x00."),
        "binary.parquet": np.random.default_rng(2).bytes(5000), "cut.parquet": whole[: len(whole) // 2],
        "tail.parquet": whole[:4] + bytes(100) + whole[-8:],
        "footer.parquet": b"PAR1" + b"\xff" * 4 + b"PAR1",
        "flipped.parquet": bytes(b ^ 0x55 if 30 < i < 300 else b for i, b in enumerate(whole)),
        "footless.parquet": whole[:-300] + bytes(b ^ 0x55 for b in whole[-300:-8]) + whole[-8:],
        "good.csv.gz": gzip.compress(good), "cut.csv.gz": gzip.compress(good)[:-20],
        "binary.csv.gz": b"\x1f\x8b" + b"\xff" * 100, "empty.csv.gz": b"", "plain.csv.gz": good,
        "good.csv.zst": b"\x28\xb5\x2f\xfd" + b"\xff" * 50, "good.zip": b"PK\x03\x04" + b"\xff" * 200,
        "binary.csv.bz2": b"BZh9" + b"\xff" * 50, "binary.csv.xz": b"\xfd7zXZ\x00" + b"\xff" * 40,
        "deep.toml": f"x = {deep}".encode(), "binary.toml": b"\xff\xfe\x00", "nul.toml": b"a = '\x00'",
        "deep.json": deep.encode(), "good.feather": b"ARROW1" + b"\xff" * 60,
        "windows.csv": b"label,a,b,c\n" + b"".join(b"%d,%d,%d,%d\n" % (i % 5 == 0, i, i % 4, i % 7) for i in range(80)),
        "windows.npz": b"PK\x03\x04" + b"\x00" * 60,
    }  # fmt: skip
    made |= {f"{name}.parquet": parquet(table({"value": column})) for name, column in columns().items()}
    made |= {f"{name}-time.parquet": parquet(table({"time": column})) for name, column in columns().items()}
    made |= {f"{name}-key.parquet": parquet(table({"machine": column})) for name, column in columns().items()}
    return made


def write(folder: Path) -> list[Path]:
    """The files, a folder with some of them, and what cannot be opened."""
    made = []
    for name, content in contents().items():
        (folder / name).write_bytes(content)
        made.append(folder / name)
    within = folder / "folder.csv"
    within.mkdir()
    (within / "a.csv").write_bytes(csv())
    (within / "b.parquet").write_bytes(parquet(table()))
    (within / os.fsdecode(b"\xff.csv")).write_bytes(csv())
    (folder / os.fsdecode(b"\xfe.csv")).write_bytes(csv())
    (folder / "line\nbreak.csv").write_bytes(csv())
    (folder / "empty").mkdir()
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    np.savez(folder / "objects.npz", windows=np.array([[object()]], object), label=np.zeros(1))
    return [
        *made, within, folder / os.fsdecode(b"\xfe.csv"), folder / "line\nbreak.csv", folder / "empty",
        folder / "loop.csv", folder / "no.csv",
        folder / "good.csv" / "x", folder / ("n" * 300), folder / "*.csv", folder / "folder.csv" / "*",
        folder / "objects.npz", Path("/dev/null"),
    ]  # fmt: skip
