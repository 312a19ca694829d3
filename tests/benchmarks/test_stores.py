"""Scores into SQL through the store's commit, against the driver's fastest way and nothing else.

Raw SQLite is one `executemany` of rows that lie ready in the order of the key, in a transaction of its own. Raw
PostgreSQL is psycopg's binary COPY, row by row with `write_row`; how fast the server takes rows whose bytes lie ready
is in the detail. The tables are the product's own, and each side writes to a database of its own.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import psycopg
import pytest
from sqlalchemy.engine import make_url

from monitor.ports.models import ModelRow
from monitor.ports.store import Commit, ScoreBlock
from monitor.records.batches import Scores
from monitor.store.migrations import upgrade
from monitor.store.postgres import copy_rows
from monitor.store.sql import open_store
from tests.benchmarks.report import Figure, Report, ratios
from tests.benchmarks.scale import scaled
from tests.champions import make_champion
from tests.integration.postgres import PostgresServer

pytestmark = pytest.mark.timeout(1800)
ROUNDS = scaled(5)
COMMITS = scaled(10, 2)  # of a round
STREAMS = scaled(1000, 20)
WINDOWS = 20  # of each stream in a commit
GOALS = (0.6, 0.8, 0.9)
HOP = 10 * 10**9
COLUMNS = ("stream_id", "end_ns", "start_ns", "score", '"limit"', "ratio", "imputed", "state", "model")
TYPES = ("int8", "int8", "int8", "float4", "float4", "float4", "float4", "int2", "int4")
Row = tuple[int | float, ...]
T = TypeVar("T")


def blocks() -> Iterator[ScoreBlock]:
    """What one commit after another brings: windows in the order of time, all streams at each time."""
    rng, model = np.random.default_rng(0), "m"
    count = STREAMS * WINDOWS
    stream = np.tile(np.arange(STREAMS, dtype=np.int32), WINDOWS)
    for i in range(10**9):
        end = (i * WINDOWS + np.repeat(np.arange(WINDOWS), STREAMS) + 14) * HOP
        score = rng.random(count).astype(np.float32)
        limit = np.full(count, 2, np.float32)
        nothing, state = np.zeros(count, np.float32), np.zeros(count, np.uint8)
        scores = Scores(stream, end - 14 * HOP, end, score, limit, score / limit, nothing, state)
        yield ScoreBlock(scores, stream.astype(np.int64), model, "f")


def rows(block: ScoreBlock) -> list[Row]:
    """As a driver takes them, in the order of the key."""
    order = np.lexsort((block.scores.end, block.stream_id))
    s, ids = block.scores.take(order), block.stream_id[order]
    columns = (ids, s.end, s.start, s.score, s.limit, s.ratio, s.imputed, s.state, np.ones(len(s), np.int16))
    return list(zip(*(column.tolist() for column in columns), strict=True))


class Through:
    """The store, commit by commit."""

    def __init__(self, url: str) -> None:
        upgrade(url)
        self.store = open_store(url)
        make_champion(self.store, ModelRow(id="m", family="f", manifest="{}"))
        self.speeds: list[float] = []
        self._blocks = blocks()

    def __call__(self) -> float:
        """Rows per second."""
        self.speeds.append(timed(self._blocks, lambda block: Commit("live", scores=[block]), self.store.commit))
        return self.speeds[-1]

    @property
    def detail(self) -> dict[str, float | str]:
        """For the figure."""
        return {"rows_per_s": round(median(self.speeds))}


def timed(source: Iterator[ScoreBlock], prepare: Callable[[ScoreBlock], T], write: Callable[[T], object]) -> float:
    """Rows per second over a round."""
    given = [prepare(next(source)) for _ in range(COMMITS)]
    began = time.perf_counter()
    for one in given:
        write(one)
    return COMMITS * STREAMS * WINDOWS / (time.perf_counter() - began)


def test_sqlite(tmp_path: Path, report: Report) -> None:
    store = Through(f"sqlite:///{tmp_path}/store.db")
    upgrade(f"sqlite:///{tmp_path}/raw.db")
    raw, source = sqlite3.connect(tmp_path / "raw.db", isolation_level=None), blocks()
    pragmas = ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -65536", "wal_autocheckpoint = 10000")
    for pragma in pragmas:  # as the store has them
        raw.execute(f"PRAGMA {pragma}")
    insert = f"INSERT INTO scores ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"

    def write(chosen: list[Row]) -> None:
        raw.execute("BEGIN IMMEDIATE")
        raw.executemany(insert, chosen)
        raw.execute("COMMIT")

    (ratio,) = ratios([lambda: timed(source, rows, write), store], ROUNDS)
    report.add(Figure("scores into SQLite / raw executemany", ratio, GOALS, detail=store.detail))
    raw.close()
    store.store.close()


@pytest.mark.postgres
def test_postgres(postgres: PostgresServer, report: Report) -> None:
    store, url = Through(postgres.database()), postgres.database()
    upgrade(url)
    raw = psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(), autocommit=True)
    one, other = blocks(), blocks()
    copy = f"COPY scores ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"

    def write(chosen: list[Row]) -> None:
        with raw.cursor() as cursor, cursor.copy(copy) as target:
            target.set_types(TYPES)
            for row in chosen:
                target.write_row(row)

    def send(chosen: bytes) -> None:
        with raw.cursor() as cursor, cursor.copy(copy.replace("scores", "ready", 1)) as target:
            target.write(chosen)

    raw.execute("CREATE TABLE ready (LIKE scores INCLUDING ALL)")

    def by_hand() -> float:
        return timed(one, rows, write)

    def lying_ready() -> float:
        return timed(other, lambda block: copy_rows(block, 1), send)

    ratio, ready = ratios([by_hand, store, lying_ready], ROUNDS)
    detail = store.detail | {"bytes that lie ready / raw": ready}
    report.add(Figure("scores into PostgreSQL / raw binary COPY", ratio, GOALS, detail=detail))
    raw.close()
    store.store.close()
