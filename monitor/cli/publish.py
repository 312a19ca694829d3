"""`watchkeeper publish`: a file of readings, published to Kafka."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import KeyColumn, Rate, ReadFile, TimeColumn, ValueColumns
from monitor.cli.parameters.publishing import GROUP, LAG, SERVERS, SPEED, make_topics, messages_bar, pace_of, speed_of
from monitor.cli.parameters.reading import Reading, with_reading
from monitor.cli.rendering.not_read import say_not_read
from monitor.cli.rendering.output import echo, echo_json
from monitor.cli.rendering.times_read import show_notes, time_fields, time_lines
from monitor.config.formats import Format
from monitor.errors import NOT_ALL_JUDGED


@with_reading
def publish(  # noqa: PLR0913 (one argument per option)
    file: ReadFile,
    *,
    topic: Annotated[str, typer.Option(parser=bounds.name, help="Topic to publish to.")],
    values: ValueColumns = "value",
    when: TimeColumn = None,
    rate: Rate = None,
    key: Annotated[
        str,
        typer.Option(
            parser=bounds.text,
            help="Name of the stream, the Kafka key; by default, each file is the stream it is named for.",
        ),
    ] = "",
    key_column: KeyColumn = None,
    bootstrap_servers: SERVERS = "localhost:9092",
    speed: SPEED = "max",
    pace_group: GROUP = None,
    max_lag: LAG = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    reading: Reading,
) -> None:
    """Publish a file of readings to Kafka: a JSON message per row, with its time and its value columns by name.

    Rows that cannot be read are left out and said; where they are more than 3 %, or all, the exit code is 6.
    """
    from monitor.simulator.publish import publish as publish_batches
    from monitor.simulator.recording import Recording
    from monitor.sources.files.source import FileColumns

    names = tuple(name.strip() for name in values.split(","))
    layout = reading.layout(Format(counters=names), names)  # as of a total, every digit goes on
    columns = FileColumns(
        values=names, time=when, rate=rate, key=key_column, stream=key,
        head=reading.head(layout), layout=layout,
    )  # fmt: skip
    factor, pace = speed_of(speed), pace_of(pace_group, max_lag)
    recording = Recording(file, columns, topic)
    make_topics(bootstrap_servers, [topic])
    began = time.monotonic()
    with messages_bar(f"publishing {file.name}", None) as progress:
        sent = publish_batches(
            recording.batches(), {"bootstrap.servers": bootstrap_servers}, speed=factor, pace=pace, progress=progress
        )
    seconds = round(time.monotonic() - began, 3)
    dead = recording.dead
    show_notes(recording.times)
    say_not_read(dead, recording.rows, f"rows of {file.name}")
    if as_json:
        facts = {"messages": sent, "unreadable": dead.total, "reasons": dict(dead.reasons), "seconds": seconds}
        echo_json(facts | time_fields(recording.times))
    else:
        echo(
            f"{sent:,} rows of {file.name} published to {topic} at {bootstrap_servers} in {seconds} s; "
            f"{dead.total:,} could not be read"
        )
        echo(*time_lines(recording.times))
    if dead.many(recording.rows) or not recording.rows:
        raise typer.Exit(NOT_ALL_JUDGED)
