"""Decoding in bounded memory: what a decoder makes of a record takes many times the record's bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from monitor.config.families import Family
from monitor.records.batches import DeadLetter, Int64, Readings
from monitor.sources.decode import Assembly, Decoder, Records
from monitor.sources.faults import Fault
from monitor.sources.unfinished import Found, UnfinishedError, joined

LARGEST = 2**24  # bytes of a record that is read, whatever its family
PIECE = 2**22  # bytes of records that are decoded at once, but for a single one
_PER_NUMBER = 16  # bytes of text that a number takes: a reading may hold a whole window


class BoundedDecoder:
    """A `Decoder` that gives another one so many bytes of records at a time, and none that is too large.

    A record that is larger than `LARGEST`, and than a reading of its family can be, is a dead letter: `too-large`.
    """

    def __init__(self, decoder: Decoder, family: Family) -> None:
        self._decoder, self._width = decoder, family.shape.width
        self._largest = max(LARGEST, _PER_NUMBER * self._width)

    def decode(self, records: Records) -> tuple[Readings, list[DeadLetter]]:
        """See `monitor.sources.decode.Decoder`."""
        if _size(records) <= PIECE:
            return self._decoder.decode(records)
        ends = np.cumsum([len(value or b"") for value in records.values])
        found: list[Found] = []
        waiting: list[int] = []
        unfinished: UnfinishedError | None = None
        for begin, end, size in _pieces(ends):
            rows = np.arange(begin, end)
            held = np.isin(records.partition[rows], records.partition[waiting])  # they wait behind others
            waiting += rows[held].tolist()
            if held.all():
                continue
            part = records.take(rows[~held].tolist()) if held.any() else records.part(begin, end)
            try:
                found.append(self._piece(part, size))
            except UnfinishedError as rest:
                unfinished = rest if unfinished is None or rest.error is not None else unfinished
                found.append((rest.readings, rest.dead))
                waiting += rows[~held][rest.rows].tolist()
        if unfinished is not None:
            raise UnfinishedError(joined(found), sorted(waiting), unfinished.error, unfinished.tries)
        return joined(found)

    def _piece(self, records: Records, size: int) -> tuple[Readings, list[DeadLetter]]:
        if size <= max(self._largest, PIECE):
            return self._decoder.decode(records)
        refused = Assembly(records)  # of a single record
        says = f"the record has {size:,} bytes; at most {self._largest:,} are read"
        refused.blame(np.arange(len(records)), Fault("too-large", says))
        none = np.zeros(0, np.int64)
        return refused.finish(none, none.astype(np.int32), none, np.zeros((0, self._width), np.float32))


def _size(records: Records) -> int:
    try:
        return sum(map(len, records.values))  # type: ignore[arg-type]  # raises where one has no body
    except TypeError:
        return sum(len(value or b"") for value in records.values)


def _pieces(ends: Int64) -> Iterator[tuple[int, int, int]]:
    """First record, the one after the last, and bytes of each piece; `ends` (n,) sums up the bytes of the records."""
    begin, before = 0, 0
    while begin < len(ends):
        end = max(begin + 1, int(np.searchsorted(ends, before + PIECE, side="right")))
        yield begin, end, int(ends[end - 1]) - before
        begin, before = end, int(ends[end - 1])
