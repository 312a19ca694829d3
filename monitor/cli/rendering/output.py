"""What the commands print through: names and texts from outside can neither steer the terminal nor be markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from monitor.records.escapes import dumps, visible

if TYPE_CHECKING:
    from rich.console import Console


def echo(*lines: str, err: bool = False) -> None:
    """Print each text as one line, made `visible`; `err`: on standard error."""
    for line in lines:
        typer.echo(visible(line), err=err)


def echo_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON."""
    typer.echo(dumps(value, indent=indent))


def terminal(*, err: bool = False, markup: bool = False, **options: Any) -> Console:
    """A console of Rich's that writes out unseen characters in all that it draws, and takes no text for markup."""
    from monitor.cli.rendering.escaped_console import EscapedConsole

    return EscapedConsole(stderr=err, markup=markup, emoji=False, highlight=False, **options)


def label(text: str) -> str:
    """Text for the description of a progress bar, which Rich reads as markup."""
    from rich.markup import escape

    return escape(visible(text))
