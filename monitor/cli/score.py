"""`watchkeeper score`: a file of readings in, the same rows with their scores out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.rendering.alert_table import alert_fields, alerts_table
from monitor.cli.rendering.not_judged import end
from monitor.cli.rendering.times_read import noted, time_fields, time_line
from monitor.config.families import Family, Threshold
from monitor.config.settings import load, parse
from monitor.errors import SettingsError

if TYPE_CHECKING:
    from monitor.records.batches import Int64
    from monitor.replay.score_rows import Summary
    from monitor.sources.files.source import FileColumns

SHARE, FEWEST, MOST = 0.15, 100, 50_000  # rows to learn from by default
WINDOW, BEAT = 12, 128  # readings; points of a heartbeat
HISTORY = 5000
BEAT_THRESHOLD = {"kind": "static", "n_std": 7.0}  # docs/configuration.md, Heartbeats; decision 18 says why
N_STD = f"[default: {Threshold().n_std:g}; {BEAT_THRESHOLD['n_std']:g} for beats]"
OPTIONS = {  # the option behind a key of the family
    "channels": "--values",
    "detector": "--detector",
    "interval": "--interval",
    "threshold": "--n-std",
    "window": "--window",
    "window.rate": "--rate",
}


def score(  # noqa: PLR0913 (one argument per option)
    file: Annotated[
        Path, typer.Argument(help='CSV (also .gz, .zst) or Parquet; a folder, or a pattern: "2026-*.csv".')
    ],
    *,
    values: Annotated[str, typer.Option("--value", "--values", help="Value column, or several: a,b,c.")] = "",
    when: Annotated[str | None, typer.Option("--time", help="Column with ISO 8601 or epoch times.")] = None,
    rate: Annotated[float | None, typer.Option(help="Hz, for a file without times: row / rate.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV files; found in the first line by default.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="CSV or Parquet, by its extension  [default: FILE.scored.csv].")
    ] = None,
    train_rows: Annotated[
        int | None,
        typer.Option(min=1, help=f"First rows, to learn from  [default: {SHARE:.0%} of the file, at most {MOST:,}]."),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(help='Time between readings, or "none"  [default: the common step of the training rows].'),
    ] = None,
    window: Annotated[
        str | None, typer.Option(help=f'Readings, a duration, or "beat" for an ECG  [default: {WINDOW}].')
    ] = None,
    detector: Annotated[str | None, typer.Option(help="Kind of detector, such as lstm  [default: dense].")] = None,
    n_std: Annotated[float | None, typer.Option(help=f"Limit: mean + n_std standard deviations  {N_STD}.")] = None,
    seed: Annotated[int | None, typer.Option(help="Equal seeds train equal models  [default: 0].")] = None,
    config: Annotated[Path | None, typer.Option(help="Take all of that from a family of this TOML file.")] = None,
    family: Annotated[str | None, typer.Option(help="The family; may be left out where there is only one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Score a file: learn from its first rows, judge every other one by what came before it."""
    from monitor.sources.files.source import FileColumns

    tuned = {"interval": interval, "window": window, "detector": detector, "n-std": n_std, "seed": seed}
    taken = _taken(config, family, tuned)
    names = tuple(name.strip() for name in values.split(",") if name.strip()) or (_value_names(taken))
    columns = FileColumns(values=names, time=when, rate=rate, stream=",".join(names), delimiter=delimiter)
    target = output or _beside(file)
    _check_names(file, target, names)

    def family_of(time: Int64) -> Family:
        return taken or family_for(columns, time, tuned)

    summary, used = _score(file, columns, target, train_rows, family_of, quiet=quiet)
    if as_json:
        typer.echo(json.dumps({**_fields(summary, used), "output": str(target)}))
    elif not quiet:
        _show(summary, used, target)
    end(summary.not_judged, list(summary.alerts.values()), quiet=quiet)


