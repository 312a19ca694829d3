"""`watchkeeper notify`: what a channel would send, and whether its receiver takes it."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, cast

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import ConfigFile
from monitor.cli.rendering.output import echo, echo_json
from monitor.config.settings import Settings, load
from monitor.config.unknown_names import unknown
from monitor.errors import NotifyError

if TYPE_CHECKING:
    from monitor.ports.notifier import Previewed
    from monitor.records.alerts import Delivery

Name = Annotated[str, typer.Argument(metavar="NAME", parser=bounds.name, help="The channel: NAME of [notify.NAME].")]

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def notify() -> None:
    """Show what a channel would send, and send it a test message."""


@app.command()
def preview(
    config: ConfigFile,
    name: Name,
    alert: Annotated[
        str | None,
        typer.Option(parser=bounds.text, help="Of this alert, by its id or how it begins [default: a test]."),
    ] = None,
) -> None:
    """Print what the channel would send about an alert, or about a made-up one. Nothing is sent."""
    settings = load(config)
    notifier = _notifier(settings, name)
    if alert is None:
        from monitor.notify.sample import sample

        delivery = sample(name, time.time_ns(), settings.notify_link).deliveries[0]
    else:
        delivery = _newest(settings, name, alert)
    echo(*notifier.preview(delivery).splitlines())


@app.command("test")
def send_test(
    config: ConfigFile,
    name: Name,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send a made-up alert that opens and is resolved at once, and say what the receiver answers."""
    from monitor.notify.sample import sample
    from monitor.ports.notifier import Illustrated

    settings = load(config)
    notifier = _notifier(settings, name)
    made = sample(name, time.time_ns(), settings.notify_link)
    if isinstance(notifier, Illustrated):
        notifier.illustrate(lambda _: made.evidence)
    for delivery, what in zip(made.deliveries, ("alert.opened", "alert.resolved"), strict=True):
        began = time.monotonic()
        try:
            answer = notifier.send(delivery) or "taken"
        except NotifyError as error:
            if as_json:
                echo_json({"channel": name, "type": what, "delivered": False, "answer": str(error)})
                raise typer.Exit(error.exit_code) from None
            raise NotifyError(f"notify.{name}: {what} was not delivered: {error}") from None
        took = time.monotonic() - began
        if as_json:
            echo_json({"channel": name, "type": what, "delivered": True, "answer": answer, "seconds": round(took, 3)})
        else:
            echo(f"notify.{name}: {what} delivered in {took:.2f} s: {answer}")


def _notifier(settings: Settings, name: str) -> Previewed:
    """The channel of this name. Raises SettingsError where there is none, or it cannot be made."""
    from monitor import bootstrap

    if name not in settings.notify:
        raise unknown("channel", name, settings.notify, " in the settings")
    one = settings.model_copy(update={"notify": {name: settings.notify[name]}})
    return cast("Previewed", bootstrap.notifiers(one)[name])


def _newest(settings: Settings, name: str, id_: str) -> Delivery:
    """The message about the newest change of an alert, as it would be made now."""
    from monitor import bootstrap
    from monitor.notify.payload import payload
    from monitor.records.alerts import Delivery, FactKind, message_id

    with closing(bootstrap.reader(settings)) as reader:
        found, identity = reader.get_alert(id_), reader.identity
    change = found.transitions[-1]
    evidence = found.evidence if change.cause is FactKind.OPENED else None
    return Delivery(
        id=0, message=message_id(identity, change.id), transition=change.id, alert=found.alert.id, channel=name,
        payload=payload(found.alert, change, evidence, identity, settings.notify_link), attempts=0,
    )  # fmt: skip
