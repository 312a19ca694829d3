"""Readings kept to train on: how the many small blocks of a stream become one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from sqlalchemy import Connection, delete, func, select

from monitor.ports.store import HistoryBlock
from monitor.store import schema
from monitor.store.history_rows import block_of, insert

STRETCH = 256  # readings in a row that are kept, or not, where a history is thinned: several windows


def pack(connection: Connection, stream_ids: Sequence[int], most: int) -> None:
    """Replace the blocks of each of these streams by one, of its oldest `most` readings."""
    _replace(connection, stream_ids, lambda blocks: merged(blocks, most))


def thin(connection: Connection, stream_ids: Sequence[int], newest: int) -> None:
    """Replace the blocks of each of these streams by one: the `newest` readings, and half of those before them."""
    _replace(connection, stream_ids, lambda blocks: thinned(merged(blocks), newest))


def _replace(
    connection: Connection, stream_ids: Sequence[int], by: Callable[[Iterable[HistoryBlock]], list[HistoryBlock]]
) -> None:
    """Replace the blocks of streams that have several of them.

    Deleting returns what it deleted, so that a block which is being added, or packed by another process, is not lost.
    """
    h = schema.history
    several = select(h.c.stream_id).where(h.c.stream_id.in_(stream_ids)).group_by(h.c.stream_id)
    scattered = list(connection.execute(several.having(func.count() > 1)).scalars())
    if scattered:
        deleted = connection.execute(delete(h).where(h.c.stream_id.in_(scattered)).returning(h))
        rows = sorted(deleted, key=lambda row: (row.first_ns, row.id))
        if rows:  # else another process has packed or dropped them meanwhile
            insert(connection, by(map(block_of, rows)))


def thinned(blocks: Iterable[HistoryBlock], newest: int) -> list[HistoryBlock]:
    """Of each block the `newest` readings, and every other `STRETCH` of those before them; the newest are kept."""
    return [_thinned(block, newest) for block in blocks]


def _thinned(block: HistoryBlock, newest: int) -> HistoryBlock:
    behind = len(block.time) - 1 - np.arange(len(block.time))
    kept = (behind < newest) | ((behind - newest) // STRETCH % 2 == 0)
    return HistoryBlock(block.id, block.time[kept], block.values[kept])


def merged(blocks: Iterable[HistoryBlock], most: int | None = None) -> list[HistoryBlock]:
    """One block for each stream and width, of the first `most` readings; blocks come in order of time."""
    grouped: dict[tuple[int, int], list[HistoryBlock]] = {}
    for block in blocks:
        grouped.setdefault((block.id, block.values.shape[1]), []).append(block)
    return [
        HistoryBlock(
            id_,
            np.concatenate([block.time for block in some])[:most],
            np.concatenate([block.values for block in some])[:most],
        )
        for (id_, _), some in grouped.items()
    ]
