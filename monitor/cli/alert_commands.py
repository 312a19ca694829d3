"""`watchkeeper alerts ack`, `unack`, `resolve`, `expect`, `note` and `verdict`: what a person says about an alert."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from monitor.cli.alert_giving import Id, Json, Note, Place, give, report
from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import By
from monitor.cli.parameters.database import Config, Url
from monitor.records.alerts import CommandKind, Verdict


def ack(id_: Id, note: Note = "", by: By = "", config: Config = None, url: Url = None, as_json: Json = False) -> None:
    """Acknowledge an alert, also one that is over: it has been seen. The monitor goes on updating it."""
    report(give(CommandKind.ACKNOWLEDGE, id_, (by, note), Place(config, url)), as_json=as_json)


def unack(id_: Id, note: Note = "", by: By = "", config: Config = None, url: Url = None, as_json: Json = False) -> None:
    """Take an acknowledgement back: the alert is open again."""
    report(give(CommandKind.UNACKNOWLEDGE, id_, (by, note), Place(config, url)), as_json=as_json)


def resolve(
    id_: Id, note: Note = "", by: By = "", config: Config = None, url: Url = None, as_json: Json = False
) -> None:
    """The alert is over, and has been seen. What it is about may open another one only when it has ended first."""
    report(give(CommandKind.CLOSE, id_, (by, note), Place(config, url)), as_json=as_json)


def expect(
    id_: Id, note: Note = "", by: By = "", config: Config = None, url: Url = None, as_json: Json = False
) -> None:
    """The level of an anomaly is the new normal: the alert is over, and the stream learns the level from now on."""
    report(give(CommandKind.EXPECT, id_, (by, note), Place(config, url)), as_json=as_json)


def note(
    id_: Id,
    text: Annotated[str, typer.Argument(parser=bounds.words, help="What to keep with the alert.")],
    by: By = "",
    config: Config = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Add a note to an alert, whatever its state."""
    report(give(CommandKind.NOTE, id_, (by, text), Place(config, url)), as_json=as_json)


def verdict(  # noqa: PLR0913, PLR0917 (an argument is an option)
    id_: Id,
    verdict: Annotated[Verdict, typer.Argument(help="What the alert was.", metavar="true|false|expected|unsure")],
    reason: Note = "",
    start: Annotated[
        int | None,
        typer.Option("--from", **bounds.TIME, help="Where it began [default: as the alert says]."),
    ] = None,
    end: Annotated[
        int | None,
        typer.Option("--to", **bounds.TIME, help="Where it ended [default: as the alert says]."),
    ] = None,
    by: By = "",
    config: Config = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Say what an alert was: models never learn from what is true, and may from what is false or expected.

    A newer verdict takes the place of an older one, which is kept.
    """
    said = {"verdict": verdict, "start": start, "end": end}
    report(give(CommandKind.VERDICT, id_, (by, reason), Place(config, url), **said), as_json=as_json)


COMMANDS: dict[str, Callable[..., None]] = {
    "ack": ack, "unack": unack, "resolve": resolve, "expect": expect, "note": note, "verdict": verdict,
}  # fmt: skip
