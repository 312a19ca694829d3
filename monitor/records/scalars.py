"""Single values that records are made of. Without numpy, so that commands which only look into SQL start quickly."""

from __future__ import annotations

from enum import IntEnum
from typing import NewType
from uuid import UUID

Nanoseconds = NewType("Nanoseconds", int)
TopicPartition = tuple[str, int]

LIVE = "live"
NAMESPACE = UUID("8a3c1c52-5f0e-4f3b-9a0f-6e2f6f3c7d11")
NEVER = -(2**62)  # a time, or a grid slot, before every reading; far enough from the edge to subtract from
FOREVER = 2**62  # a time after every reading
COLD_START_READINGS = 8  # the shortest window that has a score without a model


class State(IntEnum):
    """What a scored window is worth."""

    OK = 0
    ANOMALY = 1
    INSUFFICIENT = 2  # too much of it was filled in; never alerts
    BOOTSTRAP = 3  # scored by the statistical detector that covers a stream before it has a model
    MAINTENANCE = 4  # within a maintenance window that switches scoring off; never alerts
