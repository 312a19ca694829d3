"""Columnar batches of readings, windows and scores, and what one poll of a source brings.

Times are int64 nanoseconds since 1970 (UTC) everywhere. A `stream` column holds codes into a `StreamIndex`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.records import dead_letters, scalars

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

LIVE, NAMESPACE = scalars.LIVE, scalars.NAMESPACE
NEVER, FOREVER = scalars.NEVER, scalars.FOREVER
Nanoseconds = scalars.Nanoseconds
State = scalars.State
TopicPartition = scalars.TopicPartition
DeadLetter = dead_letters.DeadLetter


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of one family in order of arrival. `values` is (n, width); NaN = missing.

    `width` is the number of channels, or length x channels where each message is a whole window. `sent` has Kafka's
    timestamp of each one's record in ns, `FOREVER` where it has none; None where the readings are from elsewhere.
    """

    stream: Int32
    time: Int64
    values: Float32
    partition: Int32
    offset: Int64
    sent: Int64 | None = None

    def __len__(self) -> int:
        """Readings in the batch."""
        return len(self.stream)

    def take(self, rows: NDArray[np.integer] | Bool) -> Readings:
        """The readings at `rows` (indices or mask)."""
        sent = None if self.sent is None else self.sent[rows]
        return Readings(
            self.stream[rows], self.time[rows], self.values[rows], self.partition[rows], self.offset[rows], sent
        )


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

    def take(self, rows: NDArray[np.integer] | Bool | slice) -> Windows:
        """The windows at `rows` (indices, mask or slice)."""
        return Windows(self.stream[rows], self.start[rows], self.end[rows], self.values[rows], self.imputed[rows])


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Records [start, end) of a partition that were gone before they were read, or that no client can read.

    `end` < `start` where the topic was recreated: how many records were lost is not known then.
    """

    topic: str
    partition: int
    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll of a source brought. `positions` are next offsets: everything before them is in here or earlier.

    `records` counts messages, `dead` those that could not be read; a message may hold many readings.
    `at_end` is true when the source has nothing more for now (live) or at all (`finished`). `caught_up` has the
    partitions read to their end offset, with the time (wall clock, ns) at which the broker confirmed it.
    """

    readings: dict[str, Readings]
    dead: list[DeadLetter] = field(default_factory=list)
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    records: int = 0
    at_end: bool = False
    finished: bool = False
    gaps: list[Gap] = field(default_factory=list)
    caught_up: dict[TopicPartition, int] = field(default_factory=dict)
