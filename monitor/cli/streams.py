"""`watchkeeper streams`: the streams, their health, and what those that are not ready wait for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli import stream_commands
from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import FamilyName, Limit, RunName
from monitor.cli.parameters.database import Config, Url, store_url, topics
from monitor.cli.parameters.known import Narrowed, refuse_unknown
from monitor.cli.parameters.zones import Local, Timezone, moments
from monitor.cli.rendering.output import echo, echo_json, terminal
from monitor.cli.rendering.spans import in_words
from monitor.config.unknown_names import unknown
from monitor.errors import SettingsError
from monitor.records.counters import COUNTERS
from monitor.records.scalars import LIVE
from monitor.records.times import iso

if TYPE_CHECKING:
    from monitor.cli.rendering.alert_table import FittedTable
    from monitor.cli.rendering.moments import Moments
    from monitor.cli.rendering.unreadable_lines import Unreadable
    from monitor.store.service import Service
    from monitor.store.stream_reports import StreamReport

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_COLUMNS = {name: name.replace("_", " ") for name in COUNTERS if name != "accepted"}  # counters and their headings
_MINOR = ("lateness", "gaps", "imputed", "rate", "age", "stored", "bar")
_EXPENDABLE = (*_MINOR, *(name for name in reversed(_COLUMNS.values()) if name not in _MINOR), "family")
_BAR_SHOWN = 1.005  # what is below is as good as 1
_NOT_READ = ("lost", "failed", "stuck", "cut off")  # what has become of the worker that would read it, unasked

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.registered_commands += stream_commands.app.registered_commands


@app.callback()
def streams() -> None:
    """List streams and their health, and say which are gone or have another name."""


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 (an argument is an option)
    config: Config = None,
    url: Url = None,
    run: RunName = LIVE,
    family: FamilyName = None,
    limit: Limit = 100,
    all_: Annotated[bool, typer.Option("--all", help="Also those that are retired.")] = False,
    local: Local = False,
    timezone: Timezone = None,
    as_json: Json = False,
) -> None:
    """List streams by family and name."""
    shown = moments(local, timezone)
    found, service = _read(store_url(config, url), run, family, limit=limit + 1, retired=all_)
    if not found:
        refuse_unknown(config, url, Narrowed(run, family))
    if len(found) > limit:
        found.pop()
        echo(f"There are more than these {limit} streams; --limit N shows more.", err=True)
    unreadable = _unreadable(store_url(config, url), run, family)
    if as_json:
        rows = unreadable.add_to([as_dict(report) for report in found])
        echo_json(rows, indent=2)
    else:
        if found:
            terminal().print(_table(found, shown))
        else:
            echo(f"No streams in run {run}.")
        for line in unreadable.lines():
            echo(line)
    if run == LIVE:
        _say_not_served(service, config, url)


@app.command()
def show(  # noqa: PLR0913, PLR0917 (an argument is an option)
    name: Annotated[str, typer.Argument(parser=bounds.text, help="The stream.")],
    config: Config = None,
    url: Url = None,
    run: RunName = LIVE,
    family: FamilyName = None,
    local: Local = False,
    timezone: Timezone = None,
    as_json: Json = False,
) -> None:
    """Show one stream."""
    shown = moments(local, timezone)
    found, service = _read(store_url(config, url), run, family, name, retired=True)
    if not found:
        refuse_unknown(config, url, Narrowed(run, family, name))
        raise unknown("stream", name, [])
    if len(found) > 1:
        families = ", ".join(report.family for report in found)
        raise SettingsError(f"several families have a stream called {name!r}: {families}; choose one with --family")
    if as_json:
        echo_json(as_dict(found[0]), indent=2)
    else:
        terminal().print(_facts(found[0], shown))
    if run == LIVE:
        _say_not_served(service, config, url)


def readiness(report: StreamReport) -> str:
    """Whether a model scores the stream, or what it waits for and about how long."""
    if report.has_model:
        return f"ready, model {report.model[:12]}"
    if report.needed and report.training_readings >= report.needed:
        return f"waits to join model {report.model[:12]}" if report.model else "waits for the training of its model"
    begin = _before(report)
    if not report.needed:
        return f"{begin}: {report.training_readings:,} readings so far"
    left = eta(report)
    time = "" if left is None else f", about {in_words(left)}"
    return f"{begin}: {report.training_readings:,} of {report.needed:,} readings{time}"


def ready_at(report: StreamReport) -> int | None:
    """The event time, ns, at about which a model will judge it, by the rate of its readings; None = not known."""
    left = eta(report)
    return None if left is None or report.last_time is None else report.last_time + round(left * 1e9)


def eta(report: StreamReport) -> float | None:
    """Seconds until enough readings will have come; None where that is not known, or there is nothing to wait for."""
    missing = report.needed - report.training_readings
    if report.has_model or missing <= 0:
        return None
    if report.rate > 0:
        return missing / report.rate
    return missing * report.interval / 1e9 if report.interval else None


def as_dict(report: StreamReport) -> dict[str, Any]:
    """A stream for JSON: times in UTC, lengths of time in seconds."""
    times = {name: None if value is None else iso(value) for name, value in _times(report).items()}
    more = {"state": _state(report), "lateness_s": _lateness(report), "readiness": readiness(report)}
    interval = None if report.interval is None else report.interval / 1e9
    elsewhere = ("interval", "covered", "retired", "counts", "has_model", "owner", "age", *times)
    fields = {name: value for name, value in asdict(report).items() if name not in elsewhere} | dict(report.counts)
    known = {"rate": report.rate or None, "ready": report.has_model, "eta_s": eta(report), "interval_s": interval}
    age = {"owner": report.owner or None, "stored_age_s": None if report.age is None else report.age / 1e9}
    due = ready_at(report)
    return fields | times | more | known | age | {"ready_at": None if due is None else iso(due)}


def _read(
    url: str, run: str, family: str | None, name: str | None = None, *, limit: int | None = None, retired: bool
) -> tuple[list[StreamReport], Service]:
    from monitor.store.queries import open_reader

    reader = open_reader(url)
    try:
        found, service = (
            reader.stream_reports(run, family=family, name=name, limit=limit, retired=retired),
            reader.service(run),
        )
    finally:
        reader.close()
    return found, service


def _say_not_served(service: Service, config: Path | None, url: str | None) -> None:
    """On standard error: what no living worker reads, and since when; nothing where all is well."""
    from monitor.cli.rendering.service_text import problems

    found = problems(service)
    for text in problems(service, topics(config, url)) if found else []:
        echo(f"Not served: {text}", err=True)


def _unreadable(url: str, run: str, family: str | None) -> Unreadable:
    from monitor.cli.rendering.unreadable_lines import Unreadable

    return Unreadable(url, run, family)


def _times(report: StreamReport) -> dict[str, int | None]:
    return {"last_time": report.last_time, "updated": report.updated, "retired": report.retired}


def _state(report: StreamReport) -> str:
    unread = ("not read",) if report.owner in _NOT_READ else ()
    if report.retired is not None:
        return "retired"
    off = ("off",) if report.off else ()
    hidden = ("out of service",) if report.out_of_service else tuple(f"{kind} shelved" for kind in report.shelved)
    waits = () if report.has_model or report.covered or report.off else ("not scored yet",)
    return ", ".join((*off, *hidden, *waits, *report.alerts, *unread)) or "ok"


def _lateness(report: StreamReport) -> float | None:
    """Seconds from the newest reading's time to when it was stored."""
    if report.last_time is None or report.updated is None:
        return None
    return max(0.0, (report.updated - report.last_time) / 1e9)


