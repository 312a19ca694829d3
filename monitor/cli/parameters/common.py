"""Options and arguments that stand in several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.parameters import bounds

ConfigFile = Annotated[
    Path, typer.Argument(parser=bounds.path, help="The TOML file; WATCHKEEPER__* variables are laid over it.")
]
ReadFile = Annotated[
    Path,
    typer.Argument(parser=bounds.path, help='CSV (also .gz, .zst) or Parquet; a folder, or a pattern: "2026-*.csv".'),
]
RunName = Annotated[str, typer.Option(parser=bounds.name, help="live, or the name of a replay.")]
ReplayName = Annotated[str, typer.Option(parser=bounds.name, help="Run name of the replay; its rows in SQL carry it.")]
FamilyName = Annotated[str | None, typer.Option(parser=bounds.name, help="Only this family.")]
StreamName = Annotated[str | None, typer.Option(parser=bounds.text, help="Only this stream.")]
Limit = Annotated[int, typer.Option(parser=bounds.COUNT, help="How many to show at most.")]
Rate = Annotated[float | None, typer.Option(parser=bounds.RATE, help="Hz, for a file without times: row / rate.")]
TimeColumn = Annotated[
    str | None, typer.Option("--time", parser=bounds.text, help="Column with ISO 8601 or epoch times.")
]
ValueColumns = Annotated[
    str, typer.Option("--value", "--values", parser=bounds.text, help="Value column, or several: a,b,c.")
]
KeyColumn = Annotated[str | None, typer.Option(parser=bounds.name, help="Column with the names of several streams.")]
By = Annotated[str, typer.Option("--by", parser=bounds.text, help="Who [default: the user of this terminal].")]


def person(given: str) -> str:
    """Who gives a command: as said, or the user of this terminal. Raises typer.BadParameter where it has no name."""
    from getpass import getuser

    try:
        return given or getuser()
    except (KeyError, OSError):  # a container may run as a number
        raise typer.BadParameter("this user has no name; say who", param_hint="--by") from None
