"""Splits a poll, so that a model can take over at an exact reading and memory stays bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from monitor.records.batches import Poll, Readings, TopicPartition


def split(poll: Poll, limits: Mapping[str, tuple[str, int]]) -> tuple[Poll, Poll | None]:
    """The poll up to some rows of some families, and what comes after them, or None.

    `limits` has for a topic its family and how many of the family's readings to take; topics that are not in it stay
    whole, as do messages of several readings. Positions of the first part end where the second begins, so that each
    part can be committed on its own; gaps and what was said of ends are in the first.
    """
    kept, later = dict(poll.readings), {}
    positions = dict(poll.positions)
    for topic, (family, rows) in limits.items():
        readings = poll.readings[family]
        at = _message_end(readings, rows)
        if at < len(readings):
            kept[family], later[family] = readings.take(np.arange(at)), readings.take(np.arange(at, len(readings)))
            positions |= _begins(topic, later[family])
    if not later:
        return poll, None
    first_dead = [d for d in poll.dead if d.offset < positions.get((d.topic, d.partition), d.offset + 1)]
    now = replace(poll, readings=kept, dead=first_dead, positions=positions, at_end=False, finished=False)
    rest = Poll(
        later,
        [d for d in poll.dead if d not in first_dead],
        {p: end for p, end in poll.positions.items() if end != positions[p]},
        at_end=poll.at_end,
        finished=poll.finished,
    )
    return now, rest


def _message_end(readings: Readings, rows: int) -> int:
    """So many rows, or a few more where a message would be cut in two."""
    while 0 < rows < len(readings) and (
        readings.offset[rows] == readings.offset[rows - 1] and readings.partition[rows] == readings.partition[rows - 1]
    ):
        rows += 1
    return rows


def _begins(topic: str, later: Readings) -> dict[TopicPartition, int]:
    """The first offset of each partition in them."""
    numbers = np.unique(later.partition)
    return {(topic, int(p)): int(later.offset[later.partition == p].min()) for p in numbers}
