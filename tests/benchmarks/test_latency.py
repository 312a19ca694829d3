"""From produce to a durable alert, at 2,000 messages a second, beside what the broker needs to bring a message at all.

Two thousand streams send one reading a second each; ten times a second one of them sends a reading far outside, in the
second in which a window of it ends, and that is an alert. A bare consumer reads the same topic at the same time: what
it waits for is the broker's part. All clocks are one machine's.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer

from tests.benchmarks import plant
from tests.benchmarks.lanes.latency import READY
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.rig import PARTITIONS, Rig, finish, start
from tests.benchmarks.scale import scaled
from tests.integration.broker import KafkaBroker

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(1800)]
STREAMS = 2000  # one reading a second each: the rate
SECONDS = scaled(100, 10)
ALERTS = 10  # a second
HOP = 10
PIECES = 200  # of a second, in which messages go out
OUTSIDE = 50.0
Times = dict[tuple[str, int], int]  # by stream and time of the reading


class Traffic:
    """The messages: stream i is i % HOP steps ahead, so that windows end all the time."""

    def __init__(self, servers: str, topic: str) -> None:
        self._sender = Producer({"bootstrap.servers": servers, "linger.ms": 5, "enable.idempotence": True})
        self._topic = topic
        self._names = [name.encode() for name in plant.names(STREAMS)]
        self._ahead = np.arange(STREAMS) % HOP
        self.warm, self.total = int(self._ahead.sum()), int(self._ahead.sum()) + STREAMS * SECONDS
        self.sent: Times = {}
        rng = np.random.default_rng(0)
        chosen = rng.choice(STREAMS, min(STREAMS, ALERTS * SECONDS), replace=False)
        self._marked = {(int(i), int(rng.integers(SECONDS // HOP))) for i in chosen}  # with which of its windows

    def begin(self) -> None:
        """Those by which streams are ahead."""
        for i in range(STREAMS):
            for step in range(int(self._ahead[i])):
                self._send(i, step)
        assert self._sender.flush(30) == 0

    def run(self) -> None:
        """All others, at their time."""
        began, piece = time.perf_counter(), STREAMS // PIECES
        for turn in range(SECONDS * PIECES):
            time.sleep(max(0.0, began + turn / PIECES - time.perf_counter()))
            second, first = divmod(turn * piece, STREAMS)
            for i in range(first, first + piece):
                self._send(i, int(self._ahead[i]) + second)
            self._sender.poll(0)
        assert self._sender.flush(30) == 0

    def _send(self, i: int, step: int) -> None:
        second, at = step - int(self._ahead[i]), plant.START_S + plant.LENGTH + step
        mark = second >= 0 and (at + 1) % HOP == 0 and (i, second // HOP) in self._marked
        body = plant.bodies(np.array([OUTSIDE if mark else np.sin((plant.LENGTH + step) / plant.RATE)]), step)[0]
        if mark:
            self.sent[self._names[i].decode(), at * 10**9] = time.time_ns()
        self._sender.produce(self._topic, body, self._names[i], partition=i % PARTITIONS)


def test_alerts(kafka: KafkaBroker, tmp_path: Path, report: Report) -> None:
    rig = Rig(tmp_path, kafka.bootstrap_servers, STREAMS, family="alerts = { open_count = 1, open_of = 1 }")
    rig.make_topic()
    traffic = Traffic(rig.servers, rig.topic)
    traffic.begin()
    lanes = [start("latency.alerts", rig.prepare(), traffic.total, traffic.warm),
             start("latency.arrivals", rig.servers, rig.topic, traffic.total, traffic.warm)]  # fmt: skip
    for lane in lanes:
        wait(lane)
    traffic.run()
    results = [finish(lane) for lane in lanes]
    product, bare = (milliseconds(result["found"], traffic.sent) for result in results)
    assert len(product) == len(bare) == len(traffic.sent)
    (p50, p99), (bare50, bare99) = (np.percentile(times, (50, 99)).round(1).tolist() for times in (product, bare))
    detail = {"alerts": len(product), "p50_ms": p50, "p99_ms": p99, "broker_p50_ms": bare50, "broker_p99_ms": bare99,
              "commit_ms": results[0]["commit_ms"]}  # fmt: skip
    name = "produce to committed alert, p99, beyond the broker's own"
    report.add(Figure(name, round(p99 - bare99, 1), (50, 25, 15), "ms", most=True, detail=detail))


def wait(lane: subprocess.Popen[str]) -> None:
    """Until it has read what was there before."""
    assert lane.stdout is not None
    line = lane.stdout.readline().strip()
    assert line == READY, (line, lane.stderr and lane.stderr.read()[-3000:])


def milliseconds(found: list[tuple[str, int, int]], sent: Times) -> list[float]:
    """From each marked reading's sending; other alerts do not count."""
    return [(now - sent[stream, at]) / 1e6 for stream, at, now in found if (stream, at) in sent]
