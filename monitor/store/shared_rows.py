"""Two configurations that name a family alike and share a database: which rows both write, and what to do."""

from __future__ import annotations

import json

from sqlalchemy import Connection, select

from monitor.ports.store import Commit
from monitor.records.workers import Heartbeat
from monitor.store import schema, workers

WHAT_TO_DO = (
    "where two configurations name a family alike, give it another name in one of them, or give one of them another "
    "database (store.url)"
)


def conflict(connection: Connection, commit: Commit) -> str:
    """Whose rows a commit was to add a second time, which topics the family had, and which workers write it."""
    ids = [int(block.stream_id[0]) for block in commit.scores if len(block.stream_id)]
    ids += [stream.id for stream in commit.streams[:1]]
    s = schema.streams.c
    row = connection.execute(select(s.family, s.name).where(s.id.in_(ids)).limit(1)).first()
    if row is None:
        return f"run {commit.run} has such rows already, from another worker or other settings; {WHAT_TO_DO}"
    living = [worker for worker in workers.read(connection, commit.run, workers.clock(connection)) if worker.alive]
    named = ", ".join(named_worker(worker, row.family) for worker in living if row.family in worker.report.families)
    topics = ", ".join(_topics(connection, commit.run, row.family))
    return (
        f"stream {row.name} of family {row.family}, run {commit.run}, has these rows already, from another worker or "
        f"other settings of a family of this name; its topics so far: {topics}; "
        f"living workers with such a family: {named or 'none'}; {WHAT_TO_DO}"
    )


def _topics(connection: Connection, run: str, family: str) -> list[str]:
    """Those of the family's settings, each once, oldest first."""
    c = schema.changes.c
    kept = connection.execute(select(c.settings).where(c.run == run, c.family == family).order_by(c.number))
    return list(dict.fromkeys(str(json.loads(settings).get("topic")) for settings in kept.scalars())) or ["not known"]


def named_worker(worker: Heartbeat, family: str) -> str:
    """A worker, and the topic from which it reads a family."""
    report = worker.report
    return f"{report.id[:8]} ({report.host}, pid {report.pid}, topic {report.families[family]})"
