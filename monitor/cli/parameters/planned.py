"""Options of the commands about maintenance."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.database import CONFIG_FILE
from monitor.config.maintenance import planned, wall_clock
from monitor.config.settings import Settings, load
from monitor.config.unknown_names import unknown
from monitor.errors import SettingsError
from monitor.maintenance.occurrences import check
from monitor.records.maintenance import Maintenance


def local_time(given: str | datetime) -> datetime:
    """A time of the wall clock, without a zone."""
    try:
        return given if isinstance(given, datetime) else wall_clock(bounds.text(given))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Name = Annotated[str, typer.Argument(metavar="NAME", parser=bounds.name, help="What the maintenance is called.")]
Families = Annotated[
    list[str] | None, typer.Option("--family", parser=bounds.name, help="Only this family; several times for several.")
]
Streams = Annotated[str, typer.Option(parser=bounds.name, help='Only streams that match, such as "m-1*".')]
Zone = Annotated[str, typer.Option(parser=bounds.name, help="Time zone of all its times, such as Europe/Berlin.")]
Notify = Annotated[bool, typer.Option("--notify/--no-notify", help="Announce alerts meanwhile.")]
Score = Annotated[bool, typer.Option("--score/--no-score", help="Judge windows meanwhile.")]
Learn = Annotated[bool, typer.Option("--learn/--no-learn", help="Let limits, companions and models learn meanwhile.")]
Why = Annotated[str, typer.Option("--why", parser=bounds.text, help="Why, kept with it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Save it without asking.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings_of(config: Path | None, url: str | None) -> Settings | None:
    """The configuration; None where the database itself is given."""
    return None if url is not None and config is None else load(config or CONFIG_FILE)


def configured(settings: Settings | None) -> list[Maintenance]:
    """The maintenance of the configuration."""
    return [] if settings is None else planned(settings.maintenance)


def checked(of: Maintenance, settings: Settings | None) -> Maintenance:
    """Raise SettingsError where it cannot take place, or names what the configuration does not know or has already."""
    try:
        check(of)
    except ValueError as error:
        raise SettingsError(f"{of.name}: {error}") from None
    if settings is not None:
        for family in of.families:
            if family not in settings.families:
                raise unknown("family", family, settings.families)
        if of.name in settings.maintenance:
            raise SettingsError(f"the configuration has a maintenance called {of.name!r}; choose another name")
    return of


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person at a terminal. Raises SettingsError where there is none, and typer.Abort for "no"."""
    if yes:
        return
    if not at_terminal():
        raise SettingsError("nothing was saved, as there is no terminal to ask at; add --yes")
    typer.confirm(question, abort=True, err=True)


def at_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()
