"""`watchkeeper alerts`: what was found, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli import alert_commands, alert_kpi, alert_shelving
from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import FamilyName, Limit, RunName, StreamName
from monitor.cli.parameters.database import Config, Url, store_url
from monitor.cli.parameters.known import Narrowed, refuse_unknown
from monitor.cli.parameters.zones import Local, Timezone, moments
from monitor.cli.rendering.alert_json import alert_json, detail_json
from monitor.cli.rendering.output import echo, echo_json, terminal
from monitor.records.alerts import AlertState
from monitor.records.scalars import LIVE

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(no_args_is_help=True, add_completion=False)
for name, command in (alert_commands.COMMANDS | alert_shelving.COMMANDS).items():
    app.command(name)(command)
app.command()(alert_kpi.kpi)


@app.callback()
def alerts() -> None:
    """List alerts, show the evidence behind them, and say what a person knows of them."""


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 (an argument is an option)
    config: Config = None,
    url: Url = None,
    run: RunName = LIVE,
    state: Annotated[AlertState | None, typer.Option(help="Only those in this state.")] = None,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="Only those that are over and that no person has acknowledged.")
    ] = False,
    family: FamilyName = None,
    stream: StreamName = None,
    limit: Limit = 50,
    local: Local = False,
    timezone: Timezone = None,
    as_json: Json = False,
) -> None:
    """List alerts, newest first."""
    from monitor.store.queries import open_reader

    if unseen and state is not None:
        raise typer.BadParameter("give one of --state and --unseen", param_hint="--unseen")
    shown = moments(local, timezone)
    reader = open_reader(store_url(config, url))
    try:
        found = reader.list_alerts(
            run, state="unseen" if unseen else state, family=family, stream=stream, limit=limit + 1
        )
    finally:
        reader.close()
    if not found:
        refuse_unknown(config, url, Narrowed(run, family, stream))
    if len(found) > limit:
        found.pop()
        echo(f"There are more than these {limit} alerts; --limit N shows more.", err=True)
    if as_json:
        echo_json([alert_json(alert) for alert in found], indent=2)
    else:
        from monitor.cli.rendering.alert_list import AlertList

        if found:
            terminal().print(AlertList(found, shown))
        else:
            echo(f"No alerts in run {run}.")


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", parser=bounds.text, help="The alert's id, or how it begins.")],
    config: Config = None,
    url: Url = None,
    local: Local = False,
    timezone: Timezone = None,
    as_json: Json = False,
) -> None:
    """Show one alert: its life, the evidence, and what became of its notifications."""
    from monitor.store.queries import open_reader

    shown = moments(local, timezone)
    reader = open_reader(store_url(config, url))
    try:
        detail = reader.get_alert(id_)
    finally:
        reader.close()
    if as_json:
        echo_json(detail_json(detail), indent=2)
    else:
        from monitor.cli.rendering.alert_detail import alert_detail

        for part in alert_detail(detail, shown):
            terminal().print(part)
