"""`watchkeeper deliveries`: what became of notifications, and sending again what was given up."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import Limit
from monitor.cli.parameters.database import Config, Url, store_url, utc
from monitor.cli.parameters.known import Narrowed, refuse_unknown
from monitor.cli.rendering.output import echo, echo_json, terminal
from monitor.config.unknown_names import SHOWN, unknown
from monitor.records.times import iso

if TYPE_CHECKING:
    from uuid import UUID

    from monitor.store.deliveries import DeliveryDetail, DeliveryRecord, State

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ChannelName = Annotated[
    str | None, typer.Option("--channel", parser=bounds.name, help="Only those to this channel of [notify.NAME].")
]
_TIMES = ("created", "next_at", "delivered_at", "gave_up_at", "diverted", "redriven")

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def deliveries() -> None:
    """List notifications, show every try of one, and send again what was given up."""


def _state(given: str) -> State:
    from monitor.store.deliveries import STATES

    if given not in STATES:
        raise typer.BadParameter(f"{given[:40]!r} is not known; write {', '.join(STATES)}")
    return given


@app.command("list")
def list_(
    config: Config = None,
    url: Url = None,
    *,
    state: Annotated[
        str | None, typer.Option(parser=_state, help="Only those that are waiting, delivered or dead (given up).")
    ] = None,
    channel: ChannelName = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """How many notifications wait, were delivered or given up, by channel, and the newest of them."""
    from monitor.store.deliveries import open_deliveries

    found = open_deliveries(store_url(config, url))
    try:
        counts = found.counts()
        rows = found.newest(limit, cast("State | None", state), channel)
    finally:
        found.close()
    if not rows:
        refuse_unknown(config, url, Narrowed(channel=channel))
    if as_json:
        echo_json({"channels": counts, "deliveries": [fields(row) for row in rows]}, indent=2)
    elif not counts:
        echo("No notification was ever made.")
    else:
        _print_counts({name: count for name, count in counts.items() if channel in (None, name)})
        _print_rows(rows)


@app.command()
def show(
    id_: Annotated[int, typer.Argument(metavar="ID", parser=bounds.OFFSET, help="Its number in the list.")],
    config: Config = None,
    url: Url = None,
    *,
    as_json: Json = False,
) -> None:
    """One notification: its text, and every try to deliver it."""
    from monitor.store.deliveries import open_deliveries

    found = open_deliveries(store_url(config, url))
    try:
        detail = found.find(id_)
        newest = [] if detail is not None else [str(row.id) for row in found.newest(SHOWN, None, None)]
    finally:
        found.close()
    if detail is None:
        raise unknown("notification", str(id_), newest)
    if as_json:
        tries = [{"at": iso(one.at), "error": one.error or None} for one in detail.tries]
        more = {"payload": detail.payload, "joined": detail.joined, "tries": tries}
        echo_json(fields(detail.record) | more, indent=2)
    else:
        _print_detail(detail)


@app.command()
def redrive(
    since: Annotated[
        int,
        typer.Option(**bounds.DURATION, help="What was given up within this time, such as 2h or 3d."),
    ],
    config: Config = None,
    url: Url = None,
    *,
    channel: ChannelName = None,
    alert: Annotated[
        str | None, typer.Option(parser=bounds.text, help="Only those of this alert: its id, or how it begins.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make notifications that were given up due again, with the ids they had; a dispatcher or worker sends them."""
    from monitor.store.outbox import open_outbox

    where = store_url(config, url)
    of, now = None if alert is None else _alert(where, alert), time.time_ns()
    outbox = open_outbox(where)
    try:
        counts = outbox.redrive(now - since, now, channel, of)
    finally:
        outbox.close()
    if not counts:
        refuse_unknown(config, url, Narrowed(channel=channel))
    if as_json:
        echo_json({"redriven": dict(counts)}, indent=2)
    elif not counts:
        echo("Nothing of that was given up; nothing is changed.")
    else:
        for name, count in sorted(counts.items()):
            echo(f"{count:,} notification{'s'[: count != 1]} to {name} {'are' if count != 1 else 'is'} due again.")


def fields(row: DeliveryRecord) -> dict[str, Any]:
    """A notification for JSON; times in ISO-8601, UTC."""
    times = {name: None if getattr(row, name) is None else iso(getattr(row, name)) for name in _TIMES}
    from monitor.store.outbox_queues import FAR

    transition = None if row.transition is None else str(row.transition)
    ids = {"message": str(row.message), "alert": str(row.alert), "transition": transition}
    if row.state != "waiting" or row.next_at in (0, FAR):  # over, due now, or behind a digest
        times["next_at"] = None
    return asdict(row) | times | ids | {"state": row.state, "error": row.error or None}


def _alert(where: str, begins: str) -> UUID:
    from monitor.store.queries import open_reader

    reader = open_reader(where)
    try:
        return reader.get_alert(begins).alert.id
    finally:
        reader.close()


def _print_counts(counts: dict[str, dict[State, int]]) -> None:
    from monitor.cli.rendering.alert_table import FittedTable
    from monitor.store.deliveries import STATES

    columns = {"channel": [*counts]}
    columns |= {state: [f"{count[state]:,}" for count in counts.values()] for state in STATES}
    terminal().print(FittedTable(columns, (), title="Channels", folded=("channel",)))


def _print_rows(rows: list[DeliveryRecord]) -> None:
    from monitor.cli.rendering.alert_table import FittedTable
    from monitor.cli.rendering.delivery_text import outcome

    if not rows:
        echo("None of these.")
        return
    columns = {
        "id": [str(row.id) for row in rows],
        "channel": [row.channel for row in rows],
        "alert": ["digest" if row.transition is None else row.alert.hex[:8] for row in rows],
        "severity": [row.severity or "" for row in rows],
        "written (UTC)": [utc(row.created) for row in rows],
        "tries": [str(row.attempts) for row in rows],
        "outcome": [outcome(row, utc) for row in rows],
    }
    expendable = ("tries", "severity", "written (UTC)")
    terminal().print(FittedTable(columns, expendable, title="Notifications", folded=("outcome", "channel")))


def _print_detail(detail: DeliveryDetail) -> None:
    from monitor.cli.rendering.delivery_text import outcome
    from monitor.records.escapes import visible

    row = detail.record
    about = f"a digest of {detail.joined:,} messages" if row.transition is None else f"alert {row.alert}"
    echo(visible(f"notification {row.id} to {row.channel}, {about}, message {row.message}"))
    echo(visible(f"written {utc(row.created)} UTC; {outcome(row, utc)}"))
    for one in detail.tries:
        echo(visible(f"  {utc(one.at)}  {one.error or 'accepted'}"))
    echo(visible(detail.payload))
