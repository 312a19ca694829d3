"""`watchkeeper incidents`: alerts that belong together."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import Limit, RunName
from monitor.cli.parameters.database import Config, Url, store_url
from monitor.cli.parameters.known import Narrowed, refuse_unknown
from monitor.cli.parameters.zones import Local, Timezone, moments
from monitor.cli.rendering.output import echo, echo_json, terminal
from monitor.records.scalars import LIVE

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def incidents() -> None:
    """List incidents, which are alerts of one family or group that overlap in time, and show what is in one."""


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 (an argument is an option)
    config: Config = None,
    url: Url = None,
    run: RunName = LIVE,
    group: Annotated[
        str | None, typer.Option(parser=bounds.name, help="Only this family, or group of the settings.")
    ] = None,
    limit: Limit = 50,
    local: Local = False,
    timezone: Timezone = None,
    as_json: Json = False,
) -> None:
    """List incidents: open ones first, then the newest."""
    from monitor.store.incident_queries import list_incidents
    from monitor.store.open import open_database

    shown = moments(local, timezone)
    database = open_database(store_url(config, url))
    try:
        found = list_incidents(database, run, group, limit + 1)
    finally:
        database.close()
    if not found:
        refuse_unknown(config, url, Narrowed(run, group=group))
    if len(found) > limit:
        found.pop()
        echo(f"There are more than these {limit} incidents; --limit N shows more.", err=True)
    from monitor.cli.rendering import incidents as rendering

    if as_json:
        echo_json([rendering.as_json(each) for each in found], indent=2)
    elif found:
        terminal().print(rendering.table(found, shown))
    else:
        echo(f"No incidents in run {run}.")


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", parser=bounds.text, help="The incident's id, or how it begins.")],
    config: Config = None,
    url: Url = None,
    local: Local = False,
    timezone: Timezone = None,
    as_json: Json = False,
) -> None:
    """Show one incident: its alerts, the first and the worst on top, what happened, and its notifications."""
    from monitor.cli.rendering import incident_detail
    from monitor.store.incident_queries import get_incident
    from monitor.store.open import open_database

    shown = moments(local, timezone)
    database = open_database(store_url(config, url))
    try:
        detail = get_incident(database, id_)
    finally:
        database.close()
    if as_json:
        echo_json(incident_detail.as_json(detail), indent=2)
    else:
        for part in incident_detail.parts(detail, shown):
            terminal().print(part)
