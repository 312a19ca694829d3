"""How `score` and `replay` show the alerts they found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from monitor.cli.stored import utc
from monitor.records import Alert

SHOWN = 50  # alerts in a table; more of them are for a file or for SQL


def alerts_table(alerts: Iterable[Alert]) -> Table:
    """The first alerts in the order in which they opened, for a person."""
    table = Table(title="Alerts", title_justify="left", title_style="bold")
    for heading in ("stream", "severity", "opened", "resolved", "windows", "peak ratio", "id"):
        table.add_column(heading)
    rows = sorted(alerts, key=lambda alert: (alert.opened_at, alert.stream))
    for alert in rows[:SHOWN]:
        resolved = "still open" if alert.resolved_at is None else utc(alert.resolved_at)
        table.add_row(
            Text(alert.stream), alert.severity.value, utc(alert.opened_at), resolved, f"{alert.windows:,}",
            f"{alert.peak_ratio:.2f}", str(alert.id),
        )  # fmt: skip
    if len(rows) > SHOWN:
        table.caption = f"and {len(rows) - SHOWN:,} more"
    return table


def alert_fields(alert: Alert) -> dict[str, Any]:
    """An alert for JSON; times in UTC."""
    return {
        "id": str(alert.id),
        "family": alert.family,
        "stream": alert.stream,
        "severity": alert.severity.value,
        "state": alert.state.value,
        "opened": utc(alert.opened_at),
        "resolved": None if alert.resolved_at is None else utc(alert.resolved_at),
        "windows": alert.windows,
        "peak_ratio": alert.peak_ratio,
    }
