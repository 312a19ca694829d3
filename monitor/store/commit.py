"""What one commit writes, in order: the fence, then rows that others refer to before the rows that refer to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Connection, Table, select

from monitor.errors import FencedError, StoreError
from monitor.ports.store import Commit, ScoreBlock
from monitor.records.batches import DeadLetter, Gap, Scores, TopicPartition
from monitor.store import alert_rows, history_rows, late, rollups, schema
from monitor.store.conflicts import insert_into
from monitor.store.engine import Backend
from monitor.store.refused_streams import refuse_streams
from monitor.store.text import storable

NAME_LIMIT = 512  # characters of a stream's name; PostgreSQL indexes no more than 2,700 bytes of a row

Row = dict[str, Any]
ModelKey = tuple[str, str]  # family and id


def write(
    backend: Backend, connection: Connection, commit: Commit, refs: dict[ModelKey, int], store: UUID, now: int
) -> None:
    """Write `commit` inside the open transaction. `refs` remembers row numbers of models between calls.

    `store` is the store's identity.

    Raises FencedError when a partition has a newer owner, or a row of a stream is not as this worker left it.
    """
    _pass_fence(connection, commit, now)
    for block in _in_key_order(commit.scores):
        backend.insert_scores(connection, block, _model_ref(connection, block, refs))
    rollups.write(connection, commit.rollup)
    if commit.streams and backend.update_streams(connection, commit.streams, now) != len(commit.streams):
        refuse_streams(connection, commit)
    history_rows.insert(connection, [block for block in commit.history if len(block.time)])
    alert_rows.write_facts(connection, commit, store, now)
    late.write(connection, commit.run, commit.late, now)
    _insert_dead(connection, commit.run, commit.dead, now)
    _insert(connection, schema.gaps, (_gap_row(commit.run, gap, now) for gap in commit.gaps))


def _in_key_order(blocks: list[ScoreBlock]) -> Iterator[ScoreBlock]:
    """One block for each model, sorted by stream and end: every page of the table is touched once, not once a batch."""
    for family, model in dict.fromkeys((block.family, block.model) for block in blocks if len(block.scores)):
        chosen = [block for block in blocks if (block.family, block.model) == (family, model)]
        stream_id = np.concatenate([block.stream_id for block in chosen])
        columns = zip(*(attrgetter(*Scores.__slots__)(block.scores) for block in chosen), strict=True)
        scores = Scores(*map(np.concatenate, columns))
        order = np.lexsort((scores.end, stream_id))
        yield ScoreBlock(scores.take(order), stream_id[order], model, family)


def _pass_fence(connection: Connection, commit: Commit, now: int) -> None:
    """Move every partition on, in an order that all workers share so that they cannot block each other in a ring."""
    p = schema.positions.c
    fences: dict[TopicPartition, tuple[int, Row]]
    fences = {key: (epoch, {"next_offset": offset}) for key, (epoch, offset) in commit.positions.items()}
    fences |= {key: (epoch, {}) for key, epoch in commit.unread.items()}
    for key in commit.unreadable.keys() & commit.positions.keys():
        fences[key][1]["unreadable"] = commit.unreadable[key]
    for (topic, partition), (epoch, moves) in sorted(fences.items()):
        moved = connection.execute(
            schema.positions.update()
            .where(p.run == commit.run, p.topic == topic, p.partition == partition, p.epoch == epoch)
            .values(updated=now, **moves)
        )
        if moved.rowcount != 1:
            raise FencedError(
                f"{topic} [{partition}] of run {commit.run} has a newer owner than epoch {epoch}; "
                "nothing was written, this worker has to step down; if this goes on, two workers use one store under "
                "different kafka.group names or brokers: stop one of them"
            )


def _model_ref(connection: Connection, block: ScoreBlock, refs: dict[ModelKey, int]) -> int | None:
    if not block.model:
        return None
    key = (block.family, block.model)
    if key not in refs:
        m = schema.models.c
        found = connection.execute(select(m.ref).where(m.family == block.family, m.id == block.model)).scalar()
        if found is None:
            raise StoreError(
                f"model {block.model[:12]} scored windows of family {block.family} but is not in the registry; add it "
                "first"
            )
        refs[key] = found
    return refs[key]


def _insert(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    if batch := list(rows):
        connection.execute(table.insert(), batch)


def _insert_dead(connection: Connection, run: str, dead: list[DeadLetter], now: int) -> None:
    if dead:
        statement = insert_into(connection, schema.dead_letters).on_conflict_do_nothing()
        connection.execute(statement, [_dead_row(run, letter, now) for letter in dead])


def _dead_row(run: str, letter: DeadLetter, now: int) -> Row:
    return {
        "run": run, "topic": letter.topic, "partition": letter.partition, "offset": letter.offset,
        "reason": storable(letter.reason), "error": storable(letter.error),
        "stream": storable(letter.stream)[:NAME_LIMIT], "time": letter.time,
        "key": letter.key, "body": letter.body, "size": letter.size, "recorded": now,
    }  # fmt: skip


def _gap_row(run: str, gap: Gap, now: int) -> Row:
    return {
        "run": run, "topic": gap.topic, "partition": gap.partition, "start": gap.start, "end": gap.end,
        "reason": gap.reason, "recorded": now,
    }  # fmt: skip
