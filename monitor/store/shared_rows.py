"""Two configurations that name a family alike and share a database: which rows both write, and what to do."""

from __future__ import annotations

from sqlalchemy import Connection, select

from monitor.ports.store import Commit
from monitor.records.workers import Heartbeat
from monitor.store import schema, workers

WHAT_TO_DO = (
    "where two configurations name a family alike, give it another name in one of them, or give one of them another "
    "database (store.url)"
)


def conflict(connection: Connection, commit: Commit) -> str:
    """Whose rows a commit was to add a second time, and which workers write them."""
    ids = [int(block.stream_id[0]) for block in commit.scores if len(block.stream_id)]
    ids += [stream.id for stream in commit.streams[:1]]
    s = schema.streams.c
    row = connection.execute(select(s.family, s.name).where(s.id.in_(ids)).limit(1)).first()
    if row is None:
        return f"rows of run {commit.run} were written by another worker too; {WHAT_TO_DO}"
    living = [worker for worker in workers.read(connection, commit.run, workers.clock(connection)) if worker.alive]
    named = ", ".join(named_worker(worker, row.family) for worker in living if row.family in worker.report.families)
    return (
        f"stream {row.name} of family {row.family}, run {commit.run}, is written by another worker too; living ones "
        f"with such a family: {named or 'none'}; {WHAT_TO_DO}"
    )


def named_worker(worker: Heartbeat, family: str) -> str:
    """A worker, and the topic from which it reads a family."""
    report = worker.report
    return f"{report.id[:8]} ({report.host}, pid {report.pid}, topic {report.families[family]})"
