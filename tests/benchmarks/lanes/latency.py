"""When marked readings arrive, and when their alerts are durable. Both say so with wall clock times, ns."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from tests.benchmarks.lanes.bare import Message, consumer
from tests.benchmarks.lanes.product import work

MARK = b'"value":50.'  # how a reading far outside looks
READY = "ready"


def alerts(config: str, records: str, warm: str) -> dict[str, Any]:
    """The product: stream, time and commit of each alert that opens; says when the first `warm` records are read."""
    from monitor.ports.store import Commit
    from monitor.records.alerts import FactKind
    from monitor.store.sql import SqlStore

    write, found, told = SqlStore.commit, list[tuple[str, int, int]](), False
    took: list[float] = []

    def commit(self: SqlStore, commit: Commit) -> None:
        began = time.perf_counter()
        write(self, commit)
        took.append(time.perf_counter() - began)
        now = time.time_ns()
        found.extend((fact.stream, fact.at, now) for fact in commit.facts if fact.kind is FactKind.OPENED)

    def watch(done: int) -> None:
        nonlocal told
        if done >= int(warm) and not told:
            told = True
            print(READY, flush=True)

    SqlStore.commit = commit  # type: ignore[method-assign]
    work(Path(config), lambda done: done >= int(records), watch)
    return {"found": found, "commit_ms": round(1e3 * median(took), 1)}


def arrivals(servers: str, topic: str, records: str, warm: str) -> dict[str, Any]:
    """A bare consumer: stream, time and arrival of each marked reading; says when `warm` messages are read."""
    source, done, told = consumer(servers, topic), 0, False
    found, decode = list[tuple[str, int, int]](), msgspec.json.Decoder(Message).decode
    while done < int(records):
        first = source.poll(1.0)
        messages = [] if first is None else [first, *source.consume(9_999, 0)]
        now = time.time_ns()
        marked = [((one.key() or b"").decode(), one.value() or b"") for one in messages if MARK in (one.value() or b"")]
        found += [(stream, decode(body).time * 10**9, now) for stream, body in marked]
        done += len(messages)
        if done >= int(warm) and not told:
            told = True
            print(READY, flush=True)
    source.close()
    return {"found": found}
