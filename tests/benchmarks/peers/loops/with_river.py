"""River: a rolling mean and variance for each key, and three standard deviations."""

import json
from collections import defaultdict
from math import sqrt

from clock import GROUP, LENGTH, SERVERS, TOPIC, clock
from confluent_kafka import Consumer
from river import stats, utils


class Rolling:
    """Of one stream."""

    def __init__(self) -> None:
        self.mean = utils.Rolling(stats.Mean(), window_size=LENGTH)
        self.var = utils.Rolling(stats.Var(), window_size=LENGTH)


consumer = Consumer({"bootstrap.servers": SERVERS, "group.id": GROUP, "auto.offset.reset": "earliest",
                     "fetch.queue.backoff.ms": 10, "queued.max.messages.kbytes": 32_768})  # fmt: skip
consumer.subscribe([TOPIC])
streams: dict[bytes, Rolling] = defaultdict(Rolling)
anomalies = 0
while True:
    messages = consumer.consume(10_000, 0.1)
    for message in messages:
        stream, value = streams[message.key()], json.loads(message.value())["value"]
        anomalies += abs(value - stream.mean.get()) > 3 * sqrt(stream.var.get())
        stream.mean.update(value)
        stream.var.update(value)
    clock.tick(len(messages))
