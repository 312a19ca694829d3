"""`watchkeeper alerts shelve`, `unshelve`, `out-of-service` and `in-service`: what is not announced for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import stream_commands
from monitor.cli.alert_giving import Id, Json, Note, Place, give, report
from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import By
from monitor.cli.parameters.database import Config, Url
from monitor.cli.rendering.output import echo, echo_json
from monitor.records.alerts import CommandKind

if TYPE_CHECKING:
    from monitor.store.stream_commands import Done

FamilyName = Annotated[
    str | None, typer.Option(parser=bounds.name, help="Its family, where several have one of that name.")
]
Why = Annotated[str, typer.Option("--note", parser=bounds.text, help="Why, kept with its open alerts.")]
Printed = Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")]


def shelve(  # noqa: PLR0913, PLR0917 (an argument is an option)
    id_: Id,
    span: Annotated[
        int | None,
        typer.Option("--for", **bounds.DURATION, help="How long, e.g. 2h; 7d at most."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Until this alert is resolved; 7 days at most.")] = False,
    note: Note = "",
    by: By = "",
    config: Config = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Announce nothing of an alert for a while; then it comes back as it was, and is announced again.

    With --for also those of its kind that its stream opens meanwhile. Everything is recorded as ever.
    """
    if (span is None) is not once:
        raise typer.BadParameter("give one of --for DURATION and --once", param_hint="--for")
    report(give(CommandKind.SHELVE, id_, (by, note), Place(config, url), span=span), as_json=as_json)


def unshelve(
    id_: Id, note: Note = "", by: By = "", config: Config = None, url: Url = None, as_json: Json = False
) -> None:
    """Take an alert from the shelf before its time is over, and those of its kind that its stream opens."""
    report(give(CommandKind.UNSHELVE, id_, (by, note), Place(config, url)), as_json=as_json)


def out_of_service(
    stream: Annotated[str, typer.Argument(metavar="STREAM", parser=bounds.text, help="The stream.")],
    family: FamilyName = None,
    note: Why = "",
    by: By = "",
    config: Config = None,
    url: Url = None,
    as_json: Printed = False,
) -> None:
    """Announce no alert of a stream until it is in service again; its alerts are recorded as ever."""
    said = stream_commands.who(by, note)
    done = stream_commands.give(Place(config, url), lambda given: given.take_out_of_service(stream, family, said))
    _report(done, f"Stream {stream} of family {done.family} is out of service", as_json=as_json)


def in_service(
    stream: Annotated[str, typer.Argument(metavar="STREAM", parser=bounds.text, help="The stream.")],
    family: FamilyName = None,
    note: Why = "",
    by: By = "",
    config: Config = None,
    url: Url = None,
    as_json: Printed = False,
) -> None:
    """A stream is in service again: its open alerts are announced."""
    said = stream_commands.who(by, note)
    done = stream_commands.give(Place(config, url), lambda given: given.put_in_service(stream, family, said))
    _report(done, f"Stream {stream} of family {done.family} is in service again", as_json=as_json)


COMMANDS: dict[str, Callable[..., None]] = {
    "shelve": shelve, "unshelve": unshelve, "out-of-service": out_of_service, "in-service": in_service,
}  # fmt: skip


def _report(done: Done, text: str, *, as_json: bool) -> None:
    if as_json:
        echo_json({"family": done.family, "name": done.name, "open_alerts": done.alerts}, indent=2)
    else:
        echo(f"{text}; open alerts: {done.alerts}.")
