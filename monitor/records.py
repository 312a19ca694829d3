"""The records that travel between the stages: columnar batches on the hot path, small dataclasses beside it.

Times are int64 nanoseconds since 1970 (UTC) everywhere. A `stream` column holds codes into a `StreamIndex`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NewType
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

Nanoseconds = NewType("Nanoseconds", int)
TopicPartition = tuple[str, int]

LIVE = "live"
NAMESPACE = UUID("8a3c1c52-5f0e-4f3b-9a0f-6e2f6f3c7d11")
NEVER = -(2**62)  # a time, or a grid slot, before every reading; far enough from the edge to subtract from


class StreamIndex:
    """Stream names of one family and their codes: code `i` is row `i` of every per-stream array.

    Codes of forgotten streams are handed out again, so the arrays stay as small as the streams in use.
    """

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._names: list[str | None] = []
        self._free: list[int] = []
        self.of_key: dict[bytes | str | int | None, int] = {}  # codes by message key, as decoders have met them

    def __len__(self) -> int:
        """Rows needed to hold every code."""
        return len(self._names)

    @property
    def codes(self) -> dict[str, int]:
        """Code of every stream in use, by name. Read only."""
        return self._codes

    def name(self, code: int) -> str:
        """Name of a stream in use."""
        name = self._names[code]
        if name is None:
            raise KeyError(code)
        return name

    def intern(self, names: Sequence[str]) -> Int32:
        """Codes of `names`, int32[n]; unknown names get a code."""
        known = self._codes
        try:
            return np.array([known[name] for name in names], dtype=np.int32)
        except KeyError:
            return np.array([self._add(name) for name in names], dtype=np.int32)

    def forget(self, codes: Iterable[int]) -> None:
        """Free the codes of streams that left this worker."""
        self.of_key.clear()
        for code in codes:
            name = self._names[code]
            if name is not None:
                del self._codes[name]
                self._names[code] = None
                self._free.append(code)

    def _add(self, name: str) -> int:
        code = self._codes.get(name)
        if code is None:
            if self._free:
                code = self._free.pop()
                self._names[code] = name
            else:
                code = len(self._names)
                self._names.append(name)
            self._codes[name] = code
        return code


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of one family in order of arrival. `values` is (n, width); NaN = missing.

    `width` is the number of channels, or length x channels where each message is a whole window.
    """

    stream: Int32
    time: Int64
    values: Float32
    partition: Int32
    offset: Int64

    def __len__(self) -> int:
        """Readings in the batch."""
        return len(self.stream)

    def take(self, rows: NDArray[np.integer] | Bool) -> Readings:
        """The readings at `rows` (indices or mask)."""
        return Readings(self.stream[rows], self.time[rows], self.values[rows], self.partition[rows], self.offset[rows])


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows ready to score. `values` is (m, length, channels); `imputed` the share of filled slots, 0 to 1.

    `start` and `end` are the times of the first and last reading of each window.
    """

    stream: Int32
    start: Int64
    end: Int64
    values: Float32
    imputed: Float32

    def __len__(self) -> int:
        """Windows in the batch."""
        return len(self.stream)

    def take(self, rows: NDArray[np.integer] | Bool) -> Windows:
        """The windows at `rows` (indices or mask)."""
        return Windows(self.stream[rows], self.start[rows], self.end[rows], self.values[rows], self.imputed[rows])


class State(IntEnum):
    """What a scored window is worth."""

    OK = 0
    ANOMALY = 1
    INSUFFICIENT = 2  # too much of it was filled in; never alerts
    BOOTSTRAP = 3  # scored by the statistical detector that covers a stream before it has a model


@dataclass(frozen=True, slots=True)
class Scores:
    """Judged windows. `limit` is NaN while warming up; `ratio` = score / limit, above 1.0 = anomaly."""

    stream: Int32
    start: Int64
    end: Int64
    score: Float32
    limit: Float32
    ratio: Float32
    imputed: Float32
    state: UInt8

    def __len__(self) -> int:
        """Scored windows in the batch."""
        return len(self.stream)

    def take(self, rows: NDArray[np.integer] | Bool) -> Scores:
        """The scores at `rows` (indices or mask)."""
        return Scores(
            self.stream[rows], self.start[rows], self.end[rows], self.score[rows],
            self.limit[rows], self.ratio[rows], self.imputed[rows], self.state[rows],
        )  # fmt: skip


class AlertState(StrEnum):
    """Life of an alert."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """How far beyond the limit an alert went."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A run of anomalies of one stream, as a person sees it. Times are event times in ns."""

    id: UUID
    run: str
    family: str
    stream: str
    kind: str = "anomaly"
    state: AlertState = AlertState.OPEN
    severity: Severity = Severity.WARNING
    opened_at: int  # end of the window on which it opened
    started_at: int  # start of the first window that took part
    last_at: int  # end of the newest anomalous window
    resolved_at: int | None = None
    peak_ratio: float
    peak_at: int
    windows: int = 1  # anomalous windows so far


def alert_id(run: str, family: str, stream: str, opened_at: int, *kind: str) -> UUID:
    """The id of the alert that opened there, in every process alike; `kind` of those that are not anomalies."""
    return uuid5(NAMESPACE, "\x1f".join((run, family, stream, str(opened_at), *kind)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change in an alert's life; rows of it are never changed. `number` counts from 0 within the alert."""

    alert: UUID
    number: int
    at: int  # event time, ns
    state: AlertState
    severity: Severity
    ratio: float  # of the window that caused it
    actor: str = "monitor"
    note: str = ""

    @property
    def id(self) -> UUID:
        """Stable id, also the webhook's id."""
        return uuid5(self.alert, str(self.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why an alert opened: the window, its reconstruction and each cell's share of the score, all (length, channels).

    `values` and `reconstruction` are in the units of the readings; `contribution` sums to 1. `facts` is what else is
    known of the window, each name with its unit; of a heartbeat: rr_s (unknown after a gap), rate_bpm, latency_s.
    """

    alert: UUID
    start: int
    end: int
    channels: tuple[str, ...]
    values: Float32
    reconstruction: Float32
    contribution: Float32
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that could not be read, kept with the reason. `body` may be cut short by the store."""

    topic: str
    partition: int
    offset: int
    reason: str  # short and stable, e.g. "json", "missing-time"; counters use it
    error: str  # the sentence for a person
    key: bytes | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Records [start, end) of a partition that were gone before they were read.

    `end` < `start` where the topic begins anew: how many records were lost is not known then.
    """

    topic: str
    partition: int
    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notification that is due: an outbox row."""

    id: int
    transition: UUID
    alert: UUID
    channel: str
    payload: str  # JSON, as it is posted
    attempts: int


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll of a source brought. `positions` are next offsets: everything before them is in here or earlier.

    `records` counts messages, `dead` those that could not be read; a message may hold many readings.
    `at_end` is true when the source has nothing more for now (live) or at all (`finished`). `ends` has the partitions
    of which all that was there at that time (wall clock, ns) has been polled: only where the broker has just said so.
    """

    readings: dict[str, Readings]
    dead: list[DeadLetter] = field(default_factory=list)
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    records: int = 0
    at_end: bool = False
    finished: bool = False
    gaps: list[Gap] = field(default_factory=list)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
