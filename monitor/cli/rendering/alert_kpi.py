"""The figures of an alarm system as tables, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from monitor.alerts.kpi import DAY, TEN_MINUTES, Figures, Period
from monitor.alerts.kpi_targets import BASIS, LEAST_DAYS, Measure, Unit, Verdict, measures
from monitor.cli.rendering.alert_list import EVERY
from monitor.cli.rendering.alert_table import FittedTable
from monitor.cli.rendering.moments import Moments
from monitor.cli.rendering.spans import in_words
from monitor.records.escapes import visible
from monitor.records.times import iso
from monitor.store.alert_times import Source

_STYLES = {Verdict.GREEN: "green", Verdict.YELLOW: "yellow", Verdict.RED: "bold red", Verdict.NONE: "dim"}
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured of a run, and what its sources are called."""

    run: str
    period: Period
    figures: Figures
    sources: Sequence[Source]
    whole: bool = False  # the period begins where the record does

    @property
    def begins(self) -> str:
        """What the period begins with."""
        return "the beginning of the record" if self.whole else "--since"

    @property
    def days(self) -> float:
        """Length of the period."""
        return (self.period.end - self.period.start) / DAY

    def top(self) -> Iterator[tuple[Source, int]]:
        """The most frequent sources and their alerts."""
        return ((self.sources[code], count) for code, count in self.figures.top)


def tables(report: Report, moments: Moments) -> Iterator[Any]:
    """What to print, one after the other."""
    of, (start, end) = report.figures, report.period
    length = in_words((end - start) / 1e9)
    times = f"{moments.text(start)} to {moments.text(end)} ({moments.label})"
    yield Text(f"Run {visible(report.run)}, {times}: {length}, from {report.begins} on.")
    yield Text(f"{of.alerts:,} alerts opened; open at the end: {of.standing:,}; floods: {of.floods:,}.")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("measure", "value", "acceptable", "manageable", "verdict"):
        table.add_column(heading, justify="left" if heading in {"measure", "verdict"} else "right")
    for each in measures(of):
        style = _STYLES[each.verdict]
        verdict = "" if each.verdict is Verdict.NONE else each.verdict.value
        limits = (_limit(each, each.acceptable), _limit(each, each.manageable))
        table.add_row(each.words, Text(_number(each, each.value), style=style), *limits, Text(verdict, style=style))
    yield table
    if of.top:
        yield _most_frequent(report)
    yield Text(f'"Very likely acceptable" and "maximum manageable" after {BASIS}.', style="dim")
    if report.days < LEAST_DAYS:
        yield Text(f"They are meant for {LEAST_DAYS} days or more; this is less.", style="dim")


def _most_frequent(report: Report) -> FittedTable:
    rows = list(report.top())
    columns = {
        "alerts": [f"{count:,}" for _, count in rows],
        "share": [f"{count / report.figures.alerts:.2%}" for _, count in rows],
        "family": [source.family for source, _ in rows],
        "stream": [source.stream or EVERY for source, _ in rows],
        "kind": [" ".join(filter(None, (source.kind, source.channel))) for source, _ in rows],
    }
    return FittedTable(columns, ("share",), title="Most frequent")


def _limit(of: Measure, limit: float | None) -> str:
    return "" if limit is None or of.acceptable is None else f"{'<' if of.below else '≤'} {_number(of, limit)}"


def _number(of: Measure, value: float) -> str:
    if math.isnan(value):
        return _NOTHING
    if of.unit is Unit.SHARE:
        return f"{100 * value:.3g} %"
    return in_words(value / 1e9) if of.unit is Unit.TIME else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def as_json(report: Report) -> dict[str, Any]:
    """All figures with their recommendations; shares are 0 to 1, lengths of time in seconds."""
    of = report.figures
    return {
        "run": report.run,
        "start": iso(report.period.start),
        "end": iso(report.period.end),
        "begins": "record" if report.whole else "since",
        "days": report.days,
        "basis": BASIS,
        "alerts": of.alerts,
        "standing": of.standing,
        "floods": of.floods,
        "stale_at_end": of.stale_at_end,
        "chattering_sources": of.chattering_sources,
        "acknowledged": of.acknowledged,
        "measures": {each.name: _measure_json(each) for each in measures(of)},
        "severities": {severity: _finite(share) for severity, share in of.severities.items()},
        "most_frequent": [{**source._asdict(), "alerts": count} for source, count in report.top()],
        "opc_ua": _opc_ua(report),
    }


def _measure_json(of: Measure) -> dict[str, Any]:
    scale = 1e9 if of.unit is Unit.TIME else 1
    return {
        "value": _finite(of.value / scale), "unit": "seconds" if of.unit is Unit.TIME else of.unit,
        "acceptable": of.acceptable, "manageable": None if of.acceptable is None else of.manageable,
        "below": of.below, "verdict": of.verdict, "basis": of.basis,
    }  # fmt: skip


def _opc_ua(report: Report) -> dict[str, Any]:
    """The variables of AlarmMetricsType (OPC 10000-9): rates are alarms in `Rate` seconds, durations milliseconds."""
    of = report.figures
    return {
        "AlarmCount": of.alerts,
        "StartTime": iso(report.period.start),
        "MaximumActiveState": _milliseconds(of.longest_active),
        "MaximumUnAck": _milliseconds(of.longest_unacknowledged),
        "CurrentAlarmRate": of.ten_minutes_last,
        "MaximumAlarmRate": of.ten_minutes_maximum,
        "AverageAlarmRate": of.ten_minutes_average,
        "Rate": TEN_MINUTES // 10**9,
    }


def _milliseconds(nanoseconds: float) -> float:
    return 0.0 if math.isnan(nanoseconds) else nanoseconds / 1e6


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
