"""`watchkeeper check`: what a configuration means, or everything that is wrong with it."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from monitor import bootstrap
from monitor.cli.parameters.common import ConfigFile
from monitor.cli.rendering.channel_rules import channel_rules
from monitor.cli.rendering.maintenance import concerned, next_text, switched_off, when
from monitor.cli.rendering.output import echo_json, terminal
from monitor.config.channel_problems import channel_warnings
from monitor.config.durations import format_duration
from monitor.config.families import Alerts, Family, Threshold
from monitor.config.incidents import Incidents
from monitor.config.maintenance import planned
from monitor.config.overrides import Override
from monitor.config.settings import Settings, load
from monitor.errors import SettingsError
from monitor.pipeline.windowing.registry import windower
from monitor.records.escapes import visible
from monitor.records.maintenance import Maintenance

_OWN_LIMITS = {  # of recipes that do not read the table `threshold`, or not all of it
    "default": "one for all streams, as their scores have one scale",
    "multivariate": "each part's own, learned in training",
    "vectors": "one for all streams, with a stated false-alarm rate",
}
_FIXED = 1024  # bytes of clock, limit history and alert state of one stream, about


def check(
    config: ConfigFile,
    *,
    connect: Annotated[
        bool, typer.Option(help="Also try broker, topics, permissions, webhook hosts, database and models.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Explain a configuration file, or every problem in it at once. With --connect, try what it connects to."""
    try:
        settings = load(config)
        bootstrap.check(settings)
    except SettingsError as error:
        if not as_json:
            raise
        echo_json({"valid": False, "problems": error.problems}, indent=2)
        raise typer.Exit(error.exit_code) from None
    summary, warnings = summarise(settings), list(channel_warnings(settings.notify))
    findings = _try(settings, show=not as_json) if connect else []
    if as_json:
        tried = {"connections": [{**asdict(finding), "ok": finding.ok} for finding in findings]} if connect else {}
        echo_json({"valid": True, "warnings": warnings, **summary, **tried}, indent=2)
    elif not connect:
        _show(config, summary)
    for warning in () if as_json else warnings:
        terminal(soft_wrap=True).print(Text.assemble(("warning ", "yellow"), visible(warning)))
    if failed := [finding for finding in findings if finding.exit_code]:
        raise typer.Exit(failed[0].exit_code)


def _try(settings: Settings, *, show: bool) -> list[bootstrap.Finding]:
    """Try what a worker connects to; each line is shown when it is known."""
    console, findings = terminal(soft_wrap=True), []
    for finding in bootstrap.try_connections(settings):
        findings.append(finding)
        if show:
            mark, style = ("failed ", "bold red") if finding.exit_code else ("ok     ", "green")
            mark, style = ("warning ", "yellow") if finding.warns else (mark, style)
            console.print(Text.assemble((mark, style), visible(f"{finding.what}: {finding.says}")))
    return findings


def summarise(settings: Settings) -> dict[str, Any]:
    """What the settings mean in plain values, without passwords, secrets or librdkafka options."""
    return {
        "kafka": {"bootstrap servers": settings.kafka.bootstrap_servers, "group": settings.kafka.group},
        "store": {"url": settings.store.shown_url, "commit": _every(settings.store.commit_interval)},
        "families": {name: _family(family) for name, family in settings.families.items()},
        "maintenance": {each.name: _maintenance(each) for each in planned(settings.maintenance)},
        "notify": {name: channel_rules(to) for name, to in settings.notify.items()},
        **({} if settings.incidents is None else {"incidents": _incidents(settings.incidents)}),
    }


def _incidents(of: Incidents) -> dict[str, str]:
    """What is announced as one, by group; what is in none of them is grouped by family."""
    within, wait = format_duration(of.within), format_duration(of.wait)
    rule = f"one message {wait} after the first alert; others join within {within}, or while one is open"
    return {"each family": rule, **{name: ", ".join(patterns) for name, patterns in of.groups.items()}}


def state_bytes(family: Family, streams: int) -> int:
    """Rough size in memory of what a worker keeps of so many streams: ring buffers, limits, alert timers."""
    added = [f"companion.{name}" for name in family.companions]
    parts = bootstrap.recipe(family).sections.items()
    beside = sum(section.part.dtype.itemsize for part, section in parts if part.startswith(tuple(added)))
    return streams * (windower(family).memory + _FIXED + beside)


