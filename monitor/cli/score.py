"""`watchkeeper score`: a file of readings in, the same rows with their scores out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import Rate, ReadFile, TimeColumn, ValueColumns
from monitor.cli.parameters.reading import Reading, with_reading
from monitor.cli.rendering.alert_table import alert_fields, alerts_table
from monitor.cli.rendering.not_judged import end
from monitor.cli.rendering.output import echo, echo_json, label, terminal
from monitor.cli.rendering.times_read import noted, time_fields, time_lines
from monitor.cli.score_family import (
    BEAT_THRESHOLD,
    check_width,
    family_for,
    family_layout,
    family_of_file,
    most_rows,
    rows_given,
    value_names,
    with_layout,
)
from monitor.cli.score_files import EARLY, MOST, SHARE, Files, beside, chosen_stream
from monitor.config.families import Family, Threshold
from monitor.errors import SettingsError

if TYPE_CHECKING:
    from monitor.records.batches import Int64
    from monitor.replay.score_rows import Summary
    from monitor.sources.files.source import FileColumns

N_STD = f"[default: {Threshold().n_std:g}; {BEAT_THRESHOLD['n_std']:g} for beats]"


@with_reading
def score(  # noqa: PLR0913 (one argument per option)
    file: ReadFile,
    *,
    values: ValueColumns = "",
    when: TimeColumn = None,
    rate: Rate = None,
    key_column: Annotated[
        str | None, typer.Option(parser=bounds.name, help="Column with the names of several streams ...")
    ] = None,
    key: Annotated[str | None, typer.Option(parser=bounds.text, help="... and the one of them that is scored.")] = None,
    counters: Annotated[
        str,
        typer.Option(
            "--counter", "--counters", parser=bounds.text, help="Value columns that are totals: their rise is judged."
        ),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(parser=bounds.path, help="CSV or Parquet, by its extension  [default: FILE.scored.csv]."),
    ] = None,
    train_rows: Annotated[
        int | None,
        typer.Option(
            parser=bounds.COUNT,
            help=f"First rows, to learn from  [default: {SHARE:.0%} of the file, at most {EARLY}; "
            f"{MOST:,} if the recipe is not `default`; train.after of --config, where the file has more].",
        ),
    ] = None,
    train_file: Annotated[
        Path | None, typer.Option(parser=bounds.path, help="Learn from this file instead, and score all rows.")
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            parser=bounds.text,
            help='Time between readings, or "none"  [default: the common step of the training rows].',
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            parser=bounds.text, help='Readings, a duration, or "beat" for an ECG  [default: what suits the recipe].'
        ),
    ] = None,
    detector: Annotated[
        str | None, typer.Option(parser=bounds.name, help="Kind of detector, such as lstm  [default: dense].")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            parser=bounds.name,
            help="Verdicts by plain, default, multivariate or vectors  [default: what suits the columns].",
        ),
    ] = None,
    n_std: Annotated[
        float | None,
        typer.Option(
            parser=bounds.N_STD,
            help=f"Limit of the recipe plain, which this chooses: mean + n_std standard deviations  {N_STD}.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(parser=bounds.SEED, help="Equal seeds train equal models  [default: 0].")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(parser=bounds.path, help="Take all of that from a family of this TOML file.")
    ] = None,
    family: Annotated[
        str | None, typer.Option(parser=bounds.name, help="The family; may be left out where there is only one.")
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train again each time the rows have doubled, as a worker does.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    reading: Reading,
) -> None:
    """Score a file: learn from its first rows, judge every other one by what came before it."""
    from monitor.sources.files.source import FileColumns

    tuned = {
        "interval": interval,
        "window": window,
        "detector": detector,
        "n-std": n_std,
        "seed": seed,
        "recipe": recipe,
    }
    taken = family_of_file(config, family, tuned)
    names = _listed(values) or value_names(taken)
    layout = reading.layout(family_layout(taken, counters), taken.channels if taken else names)
    head = reading.head(layout)
    columns = FileColumns(
        values=names, time=when, rate=rate, stream=key or ",".join(names), head=head, layout=layout, keep=True,
        channels=taken.channels if taken else names,
        only=chosen_stream(file, head, key_column, key),
    )  # fmt: skip
    files = Files(
        file, output or beside(file), train_file, train_rows, most_rows(taken, columns, tuned), rows_given(taken)
    )
    files.check(columns)

    def family_of(time: Int64) -> Family:
        return with_layout(taken or family_for(columns, time, tuned), layout)

    summary, used = _score(files, columns, family_of, retrain=retrain, quiet=quiet)
    if as_json:
        echo_json({**_fields(summary, used), "output": str(files.written)})
    elif not quiet:
        _show(summary, used, files.written)
    end(summary.not_judged, list(summary.alerts.values()), quiet=quiet)


def _score(
    files: Files, columns: FileColumns, family_of: Callable[[Int64], Family], *, retrain: bool, quiet: bool
) -> tuple[Summary, Family]:
    """Read, judge and write all rows."""
    from monitor import bootstrap
    from monitor.cli.rendering.beat_rows import beat_writer
    from monitor.records.streams import StreamIndex
    from monitor.replay import learn_rows, row_judge, score_rows
    from monitor.replay.score_beats import score_beats
    from monitor.sources.files.scored_output import ScoredWriter
    from monitor.sources.files.source import FileSource

    wanted, total = files.training_rows(columns)
    index = StreamIndex()
    judged = FileSource(files.read, columns, index, first_rows=wanted)
    source = judged if files.learned is None else FileSource(files.learned, columns, index, first_rows=wanted)
    try:
        first = source.poll(0.0)
        learn_rows.check_room(first, other=source is not judged)
        family = family_of(next(iter(first.readings.values())).time)
        check_width(family, columns, beats=source is judged)
        if retrain and (family.window.rules.found or source is not judged):
            raise SettingsError("--retrain: neither with heartbeats nor with --train-file")
        fresh, create = partial(bootstrap.pipeline, "file", family, "file", index), partial(bootstrap.detector, family)
        with ScoredWriter(files.written, columns) as writer, _bar(files.read, total, quiet=quiet) as advance:
            if family.window.rules.found:
                normal, write_beats = bootstrap.normal_scores(), beat_writer(writer, advance)
                return noted(score_beats(source, first, fresh(), create, normal, write_beats), source.times), family

            def write(rows: Any, found: row_judge.Columns) -> None:
                writer.write(rows, found)
                advance(len(rows))

            if source is not judged:
                return noted(score_rows.score_other_rows(judged, first, fresh, create, write), judged.times), family
            recipe = partial(bootstrap.recipe, family) if retrain else None
            return noted(score_rows.score_rows(judged, first, fresh, create, write, recipe), judged.times), family
    finally:
        source.close()
        judged.close()


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


@contextmanager
def _bar(file: Path, total: int | None, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal's standard error, from the first rows judged by the model on."""
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    console = terminal(err=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)
    task = progress.add_task(label(f"scoring {file.name}"), total=total)
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
        "growing": summary.growing,
        "unlearned": list(summary.unlearned),
        "interval": "none" if family.interval is None else format_duration(family.interval),
        "window": family.shape.length,
        "recipe": family.judged_by,
        "detector": family.detector.kind,
        "trainings": [{"readings": at, "refused": why} for at, why in summary.trainings],
        "states": summary.states,
        "not_judged": summary.not_judged.sentences(),
        "alerts": [alert_fields(alert) for alert in summary.alerts.values()],
    }


def _show(summary: Summary, family: Family, target: Path) -> None:
    fields = _fields(summary, family)
    unit, unlearned = "beats" if family.window.rules.found else "rows", ", ".join(summary.unlearned)
    echo(
        f"{summary.rows:,} {unit} scored, after learning from the first {summary.training_rows:,}: {target}",
        f"interval {fields['interval']}, windows of {family.shape.length} readings, {family.detector.kind} detector, "
        f"recipe {family.judged_by}",
        *time_lines(summary),
        ", ".join(f"{count:,} {state}" for state, count in sorted(summary.states.items())),
        *(
            [f"not learned from, as garbage: {summary.garbage:,} {'reading' if summary.garbage == 1 else 'readings'}"]
            if summary.garbage
            else []
        ),
        *([f"not judged, as they hardly ever have a value in those rows: {unlearned}"] if unlearned else []),
        *(f"trained again behind reading {at:,}{why and ', refused: '}{why}" for at, why in summary.trainings),
        *(f"{sentence}: a counter? --counter judges its rise" for sentence in summary.growing),
    )
    terminal().print(alerts_table(summary.alerts.values()) if summary.alerts else "No alert opened.")
