"""`watchkeeper late`: readings that came too late to be accepted."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.parameters.common import ConfigFile, FamilyName, Limit, ReplayName, RunName, StreamName
from monitor.cli.parameters.database import Config, Url, store_url, utc
from monitor.cli.parameters.known import Narrowed, refuse_unknown
from monitor.cli.rendering.output import echo, echo_json, terminal
from monitor.config.durations import format_duration
from monitor.config.families import Family
from monitor.config.settings import Settings, load
from monitor.config.unknown_names import unknown
from monitor.errors import SettingsError
from monitor.observability import logs
from monitor.records.scalars import LIVE

if TYPE_CHECKING:
    from monitor.cli.rendering.alert_table import FittedTable
    from monitor.replay.late_rescore import Difference
    from monitor.store.late import LateRecord
    from monitor.store.queries import Reader

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def late() -> None:
    """List readings that came too late, and score them after all."""


@app.command("list")
def list_(
    config: Config = None,
    url: Url = None,
    run: RunName = LIVE,
    family: FamilyName = None,
    stream: StreamName = None,
    limit: Limit = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List late readings, the newest arrivals first; families keep 10,000 of them, and count all."""
    from monitor.store.queries import open_reader

    reader = open_reader(store_url(config, url))
    try:
        found = reader.list_late(run, family=family, stream=stream, limit=limit)
        families = [summary for summary in reader.late_summaries(run) if family in (None, summary.family)]
    finally:
        reader.close()
    if not found:
        refuse_unknown(config, url, Narrowed(run, family, stream))
    if as_json:
        rows = [{"family": summary.family, "late": summary.counted, "kept": summary.kept} for summary in families]
        echo_json({"families": rows, "readings": [_fields(row) for row in found]})
        return
    if found:
        terminal().print(_table(found))
    else:
        echo(f"No late reading is kept of run {run}.")
    for summary in families:
        echo(f"{summary.family}: {summary.counted:,} late, {summary.kept:,} of them kept")


def _table(rows: list[LateRecord]) -> FittedTable:
    from monitor.cli.rendering.alert_table import FittedTable

    columns = {
        "time (UTC)": [utc(row.time) for row in rows],
        "late by": [format_duration(row.behind) for row in rows],
        "family": [row.family for row in rows],
        "stream": [row.stream for row in rows],
        "values": [", ".join("-" if math.isnan(value) else f"{value:g}" for value in row.values) for row in rows],
        "recorded (UTC)": [utc(row.recorded) for row in rows],
        "from": [f"{row.partition}/{row.offset}" for row in rows],
    }
    if len(set(columns["family"])) == 1:
        del columns["family"]
    return FittedTable(columns, ("from", "recorded (UTC)", "values"), title="Late readings")


def _fields(row: LateRecord) -> dict[str, object]:
    from monitor.records.times import iso

    values = [None if math.isnan(value) else value for value in row.values]
    return {
        "family": row.family, "stream": row.stream, "time": iso(row.time), "late_by": format_duration(row.behind),
        "values": values, "partition": row.partition, "offset": row.offset, "recorded": iso(row.recorded),
    }  # fmt: skip


@app.command()
def rescore(
    config: ConfigFile,
    *,
    name: ReplayName,
    family: FamilyName = None,
    replace: Annotated[bool, typer.Option("--replace", help="Delete what an earlier run of that name left.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay the past that late readings touch from Kafka, with them in time, and say which live scores differ."""
    from monitor import bootstrap
    from monitor.cli.replay import from_kafka
    from monitor.cli.run_process import stopping
    from monitor.replay.bounded_run import Replay
    from monitor.replay.late_rescore import past_of, waiting
    from monitor.replay.time_range import TimeRange

    settings = load(config)
    if family is not None and family not in settings.families:
        raise unknown("family", family, settings.families, f" in {config}")
    wanted = {key: value for key, value in settings.families.items() if family in (None, key)}
    late_rows = _late_rows(settings, wanted)
    if not late_rows:
        raise SettingsError("no late reading is kept of the live run" + (f" and family {family}" if family else ""))
    pasts = {key: past_of(rows, key, wanted[key]) for key, rows in late_rows.items()}
    chosen = settings.model_copy(
        update={"families": {key: waiting(wanted[key], past.lateness) for key, past in pasts.items()}}
    )
    start, end = min(past.start for past in pasts.values()), max(past.end for past in pasts.values())
    logs.configure(json=as_json or not sys.stderr.isatty(), level=logging.WARNING)
    past = Replay(name, from_kafka(chosen, TimeRange(start, end)), replace=replace)
    with stopping() as stop, bootstrap.worker(chosen, replay=past) as (runner, *_):
        runner.run(stop.is_set)
    reader = bootstrap.reader(settings)
    try:
        found = {key: _differences(reader, name, key, wanted[key], rows) for key, rows in late_rows.items()}
    finally:
        reader.close()
    left_out = sum(past.left_out for past in pasts.values())
    _report(name, found, left_out, complete=not stop.is_set(), as_json=as_json)


def _late_rows(settings: Settings, names: Iterable[str]) -> dict[str, list[LateRecord]]:
    """The ledger of the live run, by family, where it has anything."""
    from monitor import bootstrap

    reader = bootstrap.reader(settings)
    try:
        found = {name: reader.list_late(LIVE, family=name) for name in names}
    finally:
        reader.close()
    return {name: rows for name, rows in found.items() if rows}


def _differences(reader: Reader, run: str, name: str, family: Family, rows: list[LateRecord]) -> list[Difference]:
    """By stream."""
    from monitor.replay.late_rescore import compare, touched

    found = []
    for stream in sorted({row.stream for row in rows}):
        times = [row.time for row in rows if row.stream == stream]
        first, last = touched(times, family)
        before, after = (
            reader.scores_of(which, name, stream, start=first, end=last + 1, limit=10**6) for which in (LIVE, run)
        )
        found.append(compare(stream, len(times), before, after))
    return found


def _report(name: str, found: dict[str, list[Difference]], left_out: int, *, complete: bool, as_json: bool) -> None:
    from monitor.cli.rendering.alert_table import FittedTable

    rows = [(family, asdict(difference)) for family, differences in found.items() for difference in differences]
    if as_json:
        streams = [{"family": family, **fields} for family, fields in rows]
        echo_json({"run": name, "complete": complete, "left_out": left_out, "streams": streams})
        return
    columns = {"family": [family for family, _ in rows]}
    columns |= {key.replace("_", " "): [str(fields[key]) for _, fields in rows] for key in (rows[0][1] if rows else ())}
    title = f"Run {name}: live scores with late readings" + ("" if complete else " (stopped before its end)")
    terminal().print(FittedTable(columns, ("removed", "family", "compared"), title=title))
    if left_out:
        echo(f"{left_out:,} readings are too late even for this, and stay out.")
