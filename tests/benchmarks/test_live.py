"""10,000 streams that send a reading every 10 s, judged one by one by `default`: how often they fit into one core.

Five times as many readings come as that: 5,000 a second. The worker reads them from a real Kafka, looks for drifts,
keeps some to train on, and commits into SQLite. To its share of a core comes that of training, as a worker starts it,
on a first training's history of all streams: twice a week, once as the schedule has it and once for a drift.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer

from monitor import bootstrap
from monitor.config.settings import load
from monitor.ports.store import Commit, HistoryBlock
from tests.benchmarks import plant
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.rig import PARTITIONS, Rig, finish, lane, start
from tests.benchmarks.scale import scaled
from tests.benchmarks.test_latency import wait
from tests.integration.broker import KafkaBroker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3600)]
STREAMS, INTERVAL, FASTER = scaled(10_000, 200), 10, 5  # s; times
STEPS = scaled(30, 10)  # of each stream, live
PIECES = 100  # of a step, in which messages go out
WEEK = 7 * 86_400  # s
TRAININGS = 2  # a week


def test_one_core_holds_many_streams(kafka: KafkaBroker, tmp_path: Path, report: Report) -> None:
    rig = Rig(tmp_path, kafka.bootstrap_servers, STREAMS, interval=f"{INTERVAL}s", recipe="default",
              store='scores = "anomalies"', family="train = { drift = true }")  # fmt: skip
    rig.make_topic()
    config = rig.prepare()
    sender = Producer({"bootstrap.servers": rig.servers, "linger.ms": 5, "enable.idempotence": True})
    send(sender, rig, 0, 0.0)
    worker = start("live.share", config, STREAMS * (1 + STEPS), STREAMS)
    wait(worker)
    for step in range(1, 1 + STEPS):
        send(sender, rig, step, INTERVAL / FASTER)
    live = finish(worker)
    assert live["readings"] == STREAMS * (1 + STEPS)

    learn(config)
    trained = lane("live.training", config)
    share = live["share"] / FASTER + TRAININGS * trained["cpu_s"] / WEEK
    detail = {"worker_at_5_times": round(live["share"], 3), "training_cpu_s": round(trained["cpu_s"]),
              "seconds": live["seconds"]}  # fmt: skip
    name = f"{STREAMS:,} streams at {INTERVAL} s, `default`, with training and drifts: how often one core holds them"
    report.add(Figure(name, round(1 / share, 1), (5, 7, 10), "times", detail=detail))


def send(sender: Producer, rig: Rig, step: int, seconds: float) -> None:
    """One reading of every stream, spread over so much time."""
    began, values = time.perf_counter(), np.random.default_rng(step).normal(0, plant.NOISE, STREAMS)
    for i, name in enumerate(plant.names(STREAMS)):
        if i % (STREAMS // PIECES) == 0:
            time.sleep(max(0.0, began + seconds * i / STREAMS - time.perf_counter()))
            sender.poll(0)
        at = plant.LENGTH + step
        body = b'{"time":%d,"value":%.4f}' % (plant.START_S + INTERVAL * at, np.sin(at / plant.RATE) + values[i])
        sender.produce(rig.topic, body, name.encode(), partition=i % PARTITIONS)
    assert sender.flush(60) == 0


def learn(config: Path) -> None:
    """What a first training takes of every stream, as a worker has kept it."""
    settings = load(config)
    store, count = bootstrap.store(settings), settings.families[plant.FAMILY].train_after
    rng, at = np.random.default_rng(0), np.arange(count)
    time_ns = plant.times(settings.families[plant.FAMILY], at - count)
    streams = store.open_streams("live", plant.FAMILY, plant.names(STREAMS))
    for begin in range(0, STREAMS, 500):
        values = (np.sin(at / plant.RATE) + rng.normal(0, plant.NOISE, (500, count))).astype(np.float32)
        blocks = [HistoryBlock(stream.id, time_ns, row[:, None])
                  for stream, row in zip(streams[begin : begin + 500], values, strict=False)]  # fmt: skip
        store.commit(Commit("live", history=blocks))
    store.close()
