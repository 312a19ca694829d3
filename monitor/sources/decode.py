"""From Kafka records to columns: the contract of every decoder, and what the formats share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol

import numpy as np

from monitor.config.families import Family
from monitor.errors import SettingsError
from monitor.records.batches import FOREVER, NEVER, Bool, DeadLetter, Float32, Float64, Int32, Int64, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.faults import TOO_MANY, Fault, Faults, too_many_streams
from monitor.sources.notation import Notation
from monitor.sources.stream_names import Key, stream_name
from monitor.sources.timestamps import LAST, Arrivals, Raw, TimeReader, Times

EARLIEST_MS = 946_684_800_000  # 2000: a Kafka timestamp before that was set by mistake
Cell = float | None  # a value as a message gives it


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one topic as they came, column by column; offsets rise within each partition.

    `stamps` fetches their Kafka timestamps in ms, below 0 where one has none; only decoders that need them call it.
    """

    topic: str
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    partition: Int32
    offset: Int64
    stamps: Callable[[], Sequence[int] | Int64] | None = None

    def __len__(self) -> int:
        """Records in the batch."""
        return len(self.values)

    def part(self, begin: int, end: int) -> Records:
        """The records [begin, end)."""
        stamps = self.stamps
        return Records(
            self.topic, self.keys[begin:end], self.values[begin:end], self.partition[begin:end], self.offset[begin:end],
            None if stamps is None else lambda: stamps()[begin:end],
        )  # fmt: skip

    def take(self, rows: Sequence[int]) -> Records:
        """The records at `rows`, in rising order."""
        stamps = self.stamps
        return Records(
            self.topic, [self.keys[row] for row in rows], [self.values[row] for row in rows],
            self.partition[rows], self.offset[rows],
            None if stamps is None else lambda: np.asarray(stamps(), np.int64)[rows],
        )  # fmt: skip


class Decoder(Protocol):
    """How the messages of one topic become readings of one family."""

    def decode(self, records: Records) -> tuple[Readings, list[DeadLetter]]:
        """Readings in the order of the records, and of their times within a record; a dead letter per unreadable one.

        A record is read as a whole or not at all; its readings share its partition and offset. May block for seconds.
        Raises `monitor.sources.unfinished.UnfinishedError` where records must wait, such as for a schema, SourceError
        where waiting cannot help, and nothing else.
        """
        ...


EMPTY = Fault("empty", "the message has no body")
BAD_TIME = Fault("bad-time", "the time is none, or beyond 1824 to 2115")


