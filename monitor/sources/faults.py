"""Why a record cannot be read."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """Why a record cannot be read: a short stable word, and the sentence for a person."""

    reason: str
    error: str


Faults = dict[int, Fault]  # by row of the batch


TOO_MANY = "too-many-streams"


def too_many_streams(most: int) -> Fault:
    """The record is of a stream beyond those that its family may have."""
    return Fault(TOO_MANY, f"the family has {most:,} streams, as many as max_streams allows; is the key the stream?")