def _before(report: StreamReport) -> str:
    """What scores a stream that has no model."""
    return "bootstrap" if report.covered and not report.off else "waits for a model"


def _short(report: StreamReport) -> str:
    """Readiness in few words, for a narrow column."""
    if report.has_model:
        return "ready"
    if report.needed and report.training_readings >= report.needed:
        return "joins soon" if report.model else "training"
    if not report.needed:
        return f"{report.training_readings:,} so far"
    left, begin = eta(report), "bootstrap " if _before(report) == "bootstrap" else ""
    return f"{begin}{report.training_readings:,} of {report.needed:,}" + ("" if left is None else f", {in_words(left)}")


def _table(found: list[StreamReport], shown: Moments) -> FittedTable:
    from monitor.cli.rendering.alert_table import FittedTable

    rows = [_columns(report, shown) | {"readiness": _short(report)} for report in found]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    if len(set(columns["family"])) == 1:
        del columns["family"]
    if not any(columns["bar"]):
        del columns["bar"]
    return FittedTable(columns, [name for name in _EXPENDABLE if name in columns])


def _bar(bar: float) -> str:
    """What opens an anomaly alert, where the stream has spent of its budget."""
    return f"opens at {bar:.2f} x the limit" if bar > _BAR_SHOWN else ""


def _columns(report: StreamReport, shown: Moments) -> dict[str, str]:
    late = _lateness(report)
    return {
        "family": report.family,
        "stream": report.name,
        f"last seen ({shown.label})": "never" if report.last_time is None else shown.text(report.last_time),
        "age": "" if report.last_time is None else shown.since(report.last_time),
        "stored": "" if report.age is None else f"{in_words(report.age / 1e9)} ago",
        "rate": f"{report.rate:.3g}/s" if report.rate else "",
        "lateness": "" if late is None else in_words(late),
        **{heading: f"{report.counts[name]:,}" for name, heading in _COLUMNS.items()},
        "bar": _bar(report.bar),
        "state": _state(report),
        "readiness": readiness(report),
    }


def _facts(report: StreamReport, shown: Moments) -> Any:
    from rich.table import Table
    from rich.text import Text

    from monitor.records.escapes import visible

    table = Table(show_header=False, title=Text(visible(report.name)), title_justify="left", title_style="bold")
    columns = _columns(report, shown)
    partition = "" if report.partition is None else str(report.partition)
    del columns["stream"]
    if (due := ready_at(report)) is not None:
        columns["model judges"] = f"from about {shown.text(due)} ({shown.label})"
    for name, text in {**columns, "readings": f"{report.counts['accepted']:,}", "partition": partition}.items():
        table.add_row(name, Text(visible(text)))
    return table
