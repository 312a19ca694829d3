"""Why the rows of some streams could not be saved: people have changed them, or another worker has written them."""

from __future__ import annotations

from typing import NoReturn

from sqlalchemy import Connection, select

from monitor.errors import FencedError, StreamsChangedError
from monitor.ports.store import Commit
from monitor.store import schema

_AT_ONCE = 500  # ids in a statement


def refuse_streams(connection: Connection, commit: Commit) -> NoReturn:
    """Raise StreamsChangedError where a command has changed a stream or deleted it, else FencedError."""
    loaded = {stream.id: stream.version for stream in commit.streams}
    ids, s = list(loaded), schema.streams.c
    stored: dict[int, int] = {}
    for begin in range(0, len(ids), _AT_ONCE):
        query = select(s.id, s.version).where(s.id.in_(ids[begin : begin + _AT_ONCE]))
        stored |= {row.id: row.version for row in connection.execute(query)}
    if stored != loaded:
        raise StreamsChangedError(
            f"streams of run {commit.run} were changed by a command (retire, forget, rename, expect): nothing was "
            "written, this worker reads on from what is stored"
        )
    raise FencedError(
        f"streams of run {commit.run} were written by another worker: nothing was written, this worker has to step "
        "down; if this goes on, their readings come through several partitions: make producers partition by stream; "
        "or two configurations on this database name a family alike: rename it in one of them"
    )
