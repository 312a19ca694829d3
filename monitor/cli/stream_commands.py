"""`watchkeeper streams retire`, `forget` and `rename`: what a person knows of a stream and the monitor cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.alert_giving import Place
from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import By, person
from monitor.cli.parameters.database import CONFIG_FILE, Config, Url
from monitor.cli.rendering.output import echo, echo_json

if TYPE_CHECKING:
    from monitor.store.stream_commands import Done, Person, StreamCommands

FamilyName = Annotated[
    str | None, typer.Option(parser=bounds.name, help="Its family, where several have one of that name.")
]
Note = Annotated[str, typer.Option(parser=bounds.text, help="Why, kept with the alerts that this closes.")]
Json = Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")]

app = typer.Typer(add_completion=False)  # its commands are those of `watchkeeper streams`


@app.command()
def retire(
    name: Annotated[str, typer.Argument(metavar="NAME", parser=bounds.text, help="The stream.")],
    family: FamilyName = None,
    note: Note = "",
    by: By = "",
    config: Config = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """The stream is gone for good: close its alerts and do not miss it. It comes back when it sends again."""
    done = give(Place(config, url), lambda commands: commands.retire(name, family, who(by, note)))
    _report(done, f"Stream {name} of family {done.family} is retired until it sends again", as_json=as_json)


@app.command()
def forget(
    name: Annotated[str, typer.Argument(metavar="NAME", parser=bounds.text, help="The stream.")],
    family: FamilyName = None,
    by: By = "",
    config: Config = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Delete a stream that sends no more, with its scores, training readings and alerts."""
    done = give(Place(config, url), lambda commands: commands.forget(name, family, who(by)))
    _report(done, f"Stream {name} of family {done.family} is forgotten", as_json=as_json)


@app.command()
def rename(  # noqa: PLR0913, PLR0917 (an argument is an option)
    old: Annotated[str, typer.Argument(metavar="OLD", parser=bounds.text, help="The stream.")],
    new: Annotated[str, typer.Argument(metavar="NEW", parser=bounds.name, help="What it is called from now on.")],
    family: FamilyName = None,
    note: Note = "",
    by: By = "",
    config: Config = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Let a stream's rows go on under a new name, while no worker reads it."""
    done = give(Place(config, url), lambda commands: commands.rename(old, new, family, who(by, note)))
    _report(done, f"Stream {old} of family {done.family} is called {new} from now on", as_json=as_json)


def who(by: str, why: str = "") -> Person:
    """Who gives a command about a stream, and why."""
    from monitor.store.stream_commands import Person

    return Person(person(by), why)


def give(place: Place, command: Callable[[StreamCommands], Done]) -> Done:
    """Carry out a command about a stream."""
    commands = _open_commands(*place)
    try:
        return command(commands)
    finally:
        commands.close()


def _open_commands(config: Path | None, url: str | None) -> StreamCommands:
    """With the channels of the configuration; a database alone does not say who is to be notified."""
    from monitor import bootstrap
    from monitor.config.settings import load
    from monitor.ports.store import silent
    from monitor.records.scalars import LIVE
    from monitor.store.stream_commands import open_stream_commands

    if url is not None and config is None:
        echo("Without --config no channel is known: alerts that this closes are not notified.", err=True)
        return open_stream_commands(url, silent)
    settings = load(config or CONFIG_FILE)
    return open_stream_commands(url or settings.store.url, bootstrap.announce(settings, LIVE))


def _report(done: Done, text: str, *, as_json: bool) -> None:
    closed = f"; {done.alerts} open alert{'s'[: done.alerts != 1]} closed" if done.alerts else ""
    shown = {"family": done.family, "name": done.name, "closed_alerts": done.alerts}
    if as_json:
        echo_json(shown, indent=2)
    else:
        echo(f"{text}{closed}.")
