"""Kept readings without those of maintenance from which no model is to learn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from monitor.maintenance.calendar import Calendar
from monitor.pipeline.maintenance import Switch
from monitor.ports.store import HistoryBlock
from monitor.records.streams import StreamIndex

Named = tuple[str, HistoryBlock]


def without(history: Iterable[Named], family: str, calendar: Calendar) -> Iterator[Named]:
    """The blocks of a family's streams, without readings at times at which learning is off."""
    index = StreamIndex()
    learn = Switch("learn", family, index)
    learn.follow(calendar)
    for name, block in history:
        off = learn.at(index.intern([name]).repeat(len(block.time)), block.time)
        if off is None:
            yield name, block
        elif not off.all():
            yield name, replace(block, time=block.time[~off], values=block.values[~off])
