"""`watchkeeper alerts ack`, `unack`, `expect` and `note`: what a person says about an alert."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import By, person
from monitor.cli.parameters.database import CONFIG_FILE, Config, Url, store_url
from monitor.cli.rendering.alert_json import alert_json
from monitor.cli.rendering.alert_table import short_id
from monitor.cli.rendering.output import echo, echo_json
from monitor.errors import SettingsError
from monitor.records.alerts import Command, CommandKind

if TYPE_CHECKING:
    from monitor.ports.alert_commands import AlertCommands, Answer

Id = Annotated[str, typer.Argument(metavar="ID", parser=bounds.text, help="The alert's id, or how it begins.")]
Note = Annotated[str, typer.Option(parser=bounds.text, help="Why, kept with the alert.")]
Json = Annotated[bool, typer.Option("--json", help="Print the alert as JSON.")]


def ack(id_: Id, note: Note = "", by: By = "", config: Config = None, url: Url = None, as_json: Json = False) -> None:
    """Acknowledge an alert: it has been seen. The monitor goes on updating it, and resolves it by itself."""
    _report(_give(CommandKind.ACKNOWLEDGE, id_, (by, note), config, url), as_json=as_json)


def unack(id_: Id, note: Note = "", by: By = "", config: Config = None, url: Url = None, as_json: Json = False) -> None:
    """Take an acknowledgement back: the alert is open again."""
    _report(_give(CommandKind.UNACKNOWLEDGE, id_, (by, note), config, url), as_json=as_json)


def expect(
    id_: Id, note: Note = "", by: By = "", config: Config = None, url: Url = None, as_json: Json = False
) -> None:
    """The level of an anomaly is the new normal: the alert is over, and the stream learns the level from now on."""
    _report(_give(CommandKind.EXPECT, id_, (by, note), config, url), as_json=as_json)


def note(
    id_: Id,
    text: Annotated[str, typer.Argument(parser=bounds.words, help="What to keep with the alert.")],
    by: By = "",
    config: Config = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Add a note to an alert, whatever its state."""
    _report(_give(CommandKind.NOTE, id_, (by, text), config, url), as_json=as_json)


COMMANDS: dict[str, Callable[..., None]] = {"ack": ack, "unack": unack, "expect": expect, "note": note}


def _give(kind: CommandKind, id_: str, said: tuple[str, str], config: Path | None, url: str | None) -> Answer:
    """Raises SettingsError where no alert, or more than one, begins with `id_`, and where the command is refused."""
    from monitor.store.queries import open_reader

    reader = open_reader(store_url(config, url))
    try:
        alert = reader.get_alert(id_).alert
    finally:
        reader.close()
    by, text = said
    command = Command(id=uuid4(), alert=alert.id, kind=kind, by=person(by), at=time.time_ns(), note=text)
    commands = _open(config, url)
    try:
        answer = commands.give(command)
    finally:
        commands.close()
    if answer.refused:
        raise SettingsError(f"alert {short_id(alert)}: {answer.refused}")
    return answer


def _open(config: Path | None, url: str | None) -> AlertCommands:
    """With the channels of the configuration; a database alone does not say who is to be notified."""
    from monitor import bootstrap
    from monitor.config.settings import load
    from monitor.ports.store import silent
    from monitor.store.alert_commands import open_alert_commands

    if url is not None and config is None:
        echo("Without --config no channel is known: this change is kept, and not notified.", err=True)
        return open_alert_commands(url, silent)
    settings = load(config or CONFIG_FILE)
    if url is not None:
        settings = settings.model_copy(update={"store": settings.store.model_copy(update={"url": url})})
    return bootstrap.alert_commands(settings)


def _report(answer: Answer, *, as_json: bool) -> None:
    fields: dict[str, Any] = alert_json(answer.alert)
    by = f" by {answer.alert.acknowledged_by}" if answer.alert.acknowledged_by else ""
    if as_json:
        echo_json(fields, indent=2)
    else:
        echo(f"Alert {short_id(answer.alert)} is {answer.alert.state}{by}.")
