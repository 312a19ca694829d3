"""How the commands show alerts."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from monitor.cli.parameters.database import utc
from monitor.records.alerts import Alert
from monitor.records.escapes import visible

NAME = 32  # characters of a stream's name that are always on one line, if the table fits at all
_SENTENCE = 16  # characters of any other column that may be folded
SHOWN = 50  # alerts in a table; more of them are for a file or for SQL
_GAP = "  "  # between columns, as wide as the divider and padding of a table of Rich's
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
        widths = widths_of(shown)
        least = {name: NAME if name == "stream" else _SENTENCE for name in self.folded}
        short = {name: min(width, max(len(name), least.get(name, width))) for name, width in widths.items()}
        for name in sorted(self.expendable, key=lambda name: any(set(shown[name]) - _NOTHING)):
            if fits(short, options.max_width):
                break
            del shown[name], widths[name], short[name]
        if fits(widths, options.max_width) and self.title is None and self.caption is None:
            yield from aligned(shown, widths)  # a table of Rich's takes many times as long
        else:
            yield self._table(shown, folded=self.folded if fits(short, options.max_width) else tuple(shown))

    def _table(self, shown: Mapping[str, Sequence[str]], folded: Container[str]) -> Table:
        title = None if self.title is None else visible(self.title)
        table = Table(
            title=title, title_justify="left", title_style="bold", caption=self.caption, caption_justify="left",
            box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0),
        )  # fmt: skip
        for heading in shown:
            table.add_column(heading, no_wrap=heading not in folded, overflow="fold")
        for row in zip(*shown.values(), strict=True):
            table.add_row(*map(Text, row))  # as Text, brackets are no markup
        return table


def widths_of(columns: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How wide each column is, with its heading."""
    return {name: max(map(cell_len, (name, *cells))) for name, cells in columns.items()}


def fits(widths: Mapping[str, int], width: int) -> bool:
    """Whether columns of these widths stand side by side in `width`."""
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1) <= width


def aligned(columns: Mapping[str, Sequence[str]], widths: Mapping[str, int]) -> Iterator[Text]:
    """The headings, a rule, and a line for each row."""
    yield Text(_line(columns, widths), style="bold")
    yield Text("─" * (sum(widths.values()) + len(_GAP) * (len(widths) - 1)))
    for row in zip(*columns.values(), strict=True):
        yield Text(_line(row, widths))


def _line(cells: Iterable[str], widths: Mapping[str, int]) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths.values(), strict=True))
    return _GAP.join(padded).rstrip()


def alerts_table(alerts: Iterable[Alert]) -> FittedTable:
    """The first alerts in the order in which they opened, for a person."""
    rows = sorted(alerts, key=lambda alert: (alert.opened_at, alert.stream))
    first = rows[:SHOWN]
    columns = {
        "id": [short_id(alert) for alert in first],
        "opened (UTC)": [utc(alert.opened_at) for alert in first],
        "resolved": ["still open" if alert.resolved_at is None else utc(alert.resolved_at) for alert in first],
        "stream": [alert.stream for alert in first],
        "kind": [" ".join(filter(None, (alert.kind, alert.channel))) for alert in first],
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
        "channel": alert.channel,
        "cause": alert.cause,
        "severity": alert.severity.value,
        "state": alert.state.value,
        "opened": utc(alert.opened_at),
        "resolved": None if alert.resolved_at is None else utc(alert.resolved_at),
        "windows": alert.windows,
        "peak_ratio": alert.peak_ratio,
    }
