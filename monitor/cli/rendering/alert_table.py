"""How the commands show alerts."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from monitor.cli.parameters.database import utc
from monitor.cli.rendering.escape import visible
from monitor.records.alerts import Alert

NAME = 32  # characters of a stream's name that are always on one line, if the table fits at all
_SENTENCE = 16  # characters of any other column that may be folded
SHOWN = 50  # alerts in a table; more of them are for a file or for SQL
_ANY_WIDTH = 10_000
_NOTHING = {"0", ""}


@dataclass(frozen=True, slots=True)
class FittedTable:
    """Columns of text, by heading. Where the terminal is too narrow, `expendable` ones are left out.

    First those that hold nothing but zeros, then the others, both in the order given. Text in `folded` columns
    that is longer than a name is folded before that, everything else only when it is not enough.
    """

    columns: Mapping[str, Sequence[str]]
    expendable: Sequence[str]
    title: str | None = None
    caption: str | None = None
    folded: Collection[str] = ("stream",)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it, as wide as `options` allow."""
        shown = {name: [visible(text) for text in column] for name, column in self.columns.items()}
        fits = self._fits(shown, console, options)
        for name in sorted(self.expendable, key=lambda name: any(set(shown[name]) - _NOTHING)):
            if fits:
                break
            del shown[name]
            fits = self._fits(shown, console, options)
        yield self._table(shown, folded=self.folded if fits else tuple(shown))

    def _fits(self, shown: Mapping[str, Sequence[str]], console: Console, options: ConsoleOptions) -> bool:
        least = {name: NAME if name == "stream" else _SENTENCE for name in self.folded}
        short = {name: [text[: least.get(name)] for text in cells] for name, cells in shown.items()}
        table = self._table(short, folded=())
        return console.measure(table, options=options.update_width(_ANY_WIDTH)).maximum <= options.max_width

    def _table(self, shown: Mapping[str, Sequence[str]], folded: Container[str]) -> Table:
        table = Table(
            title=self.title, title_justify="left", title_style="bold", caption=self.caption, caption_justify="left",
            box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0),
        )  # fmt: skip
        for heading in shown:
            table.add_column(heading, no_wrap=heading not in folded, overflow="fold")
        for row in zip(*shown.values(), strict=True):
            table.add_row(*map(Text, row))  # as Text, brackets are no markup
        return table


def alerts_table(alerts: Iterable[Alert]) -> FittedTable:
    """The first alerts in the order in which they opened, for a person."""
    rows = sorted(alerts, key=lambda alert: (alert.opened_at, alert.stream))
    first = rows[:SHOWN]
    columns = {
        "id": [short_id(alert) for alert in first],
        "opened (UTC)": [utc(alert.opened_at) for alert in first],
        "resolved": ["still open" if alert.resolved_at is None else utc(alert.resolved_at) for alert in first],
        "stream": [alert.stream for alert in first],
        "kind": [alert.kind for alert in first],
        "severity": [alert.severity.value for alert in first],
        "peak": [f"{alert.peak_ratio:.2f}" for alert in first],
        "windows": [f"{alert.windows:,}" for alert in first],
    }
    if all(alert.kind == "anomaly" for alert in first):
        del columns["kind"]
    more = f"and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else None
    return FittedTable(columns, ("windows", "severity"), title="Alerts", caption=more)


def short_id(alert: Alert) -> str:
    """How the id begins: enough for `alerts show`."""
    return alert.id.hex[:8]


def alert_fields(alert: Alert) -> dict[str, Any]:
    """An alert for JSON; times in UTC."""
    return {
        "id": str(alert.id),
        "family": alert.family,
        "stream": alert.stream,
        "kind": alert.kind,
        "cause": alert.cause,
        "severity": alert.severity.value,
        "state": alert.state.value,
        "opened": utc(alert.opened_at),
        "resolved": None if alert.resolved_at is None else utc(alert.resolved_at),
        "windows": alert.windows,
        "peak_ratio": alert.peak_ratio,
    }
