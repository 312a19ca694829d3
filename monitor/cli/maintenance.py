"""`watchkeeper maintenance`: planned times at which alerts are not announced, or nothing is judged or learned."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import By, person
from monitor.cli.parameters.database import Config, Url, store_url
from monitor.cli.parameters.planned import (
    Families,
    Json,
    Learn,
    Name,
    Notify,
    Score,
    Streams,
    Why,
    Yes,
    Zone,
    checked,
    configured,
    confirm,
    local_time,
    settings_of,
)
from monitor.cli.rendering.maintenance import (
    SHOWN,
    Listed,
    columns,
    concerned,
    fields,
    occurrence_lines,
    switched_off,
    when,
)
from monitor.cli.rendering.output import echo, echo_json, terminal
from monitor.config.unknown_names import unknown
from monitor.errors import SettingsError
from monitor.maintenance.occurrences import zone as zone_of
from monitor.records.maintenance import EVERY, Maintenance

if TYPE_CHECKING:
    from monitor.store.maintenance import SqlMaintenances

LocalTime = Annotated[
    datetime | None, typer.Option(parser=local_time, help="By the wall clock of the zone [default: now].")
]
End = Annotated[datetime | None, typer.Option("--end", parser=local_time, help="When it ends, or give --for.")]
For = Annotated[
    int | None,
    typer.Option("--for", **bounds.DURATION, help="How long it lasts, such as 2h."),
]
Rule = Annotated[str, typer.Option(parser=bounds.text, help="How often it comes back, RFC 5545: FREQ=WEEKLY;BYDAY=SU.")]
Except = Annotated[
    list[datetime] | None,
    typer.Option("--except", parser=local_time, help="Start of an occurrence that is left out; several times."),
]

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def maintenance() -> None:
    """Plan maintenance windows: who is not called then, what is not judged, and what is not learned from."""


@app.command()
def add(  # noqa: PLR0913, PLR0917 (an argument is an option)
    name: Annotated[str, typer.Argument(metavar="NAME", parser=bounds.name, help="What the maintenance is called.")],
    start: LocalTime = None,
    end: End = None,
    lasts: For = None,
    zone: Zone = "UTC",
    rrule: Rule = "",
    exdates: Except = None,
    family: Families = None,
    streams: Streams = EVERY,
    notify: Notify = False,
    score: Score = True,
    learn: Learn = False,
    why: Why = "",
    by: By = "",
    yes: Yes = False,
    config: Config = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Plan a maintenance, once or recurring. Shows its next occurrences before it is saved."""
    begin, until = _span(zone, start, end, lasts)
    entered = Maintenance(
        name=name, start=begin, end=until, zone=zone, rrule=rrule, exdates=tuple(exdates or ()),
        families=tuple(family or ()), streams=streams, notify=notify, score=score, learn=learn, by=person(by), why=why,
    )  # fmt: skip
    _save([entered], config, url, yes=yes, as_json=as_json)


