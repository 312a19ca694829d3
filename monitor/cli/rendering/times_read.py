"""How the commands show which times were read, and what is odd about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from monitor.cli.parameters.database import utc
from monitor.cli.rendering.output import echo

if TYPE_CHECKING:
    from monitor.replay.score_rows import Summary
    from monitor.sources.files.time_checks import TimeChecks

SHOWN = 5  # notes


class Spanned(Protocol):
    """What has a first and a last time, ns; None where it has none."""

    @property
    def first(self) -> int | None: ...  # noqa: D102 (said above)
    @property
    def last(self) -> int | None: ...  # noqa: D102


class TimeSpan(NamedTuple):
    """A first and a last time, ns."""

    first: int | None
    last: int | None


def time_lines(span: Spanned) -> list[str]:
    """The first and the last time as a line of a summary; none where there are none."""
    if span.first is None or span.last is None:
        return []
    return [f"times from {utc(span.first)} to {utc(span.last)} UTC"]


def time_fields(span: Spanned) -> dict[str, Any]:
    """The same for JSON."""
    ends = {"first_time": span.first, "last_time": span.last}
    return {name: None if at is None else utc(at) for name, at in ends.items()}


def noted(summary: Summary, times: TimeChecks) -> Summary:
    """The summary with the times of the file; what is odd about them goes to standard error."""
    summary.first, summary.last = times.first, times.last
    show_notes(times)
    return summary


def show_notes(times: TimeChecks) -> None:
    """What is odd about the times of a file, on standard error."""
    for note in times.notes[:SHOWN]:
        echo(f"warning: {note}", err=True)
    if len(times.notes) > SHOWN:
        echo(f"warning: and {len(times.notes) - SHOWN:,} more such blocks", err=True)
