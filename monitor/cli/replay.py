"""`watchkeeper replay`: what would have been found in the past, apart from the live results."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer

from monitor import bootstrap
from monitor.cli.parameters import bounds, event_times
from monitor.cli.parameters.common import ConfigFile, Rate, ReplayName
from monitor.cli.parameters.reading import Reading, with_reading
from monitor.cli.rendering.alert_table import alert_fields, alerts_table
from monitor.cli.rendering.not_judged import end_of_run
from monitor.cli.rendering.not_read import say_not_read
from monitor.cli.rendering.output import echo, echo_json, label, terminal
from monitor.cli.rendering.repeated_commands import repeated_line
from monitor.cli.rendering.times_read import show_notes, time_fields, time_lines
from monitor.cli.run_process import drain, refuse_undelivered, stopping, totals_table
from monitor.config.settings import Settings, load
from monitor.config.unknown_names import unknown
from monitor.errors import NOT_ALL_JUDGED, SettingsError
from monitor.observability import logs
from monitor.records.dead_counts import DeadCounts
from monitor.records.totals import Totals
from monitor.replay.bounded_run import Connect, Replay
from monitor.replay.time_range import Between, TimeRange
from monitor.replay.times_read import TimesRead

if TYPE_CHECKING:
    from monitor.pipeline.family import Pipeline
    from monitor.ports.source import Assignments, Source
    from monitor.records.alerts import Alert
    from monitor.sources.files.source import FileColumns, FileSource
    from monitor.store.repeated_commands import Repeated

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

EVERY = 10**6  # alerts: all of a run


@with_reading
def replay(  # noqa: PLR0913 (one argument per option)
    config: ConfigFile,
    *,
    name: ReplayName,
    start: Annotated[int | None, typer.Option("--from", **bounds.TIME, help=event_times.FROM)] = None,
    end: Annotated[int | None, typer.Option("--to", **bounds.TIME, help=event_times.TO)] = None,
    family: Annotated[
        str | None, typer.Option(parser=bounds.name, help="Only this family; with --file, the one it belongs to.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(parser=bounds.path, help="Read CSV or Parquet instead of Kafka: a file, a folder, or a pattern."),
    ] = None,
    values: Annotated[
        str, typer.Option("--value", "--values", parser=bounds.text, help="The file's value column, or several: a,b,c.")
    ] = "",
    when: Annotated[
        str | None, typer.Option("--time", parser=bounds.text, help="The file's column with times.")
    ] = None,
    rate: Rate = None,
    key: Annotated[
        str,
        typer.Option(
            parser=bounds.text, help="Name of the stream; by default, each file is the stream it is named for."
        ),
    ] = "",
    key_column: Annotated[
        str | None, typer.Option(parser=bounds.name, help="The file's column with the names of several streams.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Delete an earlier replay of that name first.")] = False,
    notify: Annotated[bool, typer.Option("--notify", help="Send notifications, as the live run does.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    reading: Reading,
) -> None:
    """Watch past readings again with today's models and settings: live results stay as they are, nothing is sent.

    Records that cannot be read are said; where they are more than 3 %, the exit code is 6.
    --from and --to are compared with the times of the readings, on Kafka as in a file: the first window ends where one
    is complete after --from. Readings outside are left out and counted.
    """
    settings = _chosen(load(config), config, family, file)
    bootstrap.check_detectors(settings)  # what is wrong with the file comes before what is wrong with the options
    logs.configure(json=as_json or not sys.stderr.isatty(), level=logging.WARNING)
    span = event_times.time_range(start, end)
    opened: list[FileSource] = []
    if file is None:
        connect = from_kafka(settings, span)
    else:
        settings, columns = _columns(settings, values, reading, time=when, rate=rate, key=key_column, stream=key)
        connect = _file(file, columns, span, opened)
    times = TimesRead(connect)
    past = Replay(name, times, replace=replace, notify=notify)
    with stopping() as stop, bootstrap.worker(settings, replay=past) as worker, _bar(name) as watch:
        totals = worker.runner.run(stop.is_set, watch)
        backlog = drain(worker.dispatcher, stop)
        complete = not stop.is_set()
    if complete:
        where = (
            f"topic {', '.join(family.topic for family in settings.families.values())}" if file is None else str(file)
        )
        event_times.refuse_empty(span, where, settings if file is None else None)
        if not totals.records:
            echo(f"{where}: nothing was read", err=True)
    for source in opened[-1:]:
        show_notes(source.times)
    dead = _unreadable(settings, name)
    if dead.total:
        say_not_read(dead, totals.records, "records" if file is None else f"rows of {file.name}")
    alerts, again = _alerts(settings, name), _repeated(settings, name, span)
    _report(name, totals, (times, span), (alerts, again), complete=complete, as_json=as_json)
    refuse_undelivered(backlog)
    end_of_run(_counts(settings, name), alerts)
    if complete and dead.many(totals.records):
        raise typer.Exit(NOT_ALL_JUDGED)


def _chosen(settings: Settings, config: Path, family: str | None, file: Path | None) -> Settings:
    """The settings with the families that are replayed; a file belongs to one."""
    if family is None and file is not None and len(settings.families) == 1:
        (family,) = settings.families
    if family is None and file is None:
        return settings
    if family is None:
        raise SettingsError(f"--family: the file belongs to one of {', '.join(settings.families)} of {config}")
    if family not in settings.families:
        raise unknown("family", family, settings.families, f" in {config}")
    return settings.model_copy(update={"families": {family: settings.families[family]}})


def _columns(settings: Settings, values: str, reading: Reading, **where: Any) -> tuple[Settings, FileColumns]:
    """Where the file holds what, and the settings with the notation that the options say."""
    from monitor.sources.files.source import FileColumns

    ((name, family),) = settings.families.items()
    names = tuple(name.strip() for name in values.split(",") if name.strip()) or family.format.values or family.channels
    if len(names) != family.shape.width:
        raise SettingsError(f"--values: {len(names)} columns, but a reading has {family.shape.width} numbers")
    layout = reading.layout(family.format, family.channels)
    columns = FileColumns(values=names, head=reading.head(layout), layout=layout, channels=family.channels, **where)
    noted = family.format.model_copy(update=layout.model_dump(include={"high", "low"}))
    families = {name: family.model_copy(update={"format": noted})}
    return settings.model_copy(update={"families": families}), columns


def _file(file: Path, columns: FileColumns, span: TimeRange, opened: list[FileSource]) -> Connect:
    """Read a file; every source that is opened is added to `opened`."""

    def connect(running: Mapping[str, Pipeline], listener: Assignments) -> Source:
        from monitor.sources.files.source import FileSource

        ((name, pipeline),) = running.items()
        opened.append(FileSource(file, columns, pipeline.index, family=name, assignments=listener))
        return Between(opened[-1], span)

    return connect


def from_kafka(settings: Settings, span: TimeRange) -> Connect:
    """Read the topics within a range of event times; refuses an embedded broker, which would be empty, at once."""
    event_times.refuse_embedded(settings, "or --file")
    return lambda running, _listener: event_times.from_kafka(settings, running, span)


@contextmanager
def _bar(name: str) -> Iterator[Callable[[Totals], None]]:
    """Progress on a terminal's standard error, removed when done."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,} records"), TimeElapsedColumn())
    console = terminal(err=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label(f"replaying as {name}"), total=None)
        yield lambda totals: bar.update(task, completed=totals.records)