class Assembly:
    """One batch being decoded: which records are at fault, and the columns of the others.

    `rows` are indices of records, in rising order; a record of several readings has several.
    """

    def __init__(self, records: Records) -> None:
        self.records = records
        self.faults: Faults = {}
        self.encoding = "text"  # of Kafka keys
        self.keys: dict[int, Key] | None = None  # of the bodies, by record, where these name the streams
        self._local: tuple[TimeReader, Times] | None = None  # times that may be local ones, until they are settled

    def blame(self, rows: Int64, fault: Fault) -> None:
        """These records cannot be read, unless that is known already."""
        for row in rows.tolist():
            self.faults.setdefault(row, fault)

    def bodies(self) -> Iterator[tuple[int, bytes]]:
        """Every record that has a body; the others are blamed."""
        for row, body in enumerate(self.records.values):
            if body is None or not body.strip():
                self.faults[row] = EMPTY
            else:
                yield row, body

    def times(self, raw: Raw, rows: Int64, reader: TimeReader) -> Int64:
        """Times in ns of what the messages hold; NEVER where it is no time."""
        return self.keep(reader, self.read(raw, rows, reader))

    def read(self, raw: Raw, rows: Int64, reader: TimeReader) -> Times:
        """The same with what is still to be settled; blames the records that have no time."""
        found = reader.read(raw)
        bad = np.flatnonzero(found.ns == NEVER)
        for row, place in zip(*(column.tolist() for column in first_places(rows, bad)), strict=True):
            if row not in self.faults:
                item = int(raw[place]) if isinstance(raw, np.ndarray) else raw[place]
                self.faults[row] = Fault("bad-time", reader.explain(item))
        return found

    def keep(self, reader: TimeReader, found: Times) -> Int64:
        """Times in ns; those that are local ones are settled when the streams are known."""
        self._local = (reader, found)
        return found.ns

    def settle(self, rows: Int64, stream: Int32, time: Int64, span: Int64 | None = None) -> Int64:
        """The times with those of a repeated hour resolved; see `TimeReader.settle`. `time` may be kept ones only."""
        if self._local is None:
            return time
        reader, found = self._local
        self._local = None
        if found.naive is not None and self.faults:
            found = Times(found.ns, found.naive & ~np.isin(rows, list(self.faults)))

        def arrivals() -> Arrivals:
            records = self.records
            stamps = None if records.stamps is None else lambda: self._kafka_times()[rows]
            return Arrivals(stream, records.partition[rows], records.offset[rows], span, stamps)

        return reader.settle(found, arrivals)

    def stamps(self, rows: Int64) -> Int64:
        """Kafka's own times of these records in ns; NEVER where one has none."""
        if self.records.stamps is None:
            return self.known(np.full(len(rows), NEVER, np.int64), rows)
        return self.known(self._kafka_times()[rows], rows)

    def values(self, found: Float64 | Float32, rows: Int64, notation: Notation) -> Float32:
        """The values (n, width) as float32, which they must fit; NaN stays. See `Notation.decoded`."""
        values, infinite = notation.decoded(found)
        if infinite.any():
            self.blame(rows[infinite.any(axis=1)], Fault("bad-value", "a value is beyond float32"))
        return values

    def finish(self, rows: Int64, stream: Int32, time: Int64, values: Float32) -> tuple[Readings, list[DeadLetter]]:
        """What a decoder returns. Readings of one record came together: they are put in the order of their times."""
        records = self.records
        time = self.settle(rows, stream, time)
        readings = Readings(stream, time, values, records.partition[rows], records.offset[rows], self._sent(rows))
        back: Bool = (rows[1:] == rows[:-1]) & (time[1:] < time[:-1])
        if back.any():
            order = np.lexsort((time, rows))  # stable: of two readings of one time the first comes first
            readings, rows = readings.take(order), rows[order]
        if not self.faults:
            return readings, []
        good: Bool = ~np.isin(rows, list(self.faults))
        stamps = () if records.stamps is None else np.asarray(records.stamps(), np.int64).tolist()
        faults = sorted(self.faults.items())
        return readings.take(good), [self._dead_letter(row, fault, stamps) for row, fault in faults]

    def _sent(self, rows: Int64) -> Int64 | None:
        """Kafka's own times of these records in ns; FOREVER where one has none, or none that can be."""
        if self.records.stamps is None:
            return None
        milliseconds = np.minimum(np.asarray(self.records.stamps(), np.int64), FOREVER // 10**6)
        return np.where(milliseconds < EARLIEST_MS, FOREVER, milliseconds * 10**6)[rows]

    def known(self, time: Int64, rows: Int64) -> Int64:
        """The same times, after blaming the records that have none."""
        self.blame(rows[time == NEVER], BAD_TIME)
        return time

    def _kafka_times(self) -> Int64:
        """Kafka's own times of all records in ns; NEVER where one has none, or none that can be."""
        milliseconds = np.array(self.records.stamps() if self.records.stamps else (), dtype=np.int64)
        known = (milliseconds >= 0) & (milliseconds < LAST // 10**6)  # a producer may write any number
        return np.where(known, milliseconds, 0) * 10**6 + np.where(known, 0, NEVER)

    def _dead_letter(self, row: int, fault: Fault, stamps: Sequence[int]) -> DeadLetter:
        records = self.records
        name = stream_name(records.keys[row] if self.keys is None else self.keys.get(row), self.encoding)
        return DeadLetter(
            topic=records.topic, partition=int(records.partition[row]), offset=int(records.offset[row]),
            reason=fault.reason, error=fault.error,
            stream="" if isinstance(name, Fault) or fault.reason == TOO_MANY else name,
            time=stamps[row] * 10**6 if stamps and 0 <= stamps[row] < LAST // 10**6 else None,
            key=records.keys[row], body=records.values[row],
        )  # fmt: skip


def first_places(rows: Int64, places: Int64) -> tuple[Int64, Int64]:
    """The records of these places, each once, with its first place: a record may hold a million readings."""
    found, first = np.unique(rows[places], return_index=True)
    return found, places[first]


def stream_codes(
    index: StreamIndex, assembly: Assembly, keys: Sequence[Key] | None, rows: Int64, encoding: str = "text"
) -> Int32:
    """Codes of the streams that `keys` name, by default the Kafka keys in `encoding`; 0 where the record is at fault.

    Each name is looked at once per batch. Streams are named only by records that are read: call it last.
    """
    faults, assembly.encoding = assembly.faults, encoding
    if keys is not None and faults:
        assembly.keys = (assembly.keys or {}) | dict(zip(rows.tolist(), keys, strict=True))
    if keys is None:
        kafka = assembly.records.keys
        keys = kafka if np.array_equal(rows, np.arange(len(kafka))) else [kafka[row] for row in rows.tolist()]
    try:
        return np.fromiter(map(index.of_key.__getitem__, keys), np.int32, len(keys))
    except KeyError:
        pass  # a stream that has not been seen, or no name at all
    names = {key: stream_name(key, encoding) for key in dict.fromkeys(keys)}  # in order of arrival
    if any(isinstance(name, Fault) for name in names.values()):
        for key, row in zip(keys, rows.tolist(), strict=True):
            if isinstance(fault := names[key], Fault):
                faults.setdefault(row, fault)
    wanted = set(names)
    if faults:
        wanted = {key for key, row in zip(keys, rows.tolist(), strict=True) if row not in faults}
    good = {key: name for key, name in names.items() if key in wanted and isinstance(name, str)}
    if refused := index.refused(good.values()):
        fault, beyond = too_many_streams(index.most), {key for key, name in good.items() if name in refused}
        assembly.blame(rows[np.fromiter(map(beyond.__contains__, keys), np.bool_, len(keys))], fault)
        good = {key: name for key, name in good.items() if key not in beyond}
    index.of_key.update(zip(good, index.intern(list(good.values())).tolist(), strict=True))
    return np.fromiter(map(index.of_key.get, keys, repeat(0)), np.int32, len(keys))


def time_reader(family: Family) -> TimeReader:
    """Reads the times of a family's messages as its `format` says. Raises SettingsError."""
    try:
        return TimeReader(family.format.time_unit, family.format.time_zone)
    except ValueError as error:
        raise SettingsError(f"format.{error}") from None


def value_fields(family: Family) -> tuple[str, ...]:
    """The fields that hold the values: one per channel, or the one of a channel or a whole window.

    Raises SettingsError.
    """
    if family.format.channel:
        return (family.format.value,)
    vector = family.window.rules.whole
    names = family.format.values or (family.channels if not vector or len(family.channels) == 1 else ())
    expected = 1 if vector else len(family.channels)
    if len(names) != expected:
        what = "one field that holds the whole vector" if vector else f"{expected} fields, one per channel"
        raise SettingsError(f"topic {family.topic}: format.values must name {what}; it names {len(names)}")
    return names


def wrong_length(width: int) -> Fault:
    """A message, or a line of one, holds another count of numbers than a reading."""
    return Fault("wrong-length", f"a message must hold {width} number{'s'[: width > 1]} per reading")
