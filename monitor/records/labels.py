"""Stretches of the past about which a person has said whether an alert was right."""

from __future__ import annotations

from typing import NamedTuple


class Label(NamedTuple):
    """Event times of a stream from `start` to `end`, ns; `alarm`: a model is to alarm in them, or it is not to."""

    stream: str
    start: int
    end: int
    alarm: bool
