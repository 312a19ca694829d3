"""Counts of a run: records, windows, alerts, commits."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Totals:
    """Counts of what a worker has processed."""

    records: int = 0
    dead: int = 0
    readings: int = 0
    windows: int = 0
    anomalies: int = 0
    opened: int = 0
    resolved: int = 0
    commits: int = 0
    withheld: int = 0  # changes of alerts that were too old to be announced, or within maintenance

    def __add__(self, other: Totals) -> Totals:
        """Sums, field by field."""
        return Totals(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))
