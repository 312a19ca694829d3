"""Options and progress that the publishing commands share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.parameters import bounds
from monitor.cli.rendering.output import label, terminal
from monitor.errors import SettingsError

if TYPE_CHECKING:
    from monitor.simulator.publish import Pace

SERVERS = Annotated[str, typer.Option(parser=bounds.name, help="Kafka, or the address an embedded broker has printed.")]
SPEED = Annotated[
    str, typer.Option(parser=bounds.text, help='A multiple of real time, e.g. 60; "max" is as fast as possible.')
]
GROUP = Annotated[str | None, typer.Option(parser=bounds.name, help="Never run far ahead of this consumer group.")]
LAG = Annotated[
    int, typer.Option(parser=bounds.COUNT, help="Messages per partition the group of --pace-group may be behind.")
]

SLOWEST = 0.001  # times real time
BROKER_S = 10.0  # until one has to answer


def speed_of(text: str) -> float | None:
    """The number in "60" or "60x"; None for "max"."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not SLOWEST <= speed <= 1e12:
        raise SettingsError(f'--speed: {text!r} is neither a positive number, such as 60, nor "max"')
    return speed


def pace_of(group: str | None, max_lag: int) -> Pace | None:
    """The group to keep pace with, if one is named."""
    from monitor.simulator.publish import Pace

    return None if group is None else Pace(group, max_lag)


def make_topics(servers: str, topics: Collection[str]) -> None:
    """Make the topics that are missing; few brokers do that by themselves.

    Raises SettingsError for an address or a name that Kafka does not take, and SourceError when no broker answers.
    """
    from monitor.config.addresses import broker_problem
    from monitor.config.names import topic_name
    from monitor.config.services import Kafka
    from monitor.sources.kafka_client import BROKERS_CHOICE, ensure_topic, wait_for_broker

    if problem := broker_problem(servers):
        raise SettingsError(f"--bootstrap-servers: {problem}")
    for topic in topics:
        try:
            topic_name(topic)
        except ValueError as error:
            raise SettingsError(f"--topic: {error}") from None
    kafka = Kafka(bootstrap_servers=servers)
    wait_for_broker(kafka, BROKER_S)
    for topic in topics:
        ensure_topic(kafka, topic, BROKERS_CHOICE)


@contextmanager
def messages_bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; gives the function that moves it on. It vanishes when done."""
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal(err=True), transient=True) as progress:
        task = progress.add_task(label(title), total=total)
        yield lambda count: progress.advance(task, count)