def _family(family: Family) -> dict[str, str]:
    alerts, interval = family.alert_rule, family.interval
    (window, hop), recipe = _window(family), bootstrap.recipe(family)
    return {
        "topic": family.topic,
        "channels": ", ".join(family.channels),
        "interval": "irregular" if interval is None else format_duration(interval),
        "window": window,
        "hop": hop,
        "recipe": ", ".join((f"{recipe.name}, version {recipe.version}", *family.companions)),
        "detector": f"{_detector(family)}, trained after {_steps(family.train_after, family.interval)}",
        "limit": _OWN_LIMITS.get(recipe.name) or f"{family.threshold.kind}: {_limit(family.threshold)}",
        "alert opens": f"at {alerts.open_count} of {alerts.open_of} windows over the limit",
        "next alert": _next_alert(alerts),
        "alert resolves": f"after {alerts.resolve_after} windows below {alerts.resolve_below:g} of it",
        "stream alerts": _health(family),
        **{f"streams {override.streams}": _override(override) for override in family.overrides},
        "state": f"about {state_bytes(family, 10_000) / 2**20:,.0f} MiB for 10,000 streams",
    }


def _limit(of: Threshold) -> str:
    """How the limit follows from the normal scores."""
    last, share = f"the last {of.history}", f"one normal window in {1 / of.rate:,.0f}"
    return {
        "rolling": f"mean + {of.n_std:g}·std of {last}",
        "static": f"mean + {of.n_std:g}·std of the training scores",
        "quantile": f"median + {of.margin:g}·({of.quantile:g} quantile - median) of {last}",
        "mad": f"median + {of.n_std:g}·1.48·MAD of {last}",
        "pot": f"{share} above it, by the tail of {last}",
        "conformal": f"{share} above it, by the first {4 / of.rate:,.0f}",
    }[of.kind]


def _detector(family: Family) -> str:
    """Its kind, and the conditions that it judges by."""
    given = " and ".join(family.window.derived)
    return f"{family.detector.kind} by {given}" if given else family.detector.kind


def _next_alert(alerts: Alerts) -> str:
    """What the alert policy asks of the one after it."""
    quiet, parts = alerts.quiet_after, []
    if quiet.time or quiet.count:
        parts.append(f"not within {quiet.count} windows" if quiet.count else f"not within {quiet}")
    if alerts.budget is not None:
        parts.append(f"budget {alerts.budget}")
    elif alerts.rise:
        parts.append(f"at a ratio higher by {alerts.rise:g} for each recent one")
    return "; ".join(parts) or "at the limit"


def _window(family: Family) -> tuple[str, str]:
    """Its windows, and how often there is one."""
    kind, rules, shape = family.window.kind, family.window.rules, family.shape
    if rules.found:
        return f"{kind}, {shape.length:,} points, found at {family.rate:g} Hz", f"every {kind}"
    if rules.whole:
        return f"{kind}, {shape.length:,} readings", f"every {kind}"
    return f"{kind}, {_steps(shape.length, family.interval)}", _steps(shape.hop, family.interval)


def _health(family: Family) -> str:
    """Which alerts there are about the streams themselves."""
    silent, frozen = family.health.silence(family.interval), family.health.frozen_after
    parts = [f"silent after {format_duration(silent)}"] if silent else []
    parts += [f"frozen after {format_duration(frozen)}"] if frozen else []
    parts += [f"out of range: {', '.join(family.valid_range)}"] if family.valid_range else []
    return "; ".join(parts) or "none"


def _override(override: Override) -> str:
    """What is different for some streams."""
    parts = [] if override.limit is None else [f"{override.limit:g} times the limit"]
    if override.silent_after is not None:
        parts.append(
            f"silent after {format_duration(override.silent_after)}" if override.silent_after else "never silent"
        )
    parts += [] if override.off is None else ["off: counted and not judged" if override.off else "not off"]
    return "; ".join(parts)


def _maintenance(of: Maintenance) -> str:
    """When it is, what it switches off, and when it is next."""
    coming = next_text(of, time.time_ns())
    return f"{when(of)}; {concerned(of)}; off: {switched_off(of)}; next: {coming}"


def _steps(count: int, interval: int | None) -> str:
    """A number of readings, and the time they span on a grid."""
    readings = f"{count:,} reading{'s'[: count != 1]}"
    return readings if interval is None else f"{readings} = {format_duration(count * interval)}"


def _every(nanoseconds: int) -> str:
    return f"every {format_duration(nanoseconds)}"


def _show(config: Path, summary: dict[str, Any]) -> None:
    console = terminal()
    tables = {"kafka": summary["kafka"], "store": summary["store"]}
    tables |= {f"family {name}": rows for name, rows in summary["families"].items()}
    tables |= {name: summary[name] for name in ("maintenance", "notify", "incidents") if summary.get(name)}
    for title, rows in tables.items():
        table = Table(
            title=Text(visible(title)), title_justify="left", title_style="bold", show_header=False, min_width=60
        )
        for name, text in rows.items():
            table.add_row(Text(name), Text(text))
        console.print(table)
    console.print(Text(f"{visible(str(config))} can be used.", style="green"), soft_wrap=True)
