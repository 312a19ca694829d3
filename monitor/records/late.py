"""Readings that came too late to be accepted, as the late ledger stores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.records.batches import Int64, Readings

LATE_KEPT = 10_000  # rows of a run and family: the newest arrivals; the counters of the streams include all


@dataclass(frozen=True, slots=True)
class Late:
    """Late readings of one batch; `behind` (n,) is how far, in ns, behind their stream's clock."""

    readings: Readings
    behind: Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class LateReading:
    """A reading that came `behind` ns too late for its stream's clock; NaN = missing."""

    stream: str
    time: int
    behind: int
    values: tuple[float, ...]
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class LateBlock:
    """Late readings of one family, and the name of each one's stream."""

    family: str
    names: list[str]
    late: Late

    def rows(self) -> list[LateReading]:
        """The last `LATE_KEPT` of them in the order of the batch: by stream, and by arrival within it."""
        late = self.late
        found = (late.readings.time, late.behind, late.readings.partition, late.readings.offset)
        columns = [column[-LATE_KEPT:].tolist() for column in found]
        values = map(tuple, late.readings.values[-LATE_KEPT:].tolist())
        return [
            LateReading(stream=name, time=time, behind=behind, values=numbers, partition=partition, offset=offset)
            for name, time, behind, partition, offset, numbers in zip(
                self.names[-LATE_KEPT:], *columns, values, strict=True
            )
        ]
