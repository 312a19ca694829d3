"""Faust: an agent that keeps a list for each key."""

from collections import defaultdict
from statistics import fmean, pstdev

import faust
from clock import GROUP, LENGTH, SERVERS, TOPIC, clock


class Reading(faust.Record, serializer="json"):
    """A message."""

    time: int
    value: float


app = faust.App(GROUP, broker=f"kafka://{SERVERS}", store="memory://", consumer_auto_offset_reset="earliest",
                web_enabled=False, topic_disable_leader=True)  # fmt: skip
topic = app.topic(TOPIC, key_type=bytes, key_serializer="raw", value_type=Reading)
windows: dict[bytes, list[float]] = defaultdict(list)


@app.agent(topic)
async def watch(stream: faust.Stream) -> None:
    """Mean and standard deviation of each full window."""
    async for key, reading in stream.items():
        window = windows[key]
        window.append(reading.value)
        if len(window) == LENGTH:
            fmean(window), pstdev(window)
            window.clear()
        clock.tick()


faust.Worker(app, loglevel="ERROR", quiet=True, redirect_stdouts=False).execute_from_commandline()
