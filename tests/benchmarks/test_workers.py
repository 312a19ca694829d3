"""Two workers of one group on two cores, against one: the wall time until a whole topic is committed to PostgreSQL.

The workers are up and own their partitions before the first message: the topic is filled in a Kafka transaction, which
shows all of it at once. The broker and PostgreSQL run on the same machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient
from sqlalchemy import Engine, create_engine, func, select

from monitor.store import schema
from tests.benchmarks import plant
from tests.benchmarks.report import Figure, Report, ratios
from tests.benchmarks.rig import PARTITIONS, ROOT, Rig, environ
from tests.benchmarks.scale import scaled
from tests.integration.broker import KafkaBroker
from tests.integration.postgres import PostgresServer

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(3600)]
ROUNDS = scaled(3)
STREAMS = 16
STEPS = scaled(600_000, 500)
PATIENCE_S = 600
USED: dict[str, float] = {}  # microseconds of processor time for a reading, by process: two cores give two
LOOK_S = 0.1  # the test needs a core, too, when it looks


def test_two(kafka: KafkaBroker, postgres: PostgresServer, tmp_path: Path, report: Report) -> None:
    rig = Rig(tmp_path, kafka.bootstrap_servers, STREAMS)
    speeds: list[float] = []

    def two() -> float:
        speeds.append(rate(rig, postgres.database(), 2))
        return speeds[-1]

    (ratio,) = ratios([lambda: rate(rig, postgres.database(), 1), two], ROUNDS)
    detail = {"readings_per_s": round(max(speeds))} | {f"{name}_us_per_reading": took for name, took in USED.items()}
    report.add(Figure("two workers / one", ratio, (1.4, 1.6, 1.8), detail=detail))


def rate(rig: Rig, url: str, workers: int) -> float:
    """Messages per second."""
    rig.renew()
    rig.make_topic()
    hidden: dict[str, str | int] = {"transactional.id": rig.topic, "transaction.timeout.ms": 600_000}
    sender = plant.producer(rig.servers, **hidden)
    sender.init_transactions(30)
    sender.begin_transaction()
    count = plant.fill(sender, rig.topic, PARTITIONS, STREAMS, STEPS)
    config = rig.prepare(url)
    engine, admin = create_engine(url), AdminClient({"bootstrap.servers": rig.servers})
    command = [sys.executable, "-m", "monitor", "run", str(config), "--json"]
    log = (rig.folder / f"{config.stem}.log").open("w")
    running = [subprocess.Popen(command, stderr=log, stdout=log, env=environ(), cwd=ROOT) for _ in range(workers)]
    try:
        until(lambda: shared(admin, config.stem, workers), running)
        time.sleep(2)  # what a worker does after it was given its partitions
        began, before = time.perf_counter(), used()
        sender.commit_transaction(60)
        until(lambda: committed(engine) >= count, running)  # and the marker of the transaction
        USED.update({name: round((took - before[name]) / count * 1e6, 2) for name, took in used().items()})
        return count / (time.perf_counter() - began)
    finally:
        engine.dispose()
        for process in running:
            process.terminate()
            process.wait(60)
        log.close()


def used() -> dict[str, float]:
    """Seconds of processor time that processes of these names have taken so far."""
    seconds = dict.fromkeys(("python", "postgres", "java"), 0.0)
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            name, _, rest = file.read_text().partition("(")[2].rpartition(")")
            fields = rest.split()
            if name in seconds:
                seconds[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def until(reached: Callable[[], bool], running: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait, as long as all workers live."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in running)
        time.sleep(LOOK_S)


def shared(admin: AdminClient, group: str, workers: int) -> bool:
    """Whether the partitions are shared out evenly."""
    try:
        found = admin.describe_consumer_groups([group])[group].result()
    except KafkaException:
        return False  # nobody has joined yet
    sizes = [len(member.assignment.topic_partitions) for member in found.members if member.assignment]
    return found.state == ConsumerGroupState.STABLE and sizes == [PARTITIONS // workers] * workers


def committed(engine: Engine) -> int:
    """Messages, over all partitions."""
    with engine.connect() as connection:
        return connection.execute(select(func.sum(schema.positions.c.next_offset))).scalar_one() or 0
