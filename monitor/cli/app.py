"""The `watchkeeper` command: its table of commands, and what a failure looks like.

Commands are Typer functions (or a `typer.Typer` with subcommands), one module each. The table names them, so
that `watchkeeper --help` needs none of these modules, nor the libraries they need.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from monitor.cli.printing import printing
from monitor.errors import ModelError, MonitorError

COMMANDS: Final = {
    "demo": ("monitor.cli.demo:demo", "Show everything at work on a simulated plant, in memory."),
    "simulate": ("monitor.cli.simulate:simulate", "Publish a simulated plant with labelled faults to Kafka."),
    "publish": ("monitor.cli.publish:publish", "Publish a file of readings to Kafka."),
    "train": ("monitor.cli.train:train", "Train a family's model on history and make it the champion."),
    "models": ("monitor.cli.models:app", "List a family's models, promote one, roll back, ask for a training."),
    "detectors": ("monitor.cli.detectors:detectors", "List the kinds of detectors, what each is for and costs."),
    "run": ("monitor.cli.run:run", "Watch the configured streams until stopped."),
    "dispatch": ("monitor.cli.dispatch:dispatch", "Deliver notifications, beside workers that leave it to this."),
    "replay": ("monitor.cli.replay:replay", "Watch past readings again, apart from the live results."),
    "score": ("monitor.cli.score:score", "Score a CSV or Parquet file, one row per reading."),
    "evaluate": ("monitor.cli.evaluate:evaluate", "Measure what the default settings detect on labelled data."),
    "alerts": ("monitor.cli.alerts:app", "List alerts and show the evidence behind them."),
    "deliveries": ("monitor.cli.deliveries:app", "List notifications, show every try, and send given-up ones again."),
    "notify": ("monitor.cli.notify:app", "Show what a channel would send, and send it a test message."),
    "incidents": ("monitor.cli.incidents:app", "List alerts that belong together as incidents, and show one."),
    "dead": ("monitor.cli.dead:app", "List records that could not be read, and read them again."),
    "late": ("monitor.cli.late:app", "List readings that came too late, and score them after all."),
    "streams": ("monitor.cli.streams:app", "List streams and show how they are doing."),
    "maintenance": ("monitor.cli.maintenance:app", "Plan maintenance windows, list and remove them."),
    "status": ("monitor.cli.status:status", "Show workers, lag and notifications, and what is not served."),
    "db": ("monitor.cli.db:app", "Create the database schema or bring it up to date."),
    "check": ("monitor.cli.check:check", "Explain a configuration file, or every problem in it."),
}
UNEXPECTED = 70  # "internal software error" of sysexits.h


class LazyCommand(TyperCommand):
    """Stands for a command in the list; the command itself is imported when arguments are parsed for it."""

    def __init__(self, name: str, target: str, summary: str) -> None:
        super().__init__(name, help=summary)
        self._target = target

    def load(self) -> TyperCommand | TyperGroup:
        """Import the module and build the command."""
        module, attribute = self._target.split(":")
        found = getattr(import_module(module), attribute)
        app = found if isinstance(found, typer.Typer) else typer.Typer(add_completion=False)
        if app is not found:
            app.command()(found)
        app.rich_markup_mode = None
        command = get_command(app)
        assert isinstance(command, TyperCommand | TyperGroup)  # noqa: S101 (Typer makes nothing else)
        command.name = self.name
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Hand over: the context that comes back belongs to the real command, which then shows its help or runs."""
        return self.load().make_context(*args, **kwargs)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"watchkeeper {version('watchkeeper')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Watch streams of sensor readings: windows, autoencoder scores, alerts and their evidence in SQL."""


def build() -> TyperGroup:
    """The whole command line, without importing a single command."""
    app = typer.Typer(name="watchkeeper", no_args_is_help=True, rich_markup_mode=None)  # Rich triples the time
    app.callback()(_root)
    group = get_command(app)
    assert isinstance(group, TyperGroup)  # noqa: S101 (an app with a callback is a group)
    for name, (target, summary) in COMMANDS.items():
        group.add_command(LazyCommand(name, target, summary))
    return group


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave the process with its exit code; README.md lists the codes."""
    _unwind_when_ended()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # looking for them reads the metadata of every package
    try:
        with printing():
            code = build().main(args=arguments, prog_name="watchkeeper", standalone_mode=False)
    except typer.Abort:
        typer.echo("Aborted!", err=True)
        sys.exit(1)
    except Exception as error:
        with suppress(OSError):  # standard error may be on a full disk too
            _complain(error)
        sys.exit(exit_code(error))
    sys.exit(code or 0)


def _unwind_when_ended() -> None:
    """Have SIGTERM and SIGHUP end the process as an error does, so that drafts of files and models are removed.

    Commands that run a worker stop it instead; see `monitor.cli.run_process.stopping`.
    """

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # a parent may have it ignored
                signal.signal(number, end)


def exit_code(error: Exception) -> int:
    """What the process returns after `error`; `models` stands alone and has a separate error tree."""
    from models.errors import ModelsError

    if isinstance(error, MonitorError):
        return error.exit_code
    if hasattr(error, "format_message"):  # of Typer: an option or an argument is wrong
        return int(getattr(error, "exit_code", 2))
    return ModelError.exit_code if isinstance(error, ModelsError) else UNEXPECTED


def _complain(error: Exception) -> None:
    if isinstance(error, MonitorError) and error.logged:
        return
    from monitor.records.escapes import visible, visible_lines

    if os.environ.get("WATCHKEEPER_DEBUG") == "1":
        typer.echo(visible_lines("".join(traceback.format_exception(error))), err=True)
    if hasattr(error, "format_message"):
        usage: Any = error
        usage.message = visible_lines(usage.message)  # it repeats arguments, which may be names of files
        usage.show()
        return
    from rich.text import Text

    from monitor.cli.rendering.output import terminal

    expected = exit_code(error) != UNEXPECTED
    text = str(error) if expected else f"{type(error).__name__}: {error}"
    for problem in getattr(error, "problems", (text,)):
        text = text.replace(problem, visible(problem))  # a line each
    console = terminal(err=True, soft_wrap=True)
    console.print(Text.assemble(("error: ", "bold red"), (visible_lines(text), "red" if expected else "")))
    if not expected:
        console.print(
            "This is a mistake in Watchkeeper, sorry. Run it again with WATCHKEEPER_DEBUG=1 and report what it prints."
        )
