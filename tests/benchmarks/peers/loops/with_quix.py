"""Quix Streams: mean and standard deviation over tumbling windows of event time, by `reduce`."""

from math import sqrt
from typing import Any

from clock import GROUP, LENGTH, SERVERS, TOPIC, clock
from quixstreams import Application

app = Application(
    broker_address=SERVERS, consumer_group=GROUP, auto_offset_reset="earliest", loglevel="ERROR",
    consumer_extra_config={"fetch.queue.backoff.ms": 10, "queued.max.messages.kbytes": 32_768},
)  # fmt: skip


def event_time(value: dict[str, Any], _headers: object, _timestamp: float, _kind: object) -> int:
    """Milliseconds."""
    return int(value["time"]) * 1000


def begin(value: dict[str, Any]) -> dict[str, float]:
    """A window's first reading."""
    return add({"count": 0, "sum": 0.0, "squares": 0.0}, value)


def add(sums: dict[str, float], value: dict[str, Any]) -> dict[str, float]:
    """One more."""
    clock.tick()
    x = value["value"]
    return {"count": sums["count"] + 1, "sum": sums["sum"] + x, "squares": sums["squares"] + x * x}


def statistics(window: dict[str, Any]) -> tuple[float, float]:
    """Mean and standard deviation."""
    count, total, squares = window["value"].values()
    return total / count, sqrt(max(squares / count - (total / count) ** 2, 0))


topic = app.topic(TOPIC, key_deserializer="str", value_deserializer="json", timestamp_extractor=event_time)
frame = app.dataframe(topic).tumbling_window(duration_ms=LENGTH * 1000).reduce(reducer=add, initializer=begin).final()
frame.apply(statistics)
app.run()
