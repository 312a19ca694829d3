"""Workers as a database has them, for tests of what shows them."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from sqlalchemy import update

from monitor.ports.store import Store
from monitor.records.workers import DEAD_AFTER, OwnedPartition, WorkerReport
from monitor.store import schema
from monitor.store.engine import connect
from monitor.store.workers import open_heartbeats

NOW = 1_700_000_000 * 10**9


def serve(url: str, store: Store, topic: str, partition: int, what: str = "beats", **more: Any) -> str:
    """A worker that takes a partition, and then beats, died, ended or failed; returns its id."""
    epoch = store.take("live", [(topic, partition)])[topic, partition].epoch
    owned = more.pop("owned", OwnedPartition(topic, partition, epoch, 5))
    id_ = f"{partition}{what}".ljust(32, "0")
    report = WorkerReport(
        id=id_, run="live", host="plant-pc", pid=7, version="0.1.0", started=NOW, at=NOW + 60 * 10**9,
        partitions=(owned,), **{"families": {"f": topic}} | more,
    )  # fmt: skip
    with closing(open_heartbeats(url)) as heartbeats:
        heartbeats.beat(report)
        if what in ("ended", "failed"):
            heartbeats.end(id_, "the disk is full" if what == "failed" else "")
    if what == "died":
        with closing(connect(url)) as database, database.writing() as connection:
            w = schema.workers.c
            connection.execute(update(schema.workers).where(w.id == id_).values(beat=w.beat - DEAD_AFTER))
    return id_
