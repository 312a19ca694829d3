"""Why a record cannot be read."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """Why a record cannot be read: a short stable word, and the sentence for a person."""

    reason: str
    error: str


Faults = dict[int, Fault]  # by row of the batch
