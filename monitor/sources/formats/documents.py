"""Messages framed by Confluent serialisers: a zero byte, four bytes of schema id, and what the schema describes."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from monitor.config.families import Family
from monitor.records.batches import NEVER, DeadLetter, Float64, Int64, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.decode import (
    EMPTY,
    Assembly,
    Cell,
    Records,
    stream_codes,
    time_reader,
    value_fields,
    wrong_length,
)
from monitor.sources.faults import Fault
from monitor.sources.formats.channels import ChannelNames
from monitor.sources.formats.lookups import Lookups, short
from monitor.sources.formats.registry import Registry
from monitor.sources.missing_fields import AbsentError, missing
from monitor.sources.notation import Notation
from monitor.sources.quality import Code, Quality
from monitor.sources.timestamps import LAST
from monitor.sources.unfinished import UnfinishedError

LONGEST_S = 5.0  # for which the records of a batch are decoded
_LARGEST = 2**22  # bytes of a message, where those of a reading are fewer: in memory it may take a hundred times that
_PER_NUMBER = 16  # bytes of text that a number takes: a reading may hold a whole window
_HEADER = 5  # bytes: 0, then the schema id
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T")


class Unreadable(Exception):  # noqa: N818 (it never leaves a decoder)
    """A message cannot be read."""

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(error)
        self.fault = Fault(reason, error)


class _Awaited(Exception):  # noqa: N818 (it never leaves a decoder)
    """The schema of a message is not known yet."""


class Moment(NamedTuple):
    """A time that the schema itself calls one: no unit is needed. A `naive` one is the local time of some zone."""

    nanoseconds: int
    naive: bool = False


Document = Callable[[str], Any]  # the value at a dotted path of a decoded message, None = null; raises AbsentError
Reader = Callable[[bytes], Document]  # takes what follows the schema id; may raise anything
_Time = int | float | str | Moment
_Row = tuple[str | int | None, _Time, list[Cell], list[Code]]  # key, time, values, qualities


class DocumentDecoder(ABC):
    """Reads one reading per message with the schema that its first bytes name; fields are found as in JSON.

    Schemas are looked up beside this thread, see `Lookups`; a message whose schema has not come yet waits, with all
    that follow in its partition, as do those that a batch leaves over after `LONGEST_S`.
    Reasons of its dead letters: empty, magic (not framed), too-large, unknown-schema, bad-schema, missing-key, bad-key,
    missing-time, bad-time, missing-value, bad-value, wrong-length, and the one of the subclass.
    Rules of data contracts are not run: a field that one encrypts stays so, and cannot be read.
    """

    reason: ClassVar[str]  # of a body that does not fit its schema

    def __init__(self, family: Family, index: StreamIndex, registry: Registry) -> None:
        self._index = index
        self._registry = registry
        self._format = family.format
        self._width = family.shape.width
        self._vector = family.window.rules.whole
        self._values = value_fields(family)
        self._quality, self._notation = Quality(family.format, family.channels), Notation(family.format)
        self._channels = ChannelNames(family.channels)
        self._largest = max(_LARGEST, _PER_NUMBER * self._width)
        self._schemas = Lookups(self.open)
        self._times_of = time_reader(family)

    @abstractmethod
    def open(self, number: int) -> Reader:
        """The reader of a schema. Raises what `Registry` does, or anything where it cannot be used.

        Called on other threads; may block.
        """

    def decode(self, records: Records) -> tuple[Readings, list[DeadLetter]]:
        """See `monitor.sources.decode.Decoder`."""
        assembly = Assembly(records)
        found, origin, waiting = self._rows(assembly)
        readings, dead = self._finish(assembly, found, np.array(origin, dtype=np.int64))
        if waiting:
            raise UnfinishedError((readings, dead), waiting, self._schemas.error, self._schemas.tries)
        return readings, dead

    def _rows(self, assembly: Assembly) -> tuple[list[_Row], list[int], list[int]]:
        """What was found, the records that it comes from, and those that wait. Raises SourceError."""
        records = assembly.records
        found: list[_Row] = []
        origin: list[int] = []
        waiting: list[int] = []
        held: set[int] = set()  # partitions
        self._schemas.fetch(_schema_ids(records.values))
        end = time.monotonic() + LONGEST_S
        for row, body in enumerate(records.values):
            if held and int(records.partition[row]) in held:
                waiting.append(row)
                continue
            if not body:
                assembly.faults[row] = EMPTY
                continue
            try:
                found.append(self._row(body))
                origin.append(row)
            except Unreadable as error:
                assembly.faults[row] = error.fault
            except _Awaited:
                held.add(int(records.partition[row]))
                waiting.append(row)
            if time.monotonic() > end:
                held.update(records.partition.tolist())
        return found, origin, waiting

    def _finish(self, assembly: Assembly, found: list[_Row], rows: Int64) -> tuple[Readings, list[DeadLetter]]:
        cells: Float64 = np.array([values for _, _, values, _ in found], dtype=np.float64).reshape(-1, self._width)
        if self._quality.names:
            self._quality.screen(
                cells, list(zip(*(codes for *_, codes in found), strict=True)) or [[]] * len(self._quality.names)
            )
        time = self._times(assembly, [time for _, time, *_ in found], rows)
        values = assembly.values(cells, rows, self._notation)
        keys = [key for key, *_ in found] if self._format.key_fields else None
        return assembly.finish(
            rows, stream_codes(self._index, assembly, keys, rows, self._format.key_encoding), time, values
        )

    def _times(self, assembly: Assembly, raw: list[_Time], rows: Int64) -> Int64:
        if not self._format.time_fields:
            return assembly.stamps(rows)
        exact = [time if isinstance(time, Moment) else Moment(NEVER) for time in raw]
        naive = np.array([time.naive for time in exact], dtype=np.bool_)
        moments = self._times_of.localise(np.array([_clipped(time.nanoseconds) for time in exact], np.int64), naive)
        written = np.array([not isinstance(time, Moment) for time in raw], dtype=np.bool_)
        if written.any():
            plain = [time for time in raw if not isinstance(time, Moment)]
            moments = moments.put(written, assembly.read(plain, rows[written], self._times_of))
        return assembly.known(assembly.keep(self._times_of, moments), rows)

    def _row(self, body: bytes) -> _Row:
        """Key, time and values of one message. Raises Unreadable and _Awaited."""
        if body[0] != 0 or len(body) < _HEADER:
            raise Unreadable("magic", "the message does not begin with a zero byte and a schema id")
        reader = self._reader(body)
        try:
            document = reader(body[_HEADER:])
        except Unreadable:
            raise
        except Exception as error:
            raise Unreadable(self.reason, f"the body does not fit its schema: {short(error)}") from None
        layout = self._format
        parts = [_field(document, "key", name, _key) for name in layout.key_fields]
        key = layout.name(parts) if parts else None
        at: _Time = NEVER
        for name in layout.time_fields:
            at = _field(document, "time", name, _time)
        codes = [_field(document, "quality", name, _code) for name in self._quality.names]
        return key, at, self._numbers(document), codes

    def _numbers(self, document: Document) -> list[Cell]:
        for name in self._format.channel_fields:
            return self._one_channel(document, name)
        if not self._vector:
            return [_field(document, "value", name, _number) for name in self._values]
        values = _field(document, "value", self._values[0], _numbers)
        if len(values) != self._width:
            raise Unreadable(*wrong_length(self._width))
        return values

    def _one_channel(self, document: Document, name: str) -> list[Cell]:
        place = self._channels.place(_field(document, "channel", name, _key))
        if isinstance(place, Fault):
            raise Unreadable(*place)
        cells: list[Cell] = [None] * self._width
        cells[place] = _field(document, "value", self._values[0], _number)
        return cells

    def _reader(self, body: bytes) -> Reader:
        if len(body) > self._largest:
            raise Unreadable("too-large", f"the record has {len(body):,} bytes; at most {self._largest:,} are read")
        reader = self._schemas.get(int.from_bytes(body[1:_HEADER], "big"))
        if reader is None:
            raise _Awaited
        if isinstance(reader, Fault):
            raise Unreadable(*reader)
        return reader


def _schema_ids(bodies: Sequence[bytes | None]) -> Iterator[int]:
    """Each id once, in the order of the messages."""
    frames = dict.fromkeys(body[:_HEADER] for body in bodies if body)
    return (int.from_bytes(frame[1:], "big") for frame in frames if frame[0] == 0 and len(frame) == _HEADER)


def _field(document: Document, role: str, name: str, convert: Callable[[Any], _T]) -> _T:
    try:
        return convert(document(name))
    except AbsentError as absent:
        raise Unreadable(f"missing-{role}", missing(name, absent.document, ())) from None
    except (TypeError, ValueError, OverflowError, ArithmeticError) as wrong:
        raise Unreadable(f"bad-{role}", f"the field {name}: {short(wrong)}") from None


def _key(item: Any) -> str | int:
    if isinstance(item, bool) or not isinstance(item, str | int):
        raise TypeError(f"expected text or a whole number, got {type(item).__name__}")
    return item


def _time(item: Any) -> _Time:
    if isinstance(item, datetime):
        aware = item if item.tzinfo is not None else item.replace(tzinfo=UTC)
        return Moment((aware - _EPOCH) // timedelta(microseconds=1) * 1000, item.tzinfo is None)
    if isinstance(item, bool) or not isinstance(item, int | float | str | Moment):
        raise TypeError(f"expected a time, got {type(item).__name__}")
    return item


def _code(item: Any) -> Code:
    if item is not None and not isinstance(item, str | int | float):
        raise TypeError(f"expected text or a number, got {type(item).__name__}")
    return item


def _number(item: Any) -> Cell:
    if item is None:
        return None
    if isinstance(item, bool) or not isinstance(item, int | float | Decimal):
        raise TypeError(f"expected a number, got {type(item).__name__}")
    return float(item)


def _numbers(item: Any) -> list[Cell]:
    if not isinstance(item, list):
        raise TypeError(f"expected a list of numbers, got {type(item).__name__}")
    return list(map(_number, item))


def _clipped(nanoseconds: int) -> int:
    return nanoseconds if abs(nanoseconds) < LAST else NEVER
