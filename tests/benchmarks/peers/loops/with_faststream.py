"""FastStream: a batch subscriber that keeps a list for each key."""

import asyncio
from collections import defaultdict
from statistics import fmean, pstdev
from typing import Any

from clock import GROUP, LENGTH, SERVERS, TOPIC, clock
from faststream import FastStream
from faststream.confluent import KafkaBroker
from faststream.confluent.annotations import KafkaMessage

broker = KafkaBroker(SERVERS, logger=None)
windows: dict[bytes, list[float]] = defaultdict(list)


@broker.subscriber(TOPIC, group_id=GROUP, batch=True, max_records=10_000, auto_offset_reset="earliest")
async def watch(readings: list[dict[str, Any]], message: KafkaMessage) -> None:
    """Mean and standard deviation of each full window."""
    for reading, raw in zip(readings, message.raw_message, strict=True):
        window = windows[raw.key()]
        window.append(reading["value"])
        if len(window) == LENGTH:
            fmean(window), pstdev(window)
            window.clear()
    clock.tick(len(readings))


asyncio.run(FastStream(broker, logger=None).run())
