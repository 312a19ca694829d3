"""The composition root: the only place that picks implementations and puts a worker together. No I/O at import.

- `parts`: the registries, and a function for each part;
- `checks`: what keeps a worker from starting;
- `assembly`: the worker.
"""

from monitor.bootstrap.assembly import worker
from monitor.bootstrap.checks import check, check_detectors, check_kafka_options
from monitor.bootstrap.parts import (
    DECODERS,
    NOTIFIERS,
    THRESHOLDS,
    alert_commands,
    announce,
    broker,
    decoder,
    decoders,
    detector,
    dispatcher,
    kafka_range,
    kafka_source,
    library,
    load_detector,
    normal_scores,
    notifiers,
    pipeline,
    pipelines,
    reader,
    recipe,
    store,
    threshold,
)

__all__ = [
    "DECODERS",
    "NOTIFIERS",
    "THRESHOLDS",
    "alert_commands",
    "announce",
    "broker",
    "check",
    "check_detectors",
    "check_kafka_options",
    "decoder",
    "decoders",
    "detector",
    "dispatcher",
    "kafka_range",
    "kafka_source",
    "library",
    "load_detector",
    "normal_scores",
    "notifiers",
    "pipeline",
    "pipelines",
    "reader",
    "recipe",
    "store",
    "threshold",
    "worker",
]