@app.command("import")
def import_(  # noqa: PLR0913, PLR0917 (an argument is an option)
    file: Annotated[Path, typer.Argument(metavar="FILE", parser=bounds.path, help="A calendar, .ics (RFC 5545).")],
    zone: Zone = "UTC",
    family: Families = None,
    streams: Streams = EVERY,
    notify: Notify = False,
    score: Score = True,
    learn: Learn = False,
    why: Why = "",
    by: By = "",
    yes: Yes = False,
    config: Config = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Take the events of a calendar as maintenance. --zone is that of events that name none."""
    from monitor.maintenance.calendar_file import read

    like = {
        "families": tuple(family or ()), "streams": streams, "notify": notify, "score": score, "learn": learn,
        "by": person(by), "why": why,
    }  # fmt: skip
    found = read(file, zone, like)
    if not found:
        raise SettingsError(f"{file}: the calendar has no event")
    _save(found, config, url, yes=yes, as_json=as_json)


@app.command("list")
def list_(
    config: Config = None,
    url: Url = None,
    all_: Annotated[bool, typer.Option("--all", help="Also what was removed.")] = False,
    as_json: Json = False,
) -> None:
    """List maintenance of the configuration and of the database."""
    from monitor.cli.rendering.alert_table import FittedTable

    found, now = _listed(config, url, removed=all_), time.time_ns()
    if as_json:
        echo_json([fields(each, now) for each in found], indent=2)
    elif found:
        terminal().print(FittedTable(columns(found, now), ["why", "by", "when", "off"]))
    else:
        echo("No maintenance is planned.")


@app.command()
def show(name: Name, config: Config = None, url: Url = None, as_json: Json = False) -> None:
    """Show one maintenance and its next occurrences."""
    known = _listed(config, url, removed=True)
    found = [each for each in known if each.of.name == name]
    if not found:
        raise unknown("maintenance", name, [each.of.name for each in known])
    chosen, now = ([each for each in found if not each.gone] or found)[-1], time.time_ns()
    if as_json:
        echo_json(fields(chosen, now), indent=2)
        return
    _describe(chosen.of, now)
    echo(f"  state: {chosen.removal() or chosen.state(now)}, from the {chosen.source}")


@app.command()
def remove(
    name: Name,
    why: Why = "",
    by: By = "",
    void: Annotated[
        bool, typer.Option("--void", help="As if it had never been, also for what is not judged or trained on yet.")
    ] = False,
    config: Config = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """End a maintenance now, and all that would come of it. Alerts that it withheld and that go on are announced."""
    if any(each.name == name for each in configured(settings_of(config, url))):
        raise SettingsError(f"{name!r} is in the configuration file; remove it there")
    with _opened(config, url) as commands:
        ended = commands.remove(name, person(by), why, void=void)
    if as_json:
        echo_json(fields(Listed(ended.maintenance, ended), time.time_ns()), indent=2)
    else:
        echo(f"Maintenance {name} is removed" + (", as if it had never been." if void else "."))


def _span(zone: str, start: datetime | None, end: datetime | None, lasts: int | None) -> tuple[datetime, datetime]:
    """Start and end by the wall clock of the zone. Raises SettingsError."""
    if (end is None) == (lasts is None):
        raise SettingsError("when does it end? Give --end TIME or --for DURATION, one of them")
    try:
        now = datetime.now(zone_of(zone)).replace(tzinfo=None, microsecond=0)
    except ValueError as error:
        raise SettingsError(f"--zone: {error}") from None
    begin = start or now
    try:
        return begin, end or begin + timedelta(microseconds=(lasts or 0) // 1000)
    except OverflowError:
        raise SettingsError(f"--for: it begins at {begin} and ends after the year 9999; give a shorter time") from None


def _save(some: Sequence[Maintenance], config: Path | None, url: str | None, *, yes: bool, as_json: bool) -> None:
    """Show what is about to be saved, ask, and save it."""
    settings, now = settings_of(config, url), time.time_ns()
    for each in some:
        checked(each, settings)
        if not as_json:
            _describe(each, now)
    _doubt(some, now, config, url)
    confirm("Save it?" if len(some) == 1 else f"Save all {len(some)}?", yes=yes)
    with _opened(config, url) as commands:
        saved = commands.add(some)
    if as_json:
        echo_json([fields(Listed(each.maintenance, each), now) for each in saved], indent=2)
    else:
        echo(f"Saved. Workers go by it within seconds; `watchkeeper maintenance remove {quote(some[0].name)}` ends it.")


def _doubt(some: Sequence[Maintenance], now: int, config: Path | None, url: str | None) -> None:
    """Say on standard error what is odd about them."""
    from monitor.maintenance.doubts import doubts

    with _opened(config, url) as commands:
        for each in some:
            found = doubts(each, now)
            if not commands.concerns(each):
                found.append(f"no stream is known yet that it is about ({concerned(each)}); a new one may be")
            for text in found:
                echo(f"Note: {each.name}: {text}.", err=True)


def _describe(of: Maintenance, now: int) -> None:
    echo(f"{of.name}: {when(of)}")
    echo(f"  of {concerned(of)}; off meanwhile: {switched_off(of)}")
    if of.by or of.why:
        echo(f"  by {of.by}" + (f": {of.why}" if of.why else ""))
    echo(f"  next {SHOWN}:" if of.rrule or of.rdates else "  next:")
    for line in occurrence_lines(of, now):
        echo(f"    {line}")


def _listed(config: Path | None, url: str | None, *, removed: bool) -> list[Listed]:
    found = [Listed(each) for each in configured(settings_of(config, url))]
    with _opened(config, url) as commands:
        return found + [Listed(row.maintenance, row) for row in commands.entered(removed=removed)]


@contextmanager
def _opened(config: Path | None, url: str | None) -> Iterator[SqlMaintenances]:
    from monitor.store.maintenance import open_maintenance

    commands = open_maintenance(store_url(config, url))
    try:
        yield commands
    finally:
        commands.close()
