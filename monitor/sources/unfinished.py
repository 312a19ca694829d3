"""Batches that a decoder cannot read in time, such as for want of a schema: the records that wait, and waiting."""

from __future__ import annotations

import time
from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from monitor.errors import SourceError
from monitor.records.batches import DeadLetter, Readings
from monitor.sources.decode import Decoder, Records

RETRY_S = 0.2  # between two tries that read nothing
TRIES = 5  # to have what is needed, where nothing but this reader waits for it
Found = tuple[Readings, list[DeadLetter]]


class UnfinishedError(Exception):
    """Only some records of a batch could be read in time. It leaves a decoder, and no source.

    `readings` and `dead` are what became of the others; `rows`, in rising order, are those to give to the decoder
    again: with each one all that follow in its partition. `error` says what is needed beside the records and could not
    be had in `tries` tries so far, None where it may only take time.
    """

    def __init__(self, found: Found, rows: list[int], error: SourceError | None = None, tries: int = 0) -> None:
        super().__init__(f"{len(rows)} records wait")
        self.readings, self.dead = found
        self.rows, self.error, self.tries = rows, error, tries

    def give_up(self) -> None:
        """Raise the error after `TRIES`; called where no worker goes on with other records meanwhile."""
        if self.error is not None and self.tries >= TRIES:
            raise self.error


def decode_all(decoder: Decoder, records: Records) -> Found:
    """What becomes of these records, for as long as it takes. Raises SourceError where that does not help."""
    found: list[Found] = []
    while True:
        try:
            found.append(decoder.decode(records))
        except UnfinishedError as rest:
            rest.give_up()
            found.append((rest.readings, rest.dead))
            if len(rest.rows) == len(records):
                time.sleep(RETRY_S)
            records = records.take(rest.rows)
        else:
            return joined(found)


def joined(found: Sequence[Found]) -> Found:
    """One batch of several, one behind the other."""
    if len(found) == 1:
        return found[0]
    stream, time_, values, partition, offset = (
        np.concatenate(column) for column in zip(*(_columns(readings) for readings, _ in found), strict=True)
    )
    sent = [readings.sent for readings, _ in found if readings.sent is not None]
    readings = Readings(stream, time_, values, partition, offset, np.concatenate(sent) if sent else None)
    return readings, [letter for _, letters in found for letter in letters]


_columns = attrgetter("stream", "time", "values", "partition", "offset")
