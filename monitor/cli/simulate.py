"""`watchkeeper simulate`: a plant that does not exist, published to Kafka."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.publishing import GROUP, LAG, SERVERS, SPEED, make_topics, messages_bar, pace_of, speed_of
from monitor.cli.rendering.output import echo, echo_json
from monitor.config.durations import parse_duration, parse_time

FIRST = "2026-01-01T00:00:00Z"
MACHINES = bounds.whole(0, 10_000)


class EcgForm(StrEnum):
    """How an ECG is published."""

    BEATS = "beats"
    SAMPLES = "samples"


def simulate(  # noqa: PLR0913 (one argument per option)
    *,
    bootstrap_servers: SERVERS = "localhost:9092",
    machines: Annotated[int, typer.Option(parser=MACHINES, help="Machines that report a temperature every 10 s.")] = 8,
    ecgs: Annotated[int, typer.Option(parser=MACHINES, help="Patients with an ECG.")] = 1,
    ecg_form: Annotated[
        EcgForm, typer.Option(help="One message per beat (140 numbers), or per sample.")
    ] = EcgForm.BEATS,
    duration: Annotated[
        int,
        typer.Option(
            **bounds.DURATION,
            show_default="6h",
            help="How much time the plant runs for, e.g. 90m, 24h.",
        ),
    ] = parse_duration("6h"),
    start: Annotated[
        int,
        typer.Option(**bounds.TIME, show_default=FIRST, help="Time of the first reading, ISO 8601."),
    ] = parse_time(FIRST),
    speed: SPEED = "max",
    seed: Annotated[int, typer.Option(parser=bounds.SEED, help="Equal seeds give equal plants.")] = 0,
    faults: Annotated[bool, typer.Option(help="Simulate faults.")] = True,
    clean: Annotated[
        float, typer.Option(parser=bounds.number(0, 1), help="Share of the time before the first fault.")
    ] = 0.5,
    truth: Annotated[
        Path | None, typer.Option(parser=bounds.path, help="Write every fault to this .csv or .json file.")
    ] = None,
    pace_group: GROUP = None,
    max_lag: LAG = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Publish a simulated plant with labelled faults to Kafka."""
    from monitor.simulator.plant import Plant
    from monitor.simulator.publish import publish
    from monitor.simulator.truth import write_truth

    plant = Plant(
        seed=seed, machines=machines, ecgs=ecgs, duration=duration, start=start,
        faults=faults, clean=clean, ecg_form=ecg_form.value,
    )  # fmt: skip
    factor, pace = speed_of(speed), pace_of(pace_group, max_lag)
    make_topics(bootstrap_servers, [feed.topic for feed in plant.feeds])
    if truth is not None:  # not before a broker has answered
        write_truth(truth, plant.truth)
    began = time.monotonic()
    step = 600 * 10**9 if factor is None else max(1, int(factor * 0.05 * 10**9))  # topics alternate that often
    with messages_bar("simulating", len(plant)) as progress:
        sent = publish(
            plant.batches(step), {"bootstrap.servers": bootstrap_servers}, speed=factor, pace=pace, progress=progress
        )
    summary = {
        "messages": sent,
        "topics": {feed.topic: len(feed) for feed in plant.feeds},
        "streams": sum(len(feed.streams) for feed in plant.feeds),
        "faults": len(plant.truth),
        "seconds": round(time.monotonic() - began, 3),
    }
    if as_json:
        echo_json(summary)
    else:
        echo(
            f"{sent:,} messages of {summary['streams']} streams with {len(plant.truth)} faults published to "
            f"{bootstrap_servers} in {summary['seconds']} s: topics {', '.join(feed.topic for feed in plant.feeds)}"
        )
