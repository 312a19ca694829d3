"""`watchkeeper alerts`: what was found, and why."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import alert_commands
from monitor.cli.parameters.database import Config, Url, store_url, utc
from monitor.cli.rendering.alert_json import alert_json, detail_json
from monitor.errors import SettingsError
from monitor.records.alerts import Alert, AlertState, Evidence
from monitor.records.batches import LIVE

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from monitor.cli.rendering.alert_table import FittedTable
    from monitor.store.queries import AlertDetail, Reader

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60  # of a sparkline
EVERY = "(all streams)"  # of the family: what a gateway alert is about, or one about its records

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(no_args_is_help=True, add_completion=False)
for name, command in alert_commands.COMMANDS.items():
    app.command(name)(command)


@app.callback()
def alerts() -> None:
    """List alerts, show the evidence behind them, and say who has seen them."""


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 (an argument is an option)
    config: Config = None,
    url: Url = None,
    run: Annotated[str, typer.Option(help="live, or the name of a replay.")] = LIVE,
    state: Annotated[AlertState | None, typer.Option(help="Only those in this state.")] = None,
    family: Annotated[str | None, typer.Option(help="Only those of this family.")] = None,
    stream: Annotated[str | None, typer.Option(help="Only those of this stream.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show at most, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List alerts, newest first."""
    from monitor.store.queries import open_reader

    reader = open_reader(store_url(config, url))
    try:
        found = reader.list_alerts(run, state=state, family=family, stream=stream, limit=limit + 1)
        if not found:
            _check_run(reader, run)
    finally:
        reader.close()
    if len(found) > limit:
        found.pop()
        typer.echo(f"There are more than these {limit} alerts; --limit N shows more.", err=True)
    if as_json:
        typer.echo(json.dumps([alert_json(alert) for alert in found], indent=2, ensure_ascii=False))
    else:
        _console().print(_table(found) if found else f"No alerts in run {run}.")


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The alert's id, or how it begins.")],
    config: Config = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show one alert: its life, the evidence, and what became of its notifications."""
    from monitor.store.queries import open_reader

    reader = open_reader(store_url(config, url))
    try:
        detail = reader.get_alert(id_)
    finally:
        reader.close()
    if as_json:
        typer.echo(json.dumps(detail_json(detail), indent=2, ensure_ascii=False))
    else:
        _print_detail(_console(), detail)


def sparkline(values: list[float], low: float, high: float) -> str:
    """`values` as bars between `low` and `high`, at most 60 of them; a blank where nothing was measured."""
    step = max(1, math.ceil(len(values) / _WIDTH))
    bars = []
    for i in range(0, len(values), step):
        known = [value for value in values[i : i + step] if math.isfinite(value)]
        peak = max(known, key=lambda value: abs(value - (low + high) / 2), default=None)  # the one that stands out
        share = 0.0 if peak is None or high <= low else (peak - low) / (high - low)
        bars.append(" " if peak is None else _BARS[min(max(int(share * len(_BARS)), 0), len(_BARS) - 1)])
    return "".join(bars)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _check_run(reader: Reader, run: str) -> None:
    """Raise SettingsError for a run that never was; the live one may yet come."""
    runs = [known.run for known in reader.list_runs()]
    if run not in (LIVE, *runs):
        raise SettingsError(f"--run: no run is called {run}; there are: {', '.join(runs) or 'none yet'}")


def _table(found: list[Alert]) -> FittedTable:
    """A family or kind that all of them share says nothing and is left out."""
    from monitor.cli.rendering.alert_table import FittedTable, short_id

    columns = {
        "id": [short_id(alert) for alert in found],
        "opened (UTC)": [utc(alert.opened_at) for alert in found],
        "family": [alert.family for alert in found],
        "stream": [alert.stream or EVERY for alert in found],
        "kind": [alert.kind for alert in found],
        "state": [alert.state.value for alert in found],
        "severity": [alert.severity.value for alert in found],
        "peak": [f"{alert.peak_ratio:.2f}" for alert in found],
        "windows": [f"{alert.windows:,}" for alert in found],
    }
    for name in ("kind", "family"):
        if len(set(columns[name])) == 1:
            del columns[name]
    expendable = [name for name in ("windows", "family", "severity", "kind") if name in columns]
    return FittedTable(columns, expendable)


def _print_detail(console: Console, detail: AlertDetail) -> None:
    from rich.panel import Panel
    from rich.table import Table

    alert = detail.alert
    end = "" if alert.resolved_at is None else f", resolved {utc(alert.resolved_at)}"
    facts = [
        f"{alert.kind} of {_plain(alert.family)} / {_plain(alert.stream or EVERY)}, run {_plain(alert.run)}",
        f"{alert.state}, {alert.severity}: peak {alert.peak_ratio:.2f} x the limit at {utc(alert.peak_at)}",
        f"began {utc(alert.started_at)}, opened {utc(alert.opened_at)}, last {utc(alert.last_at)}{end} (UTC)",
    ]
    if alert.cause:
        facts.insert(1, _plain(alert.cause))
    if alert.acknowledged_at is not None:
        facts.append(f"acknowledged by {_plain(alert.acknowledged_by or 'a person, with SQL')}")
    elif alert.resolved_at is not None:
        facts.append("never acknowledged")
    if alert.windows:
        facts.append(f"{alert.windows} {'anomalous windows' if alert.kind == 'anomaly' else 'bad readings'}")
    console.print(Panel("\n".join(facts), title=str(alert.id), title_align="left", expand=False))
    if detail.evidence is not None:
        console.print(evidence_table(detail.evidence))
    life = Table("at (UTC)", "state", "severity", "ratio", "who", "note", title="Life", title_justify="left")
    for change in detail.transitions:
        ratio = f"{change.ratio:.2f}" if math.isfinite(change.ratio) else ""
        life.add_row(utc(change.at), change.state, change.severity, ratio, _plain(change.actor), _plain(change.note))
    console.print(life)
    if detail.deliveries:
        console.print(_deliveries_table(detail))


def evidence_table(evidence: Evidence) -> Table:
    """The window's values, its reconstruction if there is one, and each reading's share of the score, as sparklines."""
    from rich.table import Table

    title = f"Evidence: {len(evidence.values)} readings from {utc(evidence.start)} to {utc(evidence.end)}"
    measured = [f"{name} {value:.3g}" for name, value in evidence.facts.items()]
    facts = ", ".join([*measured, *(f"{name} {share:.0%} of the score" for name, share in evidence.components.items())])
    table = Table("channel", "", "", "range", title=title, title_justify="left", caption=facts or None)
    for i, channel in enumerate(evidence.channels):
        values = evidence.values[:, i].tolist()
        expected = [] if evidence.reconstruction is None else evidence.reconstruction[:, i].tolist()
        share = evidence.contribution[:, i].tolist()
        known = [value for value in (*values, *expected) if math.isfinite(value)] or [0.0]
        low, high, top = min(known), max(known), max((s for s in share if math.isfinite(s)), default=0.0)
        table.add_row(_plain(channel), "values", sparkline(values, low, high), f"{low:.6g} to {high:.6g}")
        if expected:
            table.add_row("", "reconstruction", sparkline(expected, low, high), "")
        table.add_row("", "contribution", sparkline(share, 0.0, top), f"{sum(share):.0%} of the score")
    return table


def _deliveries_table(detail: AlertDetail) -> Table:
    from rich.table import Table

    table = Table("channel", "transition", "attempts", "outcome", title="Notifications", title_justify="left")
    numbers = {change.id: str(change.number) for change in detail.transitions}
    for row in detail.deliveries:
        if row.delivered_at is not None:
            outcome = f"delivered {utc(row.delivered_at)}"
        elif row.gave_up_at is not None:
            outcome = f"given up {utc(row.gave_up_at)}: {row.error}"
        else:
            outcome = f"waiting: {row.error}" if row.error else "waiting"
        table.add_row(_plain(row.channel), numbers[row.transition], str(row.attempts), _plain(outcome))
    return table


def _plain(text: str) -> str:
    """Text from outside, so that neither Rich nor the terminal takes anything in it for a command."""
    from rich.markup import escape

    from monitor.cli.rendering.escape import visible

    return escape(visible(text))