def family_for(columns: FileColumns, time: Int64, tuned: dict[str, Any]) -> Family:
    """The settings that the options ask for; `time` (ns) has the training rows'.

    Raises SettingsError where an option makes no sense.
    """
    from monitor.config.durations import format_duration, parse_duration
    from monitor.replay.score_rows import common_interval

    interval, window = tuned["interval"], tuned["window"] or str(WINDOW)
    if interval is None:
        step = common_interval(time) if columns.rate is None else None  # at a rate, rows follow one another
        interval = "none" if step is None else format_duration(step)
    length: str | int = int(window) if window.removeprefix("-").isdecimal() else window
    if columns.rate is not None and interval == "none" and isinstance(length, str) and window != "beat":
        try:
            length = round(parse_duration(length) * columns.rate / 10**9)
        except ValueError as error:
            raise SettingsError(f"--window: {error}") from None
    raw = {
        "topic": "rows",
        "channels": list(columns.values),
        "interval": interval,
        "window": {"kind": "beat", "length": BEAT, "rate": columns.rate} if window == "beat" else {"length": length},
        "align": {"lateness": 0},
        "train": {"after": sys.maxsize},  # --train-rows says it here
        "detector": {"kind": _kind(tuned["detector"]), "seed": tuned["seed"] or 0},
        "threshold": {"history": HISTORY} | (BEAT_THRESHOLD if window == "beat" else {}),
    }
    if tuned["n-std"] is not None:
        raw["threshold"]["n_std"] = tuned["n-std"]
    try:
        return parse({"families": {"file": raw}}).families["file"]
    except SettingsError as error:
        problems = [_of_option(problem) for problem in error.problems]
        raise SettingsError("\n".join(problems), problems) from None


def _kind(given: str | None) -> str:
    from models import DETECTORS

    if given is not None and given not in DETECTORS:
        raise SettingsError(f"--detector: {given!r} is not known; choose one of {', '.join(DETECTORS)}")
    return given or "dense"


def _of_option(problem: str) -> str:
    """A problem of the family as one of the option that it came from."""
    key, _, reason = problem.removeprefix("families.file.").partition(": ")
    option = OPTIONS.get(key) or OPTIONS.get(key.split(".")[0], key)
    return f"{option}: {reason}"


def _taken(config: Path | None, name: str | None, tuned: dict[str, Any]) -> Family | None:
    """The family of a settings file, if one is given. Rows cannot wait for earlier ones: its lateness becomes 0."""
    from monitor.config.durations import Span

    if config is None:
        if name is not None:
            raise SettingsError("--family names a family of --config, which is missing")
        return None
    both = [f"--{option}" for option, value in tuned.items() if value is not None]
    if both:
        raise SettingsError(f"{', '.join(both)}: {config} says that; leave it out, or leave out --config")
    families = load(config).families
    if name is None and len(families) == 1:
        (name,) = families
    if name not in families:
        raise SettingsError(f"--family: choose one of {', '.join(families)}")
    found = families[name]
    align = found.align.model_copy(update={"lateness": Span(count=0)})
    whole = found.format.model_copy(update={"channel": ""})  # a row has all channels, however messages bring them
    return found.model_copy(update={"align": align, "format": whole})


def _value_names(taken: Family | None) -> tuple[str, ...]:
    return ("value",) if taken is None else taken.format.values or taken.channels


def _beside(file: Path) -> Path:
    """Where the output goes by default: never into a folder that is read."""
    if file.is_dir():
        return file.resolve().with_name(f"{file.resolve().name}.scored.csv")
    if has_magic(str(file)) and not file.exists():
        raise SettingsError(f"--output: name the file that the rows of {file} are written to")
    return file.with_suffix(".scored.csv")


def _check_names(file: Path, target: Path, names: tuple[str, ...]) -> None:
    from monitor.replay.score_rows import COLUMNS
    from monitor.sources.files.chain import files_of

    if target.resolve() in (found.resolve() for found in files_of(file)):
        raise SettingsError(f"--output: {target} is the file that is read; choose another one")
    reserved = sorted(set(names) & {"timestamp", *COLUMNS})
    if reserved:
        raise SettingsError(f"--values: the output has a column {', '.join(reserved)} already; rename that one")


