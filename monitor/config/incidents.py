"""The table `[incidents]`: whether alerts that belong together are announced as one, and which do."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from monitor.config.durations import Duration
from monitor.config.names import PlainName
from monitor.config.sections import Section
from monitor.records.incidents import BY_FAMILY, WAIT, WITHIN, Grouping

_Patterns = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class Incidents(Section):
    """Alerts of a family, or of a group of streams, that overlap in time are announced as one incident."""

    within: Duration = WITHIN
    wait: Duration = WAIT
    groups: dict[PlainName, _Patterns] = Field(default_factory=dict)


def grouping(settings: Incidents | None, *, announced: bool) -> Grouping:
    """The rule of the settings; without the table, alerts make incidents by family, and are announced one by one."""
    if settings is None:
        return BY_FAMILY
    return Grouping(settings.within, settings.wait if announced else None, settings.groups)
