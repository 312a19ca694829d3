"""The `maintenance` tables: planned times at which alerts are not announced, or nothing is judged or learned."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, model_validator

from monitor.config.names import shown
from monitor.config.sections import Section
from monitor.config.unknown_names import nearest
from monitor.maintenance.occurrences import check
from monitor.records.maintenance import EVERY, Maintenance

EXAMPLE = "2026-01-07T02:00"


def wall_clock(value: object) -> datetime:
    """A time of the day without a zone, to the second. Raises ValueError."""
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(f"{shown(str(value))} is not a time; write it as {EXAMPLE}") from None
    if time.tzinfo is not None:
        raise ValueError(f"{shown(str(value))} names an offset; write the time of the wall clock, and the zone as zone")
    return time.replace(microsecond=0)


WallClock = Annotated[datetime, BeforeValidator(wall_clock)]


class Planned(Section):
    """A maintenance window: `start` and `end` by the wall clock of `zone`, again as `rrule` (RFC 5545) says.

    `families` it concerns, none = all; `streams` is a pattern as in overrides. What is false is off meanwhile.
    """

    families: tuple[str, ...] = ()
    streams: str = EVERY
    start: WallClock
    end: WallClock
    zone: str = "UTC"
    rrule: str = ""
    exdates: tuple[WallClock, ...] = ()
    rdates: tuple[WallClock, ...] = ()
    notify: bool = False
    score: bool = True
    learn: bool = False
    why: str = ""

    @model_validator(mode="after")
    def _can_take_place(self) -> Planned:
        check(self.named("it"))
        return self

    def named(self, name: str) -> Maintenance:
        """As a record."""
        return Maintenance(name=name, **self.model_dump())


def planned(tables: Mapping[str, Planned]) -> list[Maintenance]:
    """What the tables say, by their names."""
    return [table.named(name) for name, table in tables.items()]


def family_problems(tables: Mapping[str, Planned], families: Collection[str]) -> Iterator[str]:
    """Families that do not exist, in sentences that begin with the key."""
    for name, table in tables.items():
        for family in table.families:
            if family not in families:
                yield f"maintenance.{name}.families: there is no family {family}{nearest(family, sorted(families))}"
