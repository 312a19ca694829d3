"""What a command says at its end of records that could not be read."""

from __future__ import annotations

from monitor.cli.rendering.output import echo
from monitor.records.dead_counts import DeadCounts


def say_not_read(dead: DeadCounts, records: int, what: str) -> None:
    """On standard error: how many of `records`, called `what`, why, and the first of each reason; or nothing."""
    if not records:
        echo(f"there are no {what}", err=True)
    if not dead.total:
        return
    echo(f"{dead.total:,} of {records:,} {what} could not be read:", err=True)
    for line in dead.lines():
        echo(f"  {line}", err=True)
