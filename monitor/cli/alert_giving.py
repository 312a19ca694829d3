"""What the commands about an alert share: find it, give the command, say what became of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import uuid4

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import person
from monitor.cli.parameters.database import CONFIG_FILE, store_url, utc
from monitor.cli.rendering.alert_json import alert_json
from monitor.cli.rendering.alert_table import short_id
from monitor.cli.rendering.output import echo, echo_json
from monitor.errors import SettingsError
from monitor.records.alerts import Alert, AlertState, Command, CommandKind

if TYPE_CHECKING:
    from monitor.ports.alert_commands import AlertCommands, Answer

Id = Annotated[str, typer.Argument(metavar="ID", parser=bounds.text, help="The alert's id, or how it begins.")]
Note = Annotated[str, typer.Option(parser=bounds.text, help="Why, kept with the alert.")]
Json = Annotated[bool, typer.Option("--json", help="Print the alert as JSON.")]


class Place(NamedTuple):
    """Which database: that of a configuration, or the one at `url`."""

    config: Path | None
    url: str | None


def give(kind: CommandKind, id_: str, said: tuple[str, str], place: Place, **more: Any) -> Answer:
    """Give a command by a person with a note, which are `said`; `more` are other fields of it.

    Raises SettingsError where no alert, or more than one, begins with `id_`, and where the command is refused.
    """
    from monitor.store.queries import open_reader

    reader = open_reader(store_url(*place))
    try:
        alert = reader.get_alert(id_).alert
    finally:
        reader.close()
    by, text = said
    command = Command(id=uuid4(), alert=alert.id, kind=kind, by=person(by), at=time.time_ns(), note=text, **more)
    commands = _open(place)
    try:
        answer = commands.give(command)
    finally:
        commands.close()
    if answer.refused:
        raise SettingsError(f"alert {short_id(alert)}: {answer.refused}")
    return answer


def report(answer: Answer, *, as_json: bool) -> None:
    """Print the alert as it is now."""
    fields: dict[str, Any] = alert_json(answer.alert)
    if as_json:
        echo_json(fields, indent=2)
    else:
        verdict = f"; verdict: {answer.alert.verdict}" if answer.alert.verdict is not None else ""
        echo(f"Alert {short_id(answer.alert)} is {_state(answer.alert)}{verdict}.")


def _state(alert: Alert) -> str:
    if alert.state is AlertState.SHELVED and alert.shelved_until is not None:
        return f"shelved by {alert.shelved_by} until {utc(alert.shelved_until)} UTC, if it is not resolved before"
    if alert.state is AlertState.RESOLVED and alert.acknowledged_by:
        return f"resolved, and acknowledged by {alert.acknowledged_by}"
    return f"{alert.state} by {alert.acknowledged_by}" if alert.acknowledged_by else alert.state.value


def _open(place: Place) -> AlertCommands:
    """With the channels of the configuration; a database alone does not say who is to be notified."""
    from monitor import bootstrap
    from monitor.config.settings import load
    from monitor.ports.store import silent
    from monitor.store.alert_commands import open_alert_commands

    config, url = place
    if url is not None and config is None:
        echo("Without --config no channel is known: this change is kept, and not notified.", err=True)
        return open_alert_commands(url, silent)
    settings = load(config or CONFIG_FILE)
    if url is not None:
        settings = settings.model_copy(update={"store": settings.store.model_copy(update={"url": url})})
    return bootstrap.alert_commands(settings)
