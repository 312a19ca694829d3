"""What the demo shows: a live display on a terminal, plain lines elsewhere, and the tables at the end."""

from __future__ import annotations

import json
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.json import JSON
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from monitor.cli.parameters.database import utc
from monitor.cli.parameters.zones import moments
from monitor.cli.rendering.evidence import EvidenceView
from monitor.cli.rendering.output import terminal
from monitor.demo.findings import Comparison, Finding
from monitor.demo.play import REPLAY, Report
from monitor.ports.models import ModelRow
from monitor.records.alerts import Alert
from monitor.records.totals import Totals
from monitor.testing.webhook_receiver import Received

_STEPS = 5
_WIDTH = 115
_EVERY_S = 5.0  # between lines where no display can be drawn
_EXAMPLE = ("alert_id", "family", "stream", "state", "severity", "ratio", "opened_at", "causes")


class Screen:
    """Shows the steps as they happen; says nothing when `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = _console(quiet=quiet)
        self._bar = Progress(
            TextColumn("  {task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[counts]}"),
            console=self._console, transient=True, disable=quiet or not self._console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("watching", total=None, counts="")
        self._steps = 0
        self._webhooks = 0
        self._told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def step(self, text: str) -> None:
        """See `monitor.demo.play.Show`."""
        self._steps += 1
        self._console.print(f"[bold cyan]{self._steps}/{_STEPS}[/] {text}")

    def trained(self, model: ModelRow) -> None:
        """See `monitor.demo.play.Show`."""
        manifest: dict[str, Any] = json.loads(model.manifest)
        epochs, windows = len(manifest["history"]["train"]), manifest["data"]["windows"]
        self._console.print(f"    model {model.id[:12]} is champion: {windows:,} windows, {epochs} epochs")

    def watching(self, sent: int, expected: int, totals: Totals, webhooks: list[Received]) -> None:
        """See `monitor.demo.play.Show`."""
        self._bar.start()
        for hook in webhooks[self._webhooks :]:
            self._webhooks += 1
            if hook.message["type"] == "alert.opened":
                self._console.print(f"    [yellow]webhook[/] {_sentence(hook.message['data'])}")
        counts = (
            f"{sent:,} published, {totals.records:,} read, {totals.windows:,} windows, {totals.opened} alerts, "
            f"{len(webhooks)} webhooks"
        )
        self._bar.update(self._task, total=expected, completed=totals.records, counts=counts)
        if not self._console.is_terminal and time.monotonic() - self._told > _EVERY_S:
            self._told = time.monotonic()
            self._console.print(f"    {counts}")

    def watched(self) -> None:
        """See `monitor.demo.play.Show`."""
        self._bar.stop()


def conclude(report: Report) -> None:
    """The tables, the checks and what to do next."""
    console = _console()
    console.print(_findings(report.comparison))
    if report.comparison.false:
        console.print(_false(report.comparison.false))
    console.print(f"{_summary(report)}\n")
    if report.evidence is not None:
        console.print(EvidenceView(report.evidence, moments()))
    console.print(_rows(report))
    _webhooks(console, report)
    _replay(console, report)
    if report.problems:
        console.print("\n[bold red]Not everything was there:[/]")
        for problem in report.problems:
            console.print(f"  - {problem}", markup=False)
        return
    console.print(f"\n[green]All checks passed[/] in {sum(report.seconds.values()):.0f} s. What to run next:")
    console.print(_next(report), markup=False, soft_wrap=True)


def _console(*, quiet: bool = False) -> Console:
    """Standard output, as wide as the tables need where it is no terminal."""
    console = terminal(markup=True, quiet=quiet)
    return console if console.is_terminal else terminal(markup=True, quiet=quiet, width=_WIDTH)


def _findings(comparison: Comparison) -> Table:
    table = Table(title="What really went wrong, and what was found", title_justify="left", title_style="bold")
    for heading in ("family", "stream", "fault", "began (UTC)", "found", "after", "peak ratio", "severity"):
        table.add_column(heading, justify="right" if heading in {"after", "peak ratio"} else "left", no_wrap=True)
    for finding in comparison.findings:
        fault = finding.fault
        table.add_row(finding.family, fault.stream, fault.kind, utc(fault.start), *_found(finding))
    return table


def _found(finding: Finding) -> tuple[str, str, str, str]:
    alert, delay = finding.alert, finding.delay
    if alert is None or delay is None:
        return ("[red]missed[/]" if finding.detectable else "[dim]no data[/]"), "", "", ""
    return "[green]yes[/]", f"{delay / 1e9:,.0f} s", f"{alert.peak_ratio:.1f}", alert.severity.value


def _false(alerts: tuple[Alert, ...]) -> Table:
    table = Table(title="False alerts", title_justify="left", title_style="bold")
    for heading in ("family", "stream", "opened (UTC)", "peak ratio", "severity"):
        table.add_column(heading, justify="right" if heading == "peak ratio" else "left")
    for alert in alerts:
        peak = f"{alert.peak_ratio:.1f}"
        table.add_row(alert.family, alert.stream, utc(alert.opened_at), peak, alert.severity.value)
    return table


def _summary(report: Report) -> str:
    found = report.comparison
    return (
        f"{found.found} of {found.detectable} detectable faults found, {len(found.false)} false alerts; "
        f"{report.messages:,} messages, {report.totals.windows:,} windows, {len(report.alerts)} alerts."
    )


def _rows(report: Report) -> Table:
    table = Table(title="Rows in SQL", title_justify="left", title_style="bold")
    table.add_column("run")
    for name in report.rows:
        table.add_column(name, justify="right")
    table.add_row("live", *(f"{count:,}" for count in report.rows.values()))
    table.add_row(REPLAY, *(f"{count:,}" for count in report.replayed.values()))
    return table


def _webhooks(console: Console, report: Report) -> None:
    console.print(f"{len(report.webhooks)} webhooks arrived with a right signature, {report.refused} with a wrong one.")
    shown = str(report.comparison.example.id) if report.comparison.example is not None else ""
    message = next((hook.message for hook in report.webhooks if hook.message["data"]["alert_id"] == shown), None)
    if message is not None:
        data = {name: message["data"][name] for name in _EXAMPLE}
        console.print("One of them, shortened:")
        console.print(JSON.from_data({"type": message["type"], "data": data | {"causes": data["causes"][:1]}}))


def _replay(console: Console, report: Report) -> None:
    different = sum(report.differences.values())
    verdict = f"[red]{different:,} differences[/]" if different else "[green]identical to the bit[/]"
    console.print(
        f"Replay {REPLAY}: {report.rows['scores']:,} scores with their limits, {report.rows['alerts']} alerts with "
        f"their evidence: {verdict}."
        + (f" Live still waits for late readings in {report.beyond} newer windows." if report.beyond else "")
    )


def _sentence(data: dict[str, Any]) -> str:
    return f"{data['severity']} alert on {data['stream']} at {data['opened_at']}: {data['ratio']:.1f} x the limit"


def _next(report: Report) -> str:
    config = report.config
    shown = report.comparison.example
    commands = {
        f"watchkeeper alerts list --config {config}": "every alert",
        f"watchkeeper alerts show {shown.id.hex[:8] if shown else 'ID'} --config {config}": "one of them, and why",
        f"watchkeeper alerts list --config {config} --run {REPLAY}": "what the replay found",
        f"watchkeeper check {config}": "the configuration, explained; copy it for a plant of your own",
        "watchkeeper score FILE.csv --time TIME --value VALUE --output out.csv": "a file of yours",
        "make kafka": "a real broker on this machine, for data that must survive",
    }
    width = max(map(len, commands))
    return "\n".join(f"  {command:<{width}}  {what}" for command, what in commands.items())
