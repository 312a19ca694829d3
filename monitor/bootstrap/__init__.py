"""The composition root: the only place that picks implementations and puts a worker together. No I/O at import.

- `parts`: the registries, and a function for each part;
- `channels`: the same for what alerts need beside the pipeline;
- `checks`: what keeps a worker from starting;
- `connections`: what a worker will connect to, tried before it does;
- `neighbours`: other workers on the same database;
- `assembly`: the worker;
- `dispatching`: a process that only delivers.
"""

from monitor.bootstrap.assembly import Worker, worker
from monitor.bootstrap.channels import NOTIFIERS, alert_commands, alert_keeper, announce, dispatcher, notifiers
from monitor.bootstrap.checks import check, check_detectors, check_kafka_options
from monitor.bootstrap.connections import Finding, try_connections
from monitor.bootstrap.dispatching import Dispatching, dispatching
from monitor.bootstrap.parts import (
    BROKER_S,
    DECODERS,
    THRESHOLDS,
    broker,
    decoder,
    decoders,
    detector,
    heartbeat,
    kafka_range,
    kafka_source,
    kafka_source_now,
    library,
    load_detector,
    normal_scores,
    pipeline,
    pipelines,
    reader,
    recipe,
    schema_registry,
    store,
    threshold,
)

__all__ = [
    "BROKER_S",
    "DECODERS",
    "NOTIFIERS",
    "THRESHOLDS",
    "Dispatching",
    "Finding",
    "Worker",
    "alert_commands",
    "alert_keeper",
    "announce",
    "broker",
    "check",
    "check_detectors",
    "check_kafka_options",
    "decoder",
    "decoders",
    "detector",
    "dispatcher",
    "dispatching",
    "heartbeat",
    "kafka_range",
    "kafka_source",
    "kafka_source_now",
    "library",
    "load_detector",
    "normal_scores",
    "notifiers",
    "pipeline",
    "pipelines",
    "reader",
    "recipe",
    "schema_registry",
    "store",
    "threshold",
    "try_connections",
    "worker",
]
