"""JSON messages of one reading each, and arrays of them.

>>> settings = {"topic": "plant", "channels": ["celsius"], "interval": "1s", "window": {"length": 60}}
>>> family, index = Family.model_validate(settings), StreamIndex()
>>> bodies = [b'{"time": "1970-01-01T00:00:01Z", "celsius": 21.5}', b'{"time": "yesterday", "celsius": 22}']
>>> partition, offset = np.zeros(2, np.int32), np.array([7, 8])
>>> readings, dead = JsonDecoder(family, index).decode(Records("plant", [b"m-1"] * 2, bodies, partition, offset))
>>> index.name(readings.stream[0]), readings.time.tolist(), readings.values.tolist()
('m-1', [1000000000], [[21.5]])
>>> [(letter.offset, letter.reason) for letter in dead]
[(8, 'bad-time')]
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from monitor.config.families import Family
from monitor.records.batches import Bool, DeadLetter, Float32, Float64, Int64, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Assembly, Records, stream_codes, time_reader, value_fields, wrong_length
from monitor.sources.formats.alike import AlikeBodies
from monitor.sources.formats.channels import ChannelNames
from monitor.sources.formats.json_bodies import JsonBodies, key_and_time
from monitor.sources.formats.json_layouts import Place
from monitor.sources.notation import Notation
from monitor.sources.quality import Code, Quality

_PLAIN = re.compile(r"[\w-]+", re.ASCII)  # names that are neither paths nor spelt in two ways


class JsonDecoder:
    """One JSON object per message, laid out as the family's `format` says; unknown fields are ignored.

    Reasons of its dead letters: empty, utf8, json, not-an-object, duplicate-key, missing-key, bad-key, missing-time,
    bad-time, missing-value, bad-value, wrong-length, missing-channel, bad-channel, unknown-channel,
    missing-quality, bad-quality.
    A value of null is NaN.
    Raises SettingsError for a format that cannot be.
    """

    _many: ClassVar[bool] = False

    def __init__(self, family: Family, index: StreamIndex) -> None:
        self._index = index
        self._format = family.format
        self._width = family.shape.width
        self._vector = family.window.rules.whole
        kind = list[float | None] if self._vector else float | None
        names = value_fields(family)
        values: list[Place] = [("value", name, kind) for name in names]
        values += [("channel", name, str | int) for name in family.format.channel_fields]
        self._channels = ChannelNames(family.channels)
        self._reader = time_reader(family)
        self._quality, self._notation = Quality(family.format, family.channels), Notation(family.format)
        values += [("quality", name, Code) for name in self._quality.names]
        self._bodies = JsonBodies([*key_and_time(family.format), *values], family.format, many=self._many)
        flat = not (self._many or self._vector or len(values) > len(names) or family.format.key_fields)
        plain = all(map(_PLAIN.fullmatch, [family.format.time, *names]))
        self._alike = AlikeBodies(family.format.time, names) if flat and plain else None

    def decode(self, records: Records) -> tuple[Readings, list[DeadLetter]]:
        """See `monitor.sources.decode.Decoder`."""
        assembly = Assembly(records)
        if self._alike is not None and (numbers := self._alike.read(records.values)) is not None:
            return self._finished(assembly, *numbers)
        messages, rows = self._bodies.parse(assembly)
        if self._alike is not None and not assembly.faults:
            self._alike.learn(records.values)
        if self._format.time_fields:
            (moment,) = self._bodies.getters("time")
            time = assembly.times(list(map(moment, messages)), rows, self._reader)
        else:
            time = assembly.stamps(rows)
        values = self._numbers(assembly, messages, rows)
        for channel in self._bodies.getters("channel"):
            values = self._channels.spread(assembly, list(map(channel, messages)), rows, values)
        keys = self._bodies.keys(self._format, messages)
        stream = stream_codes(self._index, assembly, keys, rows, self._format.key_encoding)
        return assembly.finish(rows, stream, time, values)

    def _finished(self, assembly: Assembly, raw: Int64, numbers: Float64) -> tuple[Readings, list[DeadLetter]]:
        """The readings of all records, one each, from times and values that are numbers."""
        rows = np.arange(len(raw))
        time = assembly.times(raw, rows, self._reader)
        values = assembly.values(numbers, rows, self._notation)
        stream = stream_codes(self._index, assembly, None, rows, self._format.key_encoding)
        return assembly.finish(rows, stream, time, values)

    def _numbers(self, assembly: Assembly, messages: list[Any], rows: Int64) -> Float32:
        """Values (n, width); NaN where a message gives null."""
        found: Float64 = np.full((len(messages), 1 if self._format.channel else self._width), np.nan)
        fields = self._bodies.getters("value")
        if self._vector:
            vectors = list(map(fields[0], messages))
            fits: Bool = np.fromiter(map(len, vectors), np.int64, len(vectors)) == self._width
            if fits.any():
                found[fits] = vectors if fits.all() else [v for v, fit in zip(vectors, fits, strict=True) if fit]
            assembly.blame(rows[~fits], wrong_length(self._width))
        else:
            for column, get in enumerate(fields):
                found[:, column] = _cells(get, messages)
        if self._quality.names:
            self._quality.screen(found, [list(map(get, messages)) for get in self._bodies.getters("quality")])
        return assembly.values(found, rows, self._notation)


def _cells(get: Callable[[Any], float | None], messages: list[Any]) -> Float64 | list[float | None]:
    """The values of a field; None becomes NaN where they are put into an array."""
    try:
        return np.fromiter(map(get, messages), np.float64, len(messages))  # twice as fast where there is no None
    except TypeError:
        return list(map(get, messages))


class JsonArrayDecoder(JsonDecoder):
    """A JSON array of such objects per message, each a reading: `[{"time": 1, "value": 2}, ...]`.

    More reasons: not-an-array. An empty array is `empty`.
    """

    _many = True
