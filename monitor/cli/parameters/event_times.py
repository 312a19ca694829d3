"""`--from` and `--to` of several commands: a range of event times, from Kafka or a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from monitor import bootstrap
from monitor.cli.parameters.database import utc
from monitor.config.settings import Settings
from monitor.errors import SettingsError
from monitor.pipeline import loop
from monitor.replay.time_range import Between, TimeRange

if TYPE_CHECKING:
    from monitor.pipeline.family import Pipeline
    from monitor.ports.source import Source

EDGE = 500  # records of a partition that show where its event times begin, or end
FROM = "First event time (ISO 8601, UTC unless it says so) ..."
TO = "... and the event time before which it ends."


def time_range(start: int | None, end: int | None) -> TimeRange:
    """What the two options say. Raises SettingsError where they leave no time in between."""
    span = TimeRange(start, end)
    if span.start is not None and span.end is not None and span.start >= span.end:
        raise SettingsError(f"--from {utc(span.start)} is not before --to {utc(span.end)}")
    return span


def refuse_embedded(settings: Settings, instead: str) -> None:
    """Raise SettingsError where the broker begins with each process, and so holds no past; `instead` is what else."""
    if settings.kafka.bootstrap_servers == "embedded":
        raise SettingsError(
            'kafka.bootstrap_servers is "embedded", a broker in which no past is found; give the address that the '
            f"worker printed, that of a real Kafka, {instead}"
        )


def from_kafka(settings: Settings, running: Mapping[str, Pipeline], span: TimeRange) -> Source:
    """The readings of all families' topics within a range.

    A reading is at most `max_future_skew` ahead of when its record was written, or set aside: older records are not
    read. How long after its event time a record was written is not known, so that there is no end to reading. Raises
    SettingsError for an embedded broker.
    """
    refuse_embedded(settings, "or, to train, neither --from nor --to: what a run has collected is used then")
    skew = max(settings.families[name].align.max_future_skew for name in running)
    written = None if span.start is None else max(span.start - skew, 0)
    return Between(bootstrap.kafka_range(settings, running, written), span)


def refuse_empty(span: TimeRange, where: str, settings: Settings | None = None) -> None:
    """Raise SettingsError where no reading lay within the range: `where` says what was read.

    With `settings`, that was Kafka, of which a part may have been left out: looks at both ends of the topics.
    """
    if span.inside or (span.start is None and span.end is None):
        return
    if settings is not None:
        _look_at_edges(settings, span)
    if span.first is None or span.last is None:
        raise SettingsError(f"{where}: there is no reading at all, in whatever time")
    bounds = " and ".join(
        f"{option} {utc(at)}" for option, at in (("--from", span.start), ("--to", span.end)) if at is not None
    )
    raise SettingsError(
        f"{where}: no reading has an event time within {bounds}; there are readings from {utc(span.first)} "
        f"to {utc(span.last)} (UTC)"
    )


def outside(span: TimeRange) -> str:
    """How many readings the range left out, for a person; empty where it left out none."""
    return f"{span.outside:,} readings outside of --from/--to" if span.outside else ""


def _look_at_edges(settings: Settings, span: TimeRange) -> None:
    running = bootstrap.pipelines(settings)
    for edge in ("oldest", "newest"):
        source = bootstrap.kafka_range(settings, running, **{edge: EDGE})
        try:
            for poll in loop.polls(source):
                for readings in poll.readings.values():
                    if len(readings):
                        span.note(int(readings.time.min()), int(readings.time.max()))
        finally:
            source.close()