def _alerts(settings: Settings, run: str) -> list[Alert]:
    reader = bootstrap.reader(settings)
    try:
        return reader.list_alerts(run, limit=EVERY)[::-1]
    finally:
        reader.close()


def _unreadable(settings: Settings, run: str) -> DeadCounts:
    from monitor.store.dead_letters import Chosen, open_dead_letters

    letters, counts = open_dead_letters(settings.store.url), DeadCounts()
    try:
        for kind in letters.summaries(Chosen(run=run)):
            counts.note(kind.reason, kind.example, kind.count)
    finally:
        letters.close()
    return counts


def _counts(settings: Settings, run: str) -> Counter[str]:
    """The counters of all streams of a run."""
    reader = bootstrap.reader(settings)
    try:
        return sum((Counter(report.counts) for report in reader.stream_reports(run)), Counter[str]())
    finally:
        reader.close()


def _repeated(settings: Settings, run: str, span: TimeRange) -> Repeated:
    """What became of people's commands; that some were about alerts which did not open is logged."""
    from monitor.store.repeated_commands import repeated

    found = repeated(settings.store.url, run, list(settings.families), span.start, span.end)
    if found.without_alert:
        log.warning("commands_without_alert", run=run, commands=found.without_alert)
    return found


def _report(
    name: str,
    totals: Totals,
    read: tuple[TimesRead, TimeRange],
    found: tuple[list[Alert], Repeated],
    *,
    complete: bool,
    as_json: bool,
) -> None:
    (times, span), (alerts, again) = read, found
    if as_json:
        counts = {**asdict(totals), "outside": span.outside}
        fields = {"run": name, "complete": complete, **counts, **time_fields(times)}
        commands = {"commands": again._asdict()}
        echo_json(fields | commands | {"alerts": [alert_fields(a) for a in alerts]})
        return
    console = terminal()
    echo(*time_lines(times))
    console.print(totals_table(f"Replay {name}" + ("" if complete else " (stopped before its end)"), totals))
    if span.outside:
        echo(event_times.outside(span))
    if line := repeated_line(again):
        echo(line)
    if alerts:
        console.print(alerts_table(alerts))
    else:
        echo("No alert opened.")
