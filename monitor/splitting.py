"""Cutting a poll in two, so that a model can take over at an exact reading."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.records import Poll


def split(poll: Poll, family: str, topic: str, rows: int) -> tuple[Poll, Poll | None]:
    """The poll up to `rows` readings of a family, which come from `topic`, and what comes after them, or None.

    The readings of one message stay together. Positions of the first part end where the second begins, so that each
    part can be committed on its own; everything of other families, and gaps, are in the first.
    """
    readings = poll.readings[family]
    while 0 < rows < len(readings) and (
        readings.offset[rows] == readings.offset[rows - 1] and readings.partition[rows] == readings.partition[rows - 1]
    ):
        rows += 1
    if rows >= len(readings):
        return poll, None
    later = readings.take(np.arange(rows, len(readings)))
    begins = {(topic, int(p)): int(later.offset[later.partition == p].min()) for p in np.unique(later.partition)}
    positions = {p: begins.get(p, end) for p, end in poll.positions.items()}
    first_dead = [d for d in poll.dead if d.offset < positions.get((d.topic, d.partition), d.offset + 1)]
    now = replace(
        poll,
        readings={**poll.readings, family: readings.take(np.arange(rows))},
        dead=first_dead,
        positions=positions,
        at_end=False,
        finished=False,
    )
    rest = Poll(
        {family: later},
        [d for d in poll.dead if d not in first_dead],
        {p: end for p, end in poll.positions.items() if end != positions[p]},
        at_end=poll.at_end,
        finished=poll.finished,
    )
    return now, rest
