"""Many alerts on a terminal of any width: a line each where that fits, else a few lines with the same facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.text import Text

from monitor.cli.rendering.alert_table import aligned, fits, short_id, widths_of
from monitor.cli.rendering.moments import Moments
from monitor.records.alerts import Alert, AlertState
from monitor.records.escapes import visible

EVERY = "(all streams)"  # of the family: what a gateway alert is about, or one about its records
_EXPENDABLE = ("windows", "peak")
_INDENT = 10  # behind an id


@dataclass(frozen=True, slots=True)
class AlertList:
    """Alerts in the order given: kind, family, stream, channel, cause and state of each are always there."""

    alerts: Sequence[Alert]
    moments: Moments

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it, as wide as `options` allow."""
        columns = self._columns()
        for name in ("", *_EXPENDABLE):
            columns.pop(name, None)
            if fits(widths := widths_of(columns), options.max_width):
                yield from self._lines(columns, widths)
                return
        for alert in self.alerts:
            yield from self._block(alert)
        yield Text(f"Times are in {self.moments.label}.")

    def _columns(self) -> dict[str, list[str]]:
        columns = {
            "id": [short_id(alert) for alert in self.alerts],
            f"opened ({self.moments.label})": [self.moments.text(alert.opened_at) for alert in self.alerts],
            "family": [visible(alert.family) for alert in self.alerts],
            "stream": [visible(alert.stream or EVERY) for alert in self.alerts],
            "kind": [visible(alert.kind) for alert in self.alerts],
            "channel": [visible(alert.channel) for alert in self.alerts],
            "state": [life_of(alert, self.moments) for alert in self.alerts],
            "severity": [alert.severity.value for alert in self.alerts],
            "peak": [f"{alert.peak_ratio:.2f}" for alert in self.alerts],
            "windows": [f"{alert.windows:,}" for alert in self.alerts],
        }
        return {name: cells for name, cells in columns.items() if name != "channel" or any(cells)}

    def _lines(self, columns: dict[str, list[str]], widths: dict[str, int]) -> Iterator[Any]:
        heading, rule, *lines = aligned(columns, widths)
        yield heading
        yield rule
        for alert, line in zip(self.alerts, lines, strict=True):
            yield line
            if alert.cause:
                yield _below(alert.cause)

    def _block(self, alert: Alert) -> Iterator[Any]:
        channel = alert.channel
        yield Text(f"{short_id(alert)}  {alert.severity} {visible(alert.kind)}, {life_of(alert, self.moments)}")
        yield _below(f"{alert.family} / {alert.stream or EVERY}" + (f", channel {channel}" if channel else ""))
        yield _below(
            f"opened {self.moments.text(alert.opened_at)}, peak {alert.peak_ratio:.2f}, {alert.windows:,} windows"
        )
        if alert.cause:
            yield _below(alert.cause)


def life_of(alert: Alert, moments: Moments) -> str:
    """Its state and since when: open for 2 h; acknowledged 3 min ago; resolved 3 d ago, not seen."""
    flaps = ", flapping" if alert.flapping_until is not None else ""
    return _state(alert, moments) + flaps


def _state(alert: Alert, moments: Moments) -> str:
    if alert.state is AlertState.RESOLVED and alert.resolved_at is not None:
        seen = ", not seen" if alert.acknowledged_at is None else ""
        return f"resolved {moments.ago(alert.resolved_at)}{seen}"
    if alert.state is AlertState.SHELVED and alert.shelved_until is not None:
        return f"shelved for {moments.left(alert.shelved_until)}"
    if alert.state is AlertState.OUT_OF_SERVICE and alert.out_of_service is not None:
        return f"out of service for {moments.since(alert.out_of_service)}"
    if alert.state is AlertState.ACKNOWLEDGED and alert.acknowledged_at is not None:
        return f"acknowledged {moments.ago(alert.acknowledged_at)}"
    return f"{alert.state} for {moments.since(alert.opened_at)}"


def _below(text: str) -> Padding:
    return Padding(Text(visible(text), overflow="fold"), (0, 0, 0, _INDENT), expand=False)
