"""The steps of the demo: publish, train, watch, replay. Each does what the command of that name does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import Thread

from monitor import bootstrap
from monitor.config.settings import Settings
from monitor.demo.audit import Audit
from monitor.errors import MonitorError
from monitor.ports.models import ModelRow
from monitor.ports.store import Store
from monitor.records.totals import Totals
from monitor.replay.bounded_run import Replay
from monitor.simulator.plant import Batch
from monitor.simulator.publish import Pace, publish
from monitor.training import fit
from monitor.training.train_family import train_family

MAX_LAG = 5000  # messages of a partition; the embedded broker keeps far more
STALLED_S = 60.0  # without progress, before the demo gives up


class Publishing(Thread):
    """Publishes at the pace of the consumer group; `error` ended it early."""

    def __init__(self, settings: Settings, batches: Iterable[Batch]) -> None:
        super().__init__(name="simulator", daemon=True)
        self._kafka, self._batches = settings.kafka, batches
        self.sent = 0
        self.error: MonitorError | None = None

    def run(self) -> None:
        """The thread's work."""
        pace = Pace(self._kafka.group, MAX_LAG, STALLED_S)
        servers = {"bootstrap.servers": self._kafka.bootstrap_servers}
        try:
            publish(self._batches, servers, pace=pace, progress=self._count)
        except MonitorError as error:
            self.error = error

    def _count(self, messages: int) -> None:
        self.sent += messages


def train(settings: Settings, name: str, store: Store) -> ModelRow:
    """Train a family on everything its topic holds, and make the model its champion."""
    family = settings.families[name]
    pipeline = bootstrap.pipeline(name, family)
    source = bootstrap.kafka_range(settings, {name: pipeline})
    try:
        history = list(fit.gridded(pipeline, source))
    finally:
        source.close()
    library = bootstrap.library(settings, store)
    return train_family(library, name, family, history, lambda: bootstrap.detector(family), bootstrap.normal_scores())


def watch(settings: Settings, simulator: Publishing, expected: int, look: Callable[[Totals], None]) -> Totals:
    """Run the live worker and its dispatcher until `expected` messages have been read. Raises the simulator's error.

    It ends early, with fewer messages, when none has come for `STALLED_S`.
    """
    stalled = _Stalled()
    with bootstrap.worker(settings) as (runner, *_):

        def stop() -> bool:
            read = runner.totals.records
            return simulator.error is not None or read >= expected or stalled.at(read)

        simulator.start()
        totals = runner.run(stop, look)
        _drain(Audit.of(settings))
    if simulator.error is not None:
        raise simulator.error
    return totals


def replay(settings: Settings, run: str) -> Totals:
    """Watch everything that is in Kafka once more, under another run name."""
    past = Replay(run, lambda running, _: bootstrap.kafka_range(settings, running))
    with bootstrap.worker(settings, replay=past) as (runner, *_):
        return runner.run()


class _Stalled:
    """Whether a number has not changed for `STALLED_S`."""

    def __init__(self) -> None:
        self._last, self._since = -1, time.monotonic()

    def at(self, number: int) -> bool:
        if number != self._last:
            self._last, self._since = number, time.monotonic()
        return time.monotonic() - self._since > STALLED_S


def _drain(audit: Audit) -> None:
    """Wait until every notification has been delivered, or none is for `STALLED_S`."""
    stalled = _Stalled()
    while (pending := audit.pending()) and not stalled.at(pending):
        time.sleep(0.1)