def _score(
    file: Path,
    columns: FileColumns,
    target: Path,
    train_rows: int | None,
    family_of: Callable[[Int64], Family],
    *,
    quiet: bool,
) -> tuple[Summary, Family]:
    """Read, judge and write all rows."""
    from monitor import bootstrap
    from monitor.cli.rendering.beat_rows import beat_writer
    from monitor.records.streams import StreamIndex
    from monitor.replay import score_rows
    from monitor.replay.score_beats import score_beats
    from monitor.sources.files.scored_output import ScoredWriter
    from monitor.sources.files.source import TIMESTAMP, FileSource

    wanted, total = _training_rows(file, columns, train_rows)
    index = StreamIndex()
    source = FileSource(file, columns, index, first_rows=wanted)
    try:
        first = source.poll(0.0)
        score_rows.check_room(first)
        family = family_of(next(iter(first.readings.values())).time)
        width = family.shape.width
        if width != len(columns.values):
            raise SettingsError(f"--values: {len(columns.values)} columns, but a reading has {width} numbers")
        fresh, create = partial(bootstrap.pipeline, "file", family, "file", index), partial(bootstrap.detector, family)
        with ScoredWriter(target, columns) as writer, _bar(file, total, quiet=quiet) as advance:
            if family.window.rules.found:
                normal, write_beats = bootstrap.normal_scores(), beat_writer(writer, advance)
                return noted(score_beats(source, first, fresh(), create, normal, write_beats), source.times), family

            def write(rows: Any, found: score_rows.Columns) -> None:
                writer.write(rows.rename(columns={columns.time: TIMESTAMP}), found)
                advance(len(rows))

            return noted(score_rows.score_rows(source, first, fresh, create, write), source.times), family
    finally:
        source.close()


def _training_rows(file: Path, columns: FileColumns, given: int | None) -> tuple[int, int | None]:
    """How many rows to learn from, and how many the file has, where that is known."""
    from monitor.sources.files.chain import count_rows

    if given is not None:
        return given, None
    most = round(MOST / SHARE)
    rows = count_rows(file, columns.delimiter, most)
    return min(max(int(SHARE * rows), FEWEST), MOST), rows if rows <= most else None


@contextmanager
def _bar(file: Path, total: int | None, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal's standard error, from the first rows judged by the model on."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)
    task = progress.add_task(f"scoring {file.name}", total=total)
    calls = 0

    def advance(rows: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            progress.start()  # not before: the training shows another bar
        progress.advance(task, rows)

    try:
        yield advance
    finally:
        progress.stop()


def _fields(summary: Summary, family: Family) -> dict[str, Any]:
    from monitor.config.durations import format_duration

    return time_fields(summary) | {
        "rows": summary.rows,
        "training_rows": summary.training_rows,
        "garbage": summary.garbage,
        "interval": "none" if family.interval is None else format_duration(family.interval),
        "window": family.shape.length,
        "detector": family.detector.kind,
        "states": summary.states,
        "not_judged": summary.not_judged.sentences(),
        "alerts": [alert_fields(alert) for alert in summary.alerts.values()],
    }


def _show(summary: Summary, family: Family, target: Path) -> None:
    from rich.console import Console

    console, fields = Console(), _fields(summary, family)
    unit = "beats" if family.window.rules.found else "rows"
    console.print(
        f"{summary.rows:,} {unit} scored, after learning from the first {summary.training_rows:,}: {target}\n"
        f"interval {fields['interval']}, windows of {family.shape.length} readings, {family.detector.kind} detector\n"
        + time_line(summary) + ", ".join(f"{count:,} {state}" for state, count in sorted(summary.states.items()))
        + (f"\n{summary.garbage:,} garbage readings were not learned from" if summary.garbage else ""),
        soft_wrap=True, highlight=False, markup=False,
    )  # fmt: skip
    console.print(alerts_table(summary.alerts.values()) if summary.alerts else "No alert opened.")
