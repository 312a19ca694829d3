"""JSON messages that hold many readings of one stream at even spacing: `start`, `interval`, `values`."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np

from monitor.config.durations import parse_duration
from monitor.config.families import Family
from monitor.config.formats import GRID
from monitor.errors import SettingsError
from monitor.records.batches import NEVER, DeadLetter, Float64, Int64, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Assembly, Records, stream_codes, time_reader, wrong_length
from monitor.sources.faults import Fault
from monitor.sources.formats.json_bodies import JsonBodies, key_and_time
from monitor.sources.formats.json_layouts import Place
from monitor.sources.notation import Notation
from monitor.sources.timestamps import LAST

_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:/s|Hz)\s*")
_LONGEST = 10**18  # ns between two readings; far beyond any sensor, well inside int64
_MAX_TEXT = 40  # characters of an interval
_NO_SPACING = Fault("bad-interval", 'the interval is no time: write "10ms", "360/s" or a number of seconds')
_TOO_LONG = Fault("bad-interval", "the readings reach beyond the year 2115")
_Spacing = tuple[int, int]  # a numerator and a denominator: ns between two readings


class JsonBatchDecoder:
    """Readings at `start`, `start + interval`, ... of one stream: `values` is flat, or one list per reading.

    With one field per channel in `format.values` each holds the list of its channel. The interval is text ("10ms",
    "360/s", "360Hz"), a number of seconds, or the family's own. Each message is flattened at array speed.
    Reasons of its dead letters: those of `JsonDecoder`, missing-interval, bad-interval.
    """

    def __init__(self, family: Family, index: StreamIndex) -> None:
        self._index = index
        self._format = family.format
        self._channels = len(family.channels)
        names = family.format.values or ("values",)
        self._nested = len(names) < self._channels  # (reading, channel) in one field
        cells = list[list[float | None]] if self._nested else list[float | None]
        values: list[Place] = [("value", name, cells) for name in names]
        own = family.format.interval == GRID
        if own and family.interval is None:
            raise SettingsError(f'topic {family.topic}: format.interval is "{GRID}", but the family has no interval')
        spacing: list[Place] = [] if own else [("interval", family.format.interval, str | int | float)]
        self._bodies = JsonBodies([*key_and_time(family.format), *spacing, *values], family.format)
        self._notation = Notation(family.format)
        self._own: _Spacing = (family.interval or 1, 1)
        self._reader = time_reader(family)

    def decode(self, records: Records) -> tuple[Readings, list[DeadLetter]]:
        """See `monitor.sources.decode.Decoder`."""
        assembly = Assembly(records)
        messages, rows = self._bodies.parse(assembly)
        messages, rows, counts = self._counted(assembly, messages, rows)
        if self._format.time_fields:
            (moment,) = self._bodies.getters("time")
            start = assembly.times(list(map(moment, messages)), rows, self._reader)
        else:
            start = assembly.stamps(rows)
        of = np.repeat(np.arange(len(messages)), counts)  # the message of each reading
        time = self._times(assembly, messages, rows, start, counts)
        values = assembly.values(self._flat(messages, len(of)), rows[of], self._notation)
        keys = self._bodies.keys(self._format, messages)
        stream = stream_codes(self._index, assembly, keys, rows, self._format.key_encoding)
        settled = assembly.settle(rows, stream, start, time[np.cumsum(counts) - 1] - start)
        if settled is not start:
            time = time + (settled - start)[of]
        return assembly.finish(rows[of], stream[of], time, values)

    def _counted(self, assembly: Assembly, messages: list[Any], rows: Int64) -> tuple[list[Any], Int64, Int64]:
        """The messages whose values have the right shape, and how many readings each holds."""
        lists = [list(map(get, messages)) for get in self._bodies.getters("value")]
        counts = np.array([list(map(len, column)) for column in lists], dtype=np.int64)  # (field, message)
        even = (counts == counts[0]).all(axis=0)
        if self._nested:
            fits = (all(len(cells) == self._channels for cells in table) for table in lists[0])
            even &= np.fromiter(fits, np.bool_, len(messages))
        assembly.blame(rows[~even], wrong_length(self._channels))
        assembly.blame(rows[counts[0] == 0], Fault("empty", "the message holds no values"))
        if even.all():
            return messages, rows, counts[0]
        return [m for m, fits in zip(messages, even, strict=True) if fits], rows[even], counts[0][even]

    def _flat(self, messages: list[Any], total: int) -> Float64:
        """Values (total, channels); NaN where a message gives null."""
        found = np.empty((total, self._channels))
        for channel, get in enumerate(self._bodies.getters("value")):
            cells = chain.from_iterable(map(get, messages))
            if self._nested:
                found[:] = np.array(list(chain.from_iterable(cells)), dtype=np.float64).reshape(total, self._channels)
            else:
                found[:, channel] = list(cells)  # None becomes NaN
        return found

    def _times(self, assembly: Assembly, messages: list[Any], rows: Int64, start: Int64, counts: Int64) -> Int64:
        """The time of each reading in ns, exact also at rates such as 360 Hz."""
        over, under = self._spacings(assembly, messages, rows)
        start = np.where(start == NEVER, 0, start)  # at fault already
        after = np.maximum(counts - 1, 0)
        fits = after <= LAST // np.maximum(over, 1)
        last = np.where(fits, after, 0) * over // under
        fits &= last < LAST - start
        assembly.blame(rows[~fits], _TOO_LONG)
        over = np.where(fits, over, 0)
        begin = np.cumsum(counts) - counts
        after = (np.arange(counts.sum()) - np.repeat(begin, counts)) * np.repeat(over, counts)
        if (under > 1).any():  # division is slow, and whole nanoseconds are the rule
            after //= np.repeat(under, counts)
        return np.asarray(np.repeat(start, counts) + after)

    def _spacings(self, assembly: Assembly, messages: list[Any], rows: Int64) -> tuple[Int64, Int64]:
        """Numerator and denominator of each message's spacing. Each text is parsed once per batch."""
        spacing = self._bodies.getters("interval")
        if not spacing:
            return np.full(len(rows), self._own[0]), np.full(len(rows), self._own[1])
        raw = list(map(spacing[0], messages))
        known = {item: _spacing(item) for item in set(raw)}
        found = [known[item] for item in raw]
        assembly.blame(rows[[spacing is None for spacing in found]], _NO_SPACING)
        pairs = np.array([spacing or self._own for spacing in found], dtype=np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]


def _spacing(item: str | float) -> _Spacing | None:
    """What an interval says, or None where it is not one."""
    if not isinstance(item, str):
        found = Fraction(round(item * 10**9) if abs(item) < _LONGEST else 0)
    elif len(item) > _MAX_TEXT:
        return None
    elif rate := _RATE.fullmatch(item):
        found = 10**9 / Fraction(rate[1]) if Fraction(rate[1]) else Fraction(0)
    else:
        try:
            found = Fraction(parse_duration(item))
        except (ValueError, OverflowError):
            return None
    over, under = found.numerator, found.denominator
    return (over, under) if 0 < over < _LONGEST and under < _LONGEST else None
