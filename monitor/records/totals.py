"""What a run has done so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Totals:
    """What a run has done so far."""

    records: int = 0
    dead: int = 0
    readings: int = 0
    windows: int = 0
    anomalies: int = 0
    opened: int = 0
    resolved: int = 0
    commits: int = 0
