"""Bytewax: a dataflow with a stateful step that keeps a list for each key."""

import json
from statistics import fmean, pstdev

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main
from clock import LENGTH, SERVERS, TOPIC, clock

Statistics = tuple[float, float]


def decode(message: KafkaSourceMessage) -> tuple[str, float]:
    """Key and value."""
    return message.key.decode(), json.loads(message.value)["value"]


def add(window: list[float] | None, value: float) -> tuple[list[float], list[Statistics]]:
    """Mean and standard deviation of each full window."""
    clock.tick()
    window = window if window is not None else []
    window.append(value)
    return ([], [(fmean(window), pstdev(window))]) if len(window) == LENGTH else (window, [])


flow = Dataflow("windows")
options = {"fetch.queue.backoff.ms": "10", "queued.max.messages.kbytes": "32768"}
source = KafkaSource([SERVERS], [TOPIC], tail=False, batch_size=10_000, add_config=options)
readings = op.map("decode", op.input("readings", flow, source), decode)
op.output("out", op.stateful_flat_map("windows", readings, add), TestingSink([]))
run_main(flow)
