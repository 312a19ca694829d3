"""Maintenance as people read it: tables, JSON, and its next occurrences in its own zone and in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from monitor.maintenance.occurrences import Span, upcoming, zone
from monitor.ports.maintenance import Entered
from monitor.records.maintenance import EVERY, Maintenance
from monitor.records.times import iso

SHOWN = 5  # occurrences
_FORM = "%a %Y-%m-%d %H:%M"


class Listed(NamedTuple):
    """A maintenance of the configuration (`row` is None), or one that was entered."""

    of: Maintenance
    row: Entered | None = None

    @property
    def source(self) -> str:
        """Where it was written."""
        return "configuration" if self.row is None else "database"

    @property
    def gone(self) -> bool:
        """Whether it was removed."""
        return self.row is not None and self.row.removed_at is not None

    def state(self, now: int) -> str:
        """What it is at `now` (ns): "planned", "in force" (on), "over", "removed", or "void"."""
        if self.row is not None and self.row.removed_at is not None:
            return "void" if self.row.void else "removed"
        coming = upcoming(self.of, now, 1)
        return "over" if not coming else "in force" if coming[0][0] <= now else "planned"

    def removal(self) -> str:
        """When it was removed, by whom and why; "" where it was not."""
        if self.row is None or self.row.removed_at is None:
            return ""
        what = "voided" if self.row.void else "removed"
        text = f"{what} {_moment(self.row.removed_at, UTC)} by {self.row.removed_by}"
        return f"{text}: {self.row.removed_why}" if self.row.removed_why else text


def switched_off(of: Maintenance) -> str:
    """What it switches off, in words."""
    return ", ".join(name for name in ("notify", "score", "learn") if not getattr(of, name))


def concerned(of: Maintenance) -> str:
    """Which streams, in words."""
    streams = "all streams" if of.streams == EVERY else of.streams
    return f"{streams} of {', '.join(of.families)}" if of.families else streams


def when(of: Maintenance) -> str:
    """The times that were entered, in words."""
    same = of.start.date() == of.end.date()
    text = f"{of.start:%Y-%m-%d %H:%M} to {of.end:{'%H:%M' if same else '%Y-%m-%d %H:%M'}} {of.zone}"
    return f"{text}, {of.rrule}" if of.rrule else text


def occurrence_lines(of: Maintenance, now: int) -> list[str]:
    """Its next occurrences, one a line; one that says so where there is none."""
    spans = upcoming(of, now, SHOWN)
    return [_line(span, zone(of.zone), of.zone) for span in spans] or ["none: all of it is over"]


def next_text(of: Maintenance, now: int) -> str:
    """When it is next, or that it is on or over."""
    spans = upcoming(of, now, 1)
    if not spans:
        return "over"
    begin, end = spans[0]
    local = zone(of.zone)
    return f"now, until {_moment(end, local)}" if begin <= now else _moment(begin, local)


def fields(listed: Listed, now: int) -> dict[str, Any]:
    """A maintenance for JSON: wall-clock times as they were entered, all others in UTC."""
    of, row = listed
    times = {name: [time.isoformat() for time in getattr(of, name)] for name in ("exdates", "rdates")}
    known = {
        "name": of.name,
        "state": listed.state(now),
        "source": listed.source,
        "families": list(of.families),
        "streams": of.streams,
    }
    span = {"start": of.start.isoformat(), "end": of.end.isoformat(), "zone": of.zone, "rrule": of.rrule, **times}
    switches = {name: getattr(of, name) for name in ("notify", "score", "learn")}
    coming = [] if listed.gone else upcoming(of, now, SHOWN)
    entered = None if row is None else iso(row.created)
    removed = {} if row is None or row.removed_at is None else {
        "removed_at": iso(row.removed_at), "removed_by": row.removed_by, "removed_why": row.removed_why,
    }  # fmt: skip
    following = [{"start": iso(begin), "end": iso(end)} for begin, end in coming]
    return {**known, **span, **switches, "by": of.by, "why": of.why, "entered": entered, **removed, "next": following}


def columns(listed: list[Listed], now: int) -> dict[str, list[str]]:
    """A table of them, column by column."""
    return {
        "name": [each.of.name for each in listed],
        "streams": [concerned(each.of) for each in listed],
        "off": [switched_off(each.of) for each in listed],
        "next": [each.removal() or next_text(each.of, now) for each in listed],
        "when": [when(each.of) for each in listed],
        "by": [each.of.by or each.source for each in listed],
        "why": [each.of.why for each in listed],
    }


def _line(span: Span, local: tzinfo, name: str) -> str:
    begin, end = span
    text = f"{_moment(begin, local)} to {_moment(end, local)}"
    return text if name == "UTC" else f"{text} = {_moment(begin, UTC)} to {_moment(end, UTC)}"


def _moment(time: int, local: tzinfo) -> str:
    at = datetime.fromtimestamp(time // 10**9, local)
    return f"{at:{_FORM}} {at.tzname()}"
