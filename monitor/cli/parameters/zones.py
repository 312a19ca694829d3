"""In which time zone a command shows times."""

from __future__ import annotations

import time
from datetime import UTC
from typing import Annotated

import typer

from monitor.cli.parameters import bounds
from monitor.cli.rendering.moments import Moments
from monitor.errors import SettingsError

Local = Annotated[bool, typer.Option("--local", help="Show times in the zone of this machine instead of UTC.")]
Timezone = Annotated[
    str | None, typer.Option(parser=bounds.text, help="Show times in this zone, such as Europe/Berlin.")
]


def moments(local: bool = False, timezone: str | None = None) -> Moments:
    """How times are shown, as of now. Raises SettingsError for a zone that does not exist."""
    now = time.time_ns()
    if local and timezone is not None:
        raise SettingsError("--local and --timezone: give one of them")
    if local:
        return Moments(now, None, "local time")
    if timezone is None or timezone.upper() == "UTC":
        return Moments(now, UTC, "UTC")
    return _in_zone(now, timezone)


def _in_zone(now: int, name: str) -> Moments:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    try:
        return Moments(now, ZoneInfo(name), name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        from monitor.config.unknown_names import nearest

        hint = nearest(name, sorted(available_timezones())) or "; write it as Europe/Berlin"
        raise SettingsError(f"--timezone: there is no zone {name!r}{hint}") from None
