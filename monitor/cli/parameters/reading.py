"""How the columns and cells of a file are read: the options that every command with a file has, as keys of `format`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer
from pydantic import ValidationError

from monitor.cli.parameters import bounds
from monitor.config.formats import Format
from monitor.config.notations import notation_problems, worth_problems
from monitor.config.sections import explain
from monitor.errors import SettingsError
from monitor.sources.files.head import Head
from monitor.sources.timestamps import TimeReader

_LISTS = ("missing", "high", "low", "good")
_OPTIONS = {"time_zone": "--timezone", "time_unit": "--time-format"}  # where they are not called like the key


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The options, None where they are not given. A comma stands between words."""

    delimiter: Annotated[
        str | None, typer.Option(parser=bounds.text, help="Of CSV files; found in the line of names by default.")
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(
            parser=bounds.text, help="Of CSV files, such as cp1252  [default: utf-8, or what the file begins with]."
        ),
    ] = None
    skip_rows: Annotated[
        int | None, typer.Option(parser=bounds.whole(0, 10**6), help="Lines above the names of the columns.")
    ] = None
    rename: Annotated[
        list[str] | None,
        typer.Option(
            parser=bounds.text,
            help='Another name for a column: "Temp. [°C]=temp"; by its place: "#3=temp". Repeatable.',
        ),
    ] = None
    decimal: Annotated[str | None, typer.Option(parser=bounds.text, help='Decimal sign of the values: "." or ",".')] = (
        None
    )
    thousands: Annotated[
        str | None, typer.Option(parser=bounds.text, help="Between groups of three digits: , . ' or a space.")
    ] = None
    missing: Annotated[
        str | None, typer.Option(parser=bounds.text, help='What means no value: "Bad,No Data,-999".')
    ] = None
    high: Annotated[str | None, typer.Option(parser=bounds.text, help='What means above the range: "OVER,OL".')] = None
    low: Annotated[str | None, typer.Option(parser=bounds.text, help='What means below the range: "UNDER".')] = None
    quality: Annotated[
        str | None, typer.Option(parser=bounds.text, help="Column with the quality of the values; goes with --good.")
    ] = None
    good: Annotated[str | None, typer.Option(parser=bounds.text, help='Which quality is good: "Good" or "0,192".')] = (
        None
    )
    timezone: Annotated[
        str | None, typer.Option(parser=bounds.text, help="Of times without one: Europe/Berlin  [default: UTC].")
    ] = None
    time_format: Annotated[
        str | None,
        typer.Option(
            parser=bounds.text, help='How times are written: s, ms, us, ns, ... or a pattern "%d.%m.%Y %H:%M".'
        ),
    ] = None

    def head(self, layout: Format) -> Head:
        """How columns are found. Raises SettingsError."""
        pairs = [pair.rpartition("=")[::2] for pair in self.rename or ()]
        if not all(old and new for old, new in pairs):
            raise SettingsError('--rename: write the name in the file, = and the new name: "Temp. [°C]=temperature"')
        rows = layout.skip_rows if self.skip_rows is None else self.skip_rows
        return Head(layout.delimiter or None, layout.encoding or None, rows, tuple(pairs))

    def layout(self, given: Format, channels: tuple[str, ...]) -> Format:
        """How cells are written: what the options say, else `given`, whose times are of messages.

        Raises SettingsError.
        """
        keys: dict[str, Any] = {
            "delimiter": self.delimiter, "encoding": self.encoding, "decimal": self.decimal,
            "thousands": self.thousands, "quality": self.quality, "time_zone": self.timezone,
        }  # fmt: skip
        keys |= {name: _words(getattr(self, name)) for name in _LISTS}
        update = {name: value for name, value in keys.items() if value is not None}
        update |= {"time_unit": self.time_format or "auto", "kind": "csv", "channel": ""}  # a row has all channels
        try:
            layout = Format.model_validate(given.model_dump() | update)
        except ValidationError as error:
            found = [_of_option(problem) for problem in explain(error, Format, {})]
            raise SettingsError("\n".join(found), found) from None
        problems = (
            *_time_problems(layout),
            *notation_problems(layout),
            *worth_problems(layout, channels, vector=False),
        )
        if problems:
            found = [_of_option(problem.removeprefix("format.")) for problem in problems]
            raise SettingsError("\n".join(found), found)
        return layout


def with_reading(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field of `Reading`; it gets them as its argument `reading`."""
    own = inspect.signature(command, eval_str=True)
    hints = get_type_hints(Reading, include_extras=True)
    names = [field.name for field in fields(Reading)]

    @wraps(command)
    def run(**given: Any) -> None:
        reading = Reading(**{name: given.pop(name) for name in names})
        command(**given, reading=reading)

    kept = [parameter for parameter in own.parameters.values() if parameter.name != "reading"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[name]) for name in names
    ]
    parameters = kept + added
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # what Typer reads
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _words(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


def _time_problems(layout: Format) -> Iterator[str]:
    try:
        TimeReader(layout.time_unit, layout.time_zone)
    except ValueError as error:
        yield str(error)


def _of_option(problem: str) -> str:
    """A problem of a key as one of the option behind it."""
    key, _, reason = problem.partition(": ")
    return f"{_OPTIONS.get(key, '--' + key.replace('_', '-'))}: {reason}"
