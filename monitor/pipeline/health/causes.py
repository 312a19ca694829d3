"""Why readings were not judged, in a sentence for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from monitor.config.durations import format_duration
from monitor.records.counters import READINGS

_ZONE = 10 * 60 * 10**9  # ns; a clock that is wrong by less was set wrong, and is in no other time zone


def rounded(nanoseconds: float) -> str:
    """A length of time in words of about three digits: 55 min, 1.5 s, 2 d 3 h."""
    seconds = abs(nanoseconds) / 1e9
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


class Kinds(NamedTuple):
    """What a family says about its readings: their interval, ns, and whether its windows are heartbeats."""

    interval: int | None
    beats: bool


class Tally(NamedTuple):
    """What is known of readings that were not judged: `counts`, `sizes` and `absent` of a stretch, by name.

    `counts` has besides "incomplete": readings at which no window ended.
    """

    counts: Mapping[str, int]
    sizes: Mapping[str, float]
    absent: Mapping[str, int]


def why_unscored(tally: Tally, family: Kinds) -> str:
    """The two most frequent reasons, each with its count."""
    amount = {name: tally.counts[name] for name in _REASONS if tally.counts[name] > 0}
    first = sorted(amount, key=lambda name: -amount[name])[:2]
    return "; ".join(_REASONS[name](f"{amount[name]:,}", tally, family) for name in first)


def _future(count: str, tally: Tally, _family: Kinds) -> str:
    ahead = tally.sizes["future"]
    return f"{count} readings at least {rounded(ahead)} ahead of the clock{': local time?' if ahead >= _ZONE else ''}"


def _late(count: str, tally: Tally, _family: Kinds) -> str:
    behind = -tally.sizes["late"]
    zone = ": local time, or a clock that was set back?" if behind >= _ZONE else ""
    return f"{count} readings late, up to {rounded(behind)} behind the newest{zone}"


def _duplicate(count: str, _tally: Tally, family: Kinds) -> str:
    slot = "time" if family.interval is None else f"slot of {format_duration(family.interval)}"
    return f"{count} duplicates: several readings for one {slot}"


def _poor(count: str, tally: Tally, family: Kinds) -> str:
    absent = tally.absent
    if family.beats:
        return f"{count} heartbeats in a signal too noisy to judge them, or with too many samples missing"
    names = sorted((name for name in absent if absent[name]), key=lambda name: -absent[name])[:3]
    if not names and (step := _slower(tally, family)):
        return f"{count} windows with too few readings, {step}"
    which = f": {', '.join(f'{name} at {absent[name]:,} readings' for name in names)}" if names else ""
    return f"{count} windows with too many values missing{which}"


def _incomplete(count: str, tally: Tally, family: Kinds) -> str:
    if step := _slower(tally, family):
        return step
    if family.beats:
        return "no heartbeat was found"
    return f"no whole window at {count} readings" + (", after a gap" if tally.counts["gaps"] else "")


def _slower(tally: Tally, family: Kinds) -> str:
    """The step that the stream seems to have, where gaps are most of its time; empty where they are not."""
    gaps, interval = tally.counts["gaps"], family.interval
    if gaps <= 1 or interval is None or 2 * gaps * tally.sizes["gaps"] < tally.counts["slots"] * interval:
        return ""
    return f"{gaps:,} gaps: seems to send every {rounded(tally.sizes['gaps'])}, interval is {format_duration(interval)}"


_REASONS: Final = dict(
    zip((*READINGS[1:], "poor", "incomplete"), (_late, _duplicate, _future, _poor, _incomplete), strict=True)
)
