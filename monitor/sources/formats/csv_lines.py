"""CSV lines as messages: one reading per line, one or more lines per message, no header."""

from __future__ import annotations

import csv
import io
from itertools import islice

import numpy as np
import pandas as pd

from monitor.config.families import Family
from monitor.records.batches import DeadLetter, Float32, Int64, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.decode import (
    Assembly,
    Records,
    first_places,
    stream_codes,
    time_reader,
    value_fields,
    wrong_length,
)
from monitor.sources.faults import Fault
from monitor.sources.files import cells
from monitor.sources.formats.channels import ChannelNames
from monitor.sources.notation import Notation
from monitor.sources.number_faults import key, number_fault
from monitor.sources.quality import Quality
from monitor.sources.stream_names import Key

_Lines = list[list[str]]


class CsvDecoder:
    """Lines whose cells are `format.columns`; by default the key's fields, the channel's (if any), the
    time, the qualities and the values, in this order.

    Cells mean what they mean in CSV files: an empty one is NaN, a time is ISO 8601 or a number. With `message` windows
    the last column takes all cells that are left. A quoted cell may hold commas and line breaks.
    Reasons of its dead letters: empty, utf8, csv, wrong-length, missing-key, bad-key, bad-time, bad-value,
    unknown-channel.
    """

    def __init__(self, family: Family, index: StreamIndex) -> None:
        self._index = index
        self._reader = time_reader(family)
        self._format = layout = family.format
        self._encoding, self._shown = layout.encoding or "utf-8-sig", layout.encoding or "UTF-8"
        self._delimiter, self._skipped = layout.delimiter or ",", layout.skip_rows
        self._quality, self._notation = Quality(family.format, family.channels), Notation(family.format)
        fields, keys, time = value_fields(family), family.format.key_fields, family.format.time_fields
        columns = family.format.columns or (*keys, *family.format.channel_fields, *time, *self._quality.names, *fields)
        self._width = 1 if family.format.channel else family.shape.width
        self._channels = ChannelNames(family.channels)
        self._channel = [columns.index(name) for name in family.format.channel_fields]
        self._keys = [columns.index(name) for name in keys]
        self._time = [columns.index(name) for name in time]
        self._codes = [columns.index(name) for name in self._quality.names]
        first = columns.index(fields[0])
        vector = family.window.rules.whole
        self._values = list(range(first, first + self._width)) if vector else [columns.index(name) for name in fields]
        self._cells = len(columns) + (self._width - 1 if vector else 0)

    def decode(self, records: Records) -> tuple[Readings, list[DeadLetter]]:
        """See `monitor.sources.decode.Decoder`."""
        assembly = Assembly(records)
        lines: _Lines = []
        origin: list[int] = []
        for row, body in assembly.bodies():
            found = self._lines(body)
            if isinstance(found, Fault):
                assembly.faults[row] = found
            else:
                lines += found
                origin += [row] * len(found)
        rows = np.array(origin, dtype=np.int64)
        time = self._times(assembly, lines, rows)
        values = self._numbers(assembly, lines, rows)
        for place in self._channel:
            values = self._channels.spread(assembly, [line[place] for line in lines], rows, values)
        stream = stream_codes(self._index, assembly, self._names(lines), rows, self._format.key_encoding)
        return assembly.finish(rows, stream, time, values)

    def _lines(self, body: bytes) -> _Lines | Fault:
        """The cells of each line, or why there are none."""
        try:
            text = io.StringIO(body.decode(self._encoding), newline="")
            lines = csv.reader(text, delimiter=self._delimiter, strict=True, skipinitialspace=True)
            found = [line for line in islice(lines, self._skipped, None) if line]
        except UnicodeDecodeError as wrong:
            return Fault("utf8", f"the body is not {self._shown}: {wrong.reason} at byte {wrong.start}")
        except csv.Error as wrong:
            return Fault("csv", str(wrong))
        if not found:
            return Fault("empty", "the message holds no line")
        if any(len(line) != self._cells for line in found):
            return wrong_length(self._width)
        return found

    def _times(self, assembly: Assembly, lines: _Lines, rows: Int64) -> Int64:
        if not self._time:
            return assembly.stamps(rows)
        place = self._time[0]
        return assembly.times([line[place].strip() for line in lines], rows, self._reader)

    def _numbers(self, assembly: Assembly, lines: _Lines, rows: Int64) -> Float32:
        """Values (n, width); NaN where a cell is empty."""
        column = pd.Series([line[place] for line in lines for place in self._values], dtype=object)
        found, bad = cells.numbers(column, self._notation)
        shape = (len(lines), self._width)
        of = np.repeat(rows, self._width)
        for row, cell in zip(*(places.tolist() for places in first_places(of, np.flatnonzero(bad))), strict=True):
            if row not in assembly.faults:
                assembly.faults[row] = Fault("bad-value", number_fault(column[cell], self._notation, key))
        values = found.reshape(shape)
        if self._codes:
            self._quality.screen(values, [[line[place] for line in lines] for place in self._codes])
        return assembly.values(values, rows, self._notation)

    def _names(self, lines: _Lines) -> list[Key] | None:
        if not self._keys:
            return None
        return [self._format.name([line[place] for place in self._keys]) for line in lines]
