"""What a family says about the health of its streams: valid values, silence and frozen sensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo

from monitor.config.durations import Span, Spanned, duration
from monitor.config.sections import Section
from monitor.config.unknown_names import nearest

NEVER_SILENT = 0
_SILENT_AFTER = 10 * 60 * 10**9  # ns, or so many intervals, whichever is longer
_SILENT_INTERVALS = 10
UNSCORED_WINDOWS = 3  # one gap leaves a window's length unjudged, and is no alert
UNSCORED_BEATS = 12  # s


def _duration_or_none(value: object, info: ValidationInfo) -> object:
    if value == "none":
        return 0
    try:
        return duration(value, info)
    except ValueError as error:
        raise ValueError(f'{error}, or "none" to switch this off') from None


def _bound(value: object) -> object:
    """One end of a range; an infinite one is open."""
    return None if isinstance(value, float) and math.isinf(value) else value


def _count_or_none(value: object) -> object:
    return Span(count=0) if value == "none" else value


Patience = Annotated[int, BeforeValidator(_duration_or_none), Field(ge=0)]
Bound = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, BeforeValidator(_bound)]
Range = tuple[Bound, Bound]  # lowest and highest value that can be true; None = open


class Health(Section):
    """When a stream that brings nothing, or nothing new, is an alert. 0 = never.

    None = what suits the interval, or for `frozen_after` what was learned.
    """

    silent_after: Patience | None = None
    frozen_after: Patience | None = None
    unscored_after: Annotated[Spanned | None, BeforeValidator(_count_or_none)] = None

    def silence(self, interval: int | None) -> int:
        """Nanoseconds without a reading after which a stream is silent; 0 = never."""
        if self.silent_after is not None:
            return self.silent_after
        return NEVER_SILENT if interval is None else max(_SILENT_AFTER, _SILENT_INTERVALS * interval)


def health_problems(
    health: Health, ranges: Mapping[str, Range], channels: Sequence[str], *, may_freeze: bool
) -> Iterator[str]:
    """What is wrong with these settings of a family with such channels.

    `may_freeze`: each message has one reading of all of them, and readings have an interval.
    """
    for channel, (low, high) in ranges.items():
        if channel not in channels:
            yield f"valid_range.{channel}: no channel is called so{nearest(channel, list(channels))}"
        elif low is None and high is None:
            yield f"valid_range.{channel}: both ends are open; leave it out, or give one of them"
        elif low is not None and high is not None and low >= high:
            yield f"valid_range.{channel}: {low:g} is not below {high:g}; write [lowest, highest]"
    if health.frozen_after and not may_freeze:
        yield (
            "health.frozen_after: only streams with an interval, whose messages have all channels and are no windows, "
            "can be frozen; leave it out"
        )
