"""The demo step by step: publish, train, watch, replay. Each is what the command of that name does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from threading import Thread

from monitor import bootstrap
from monitor.config.settings import Settings
from monitor.demo.audit import Audit
from monitor.errors import MonitorError
from monitor.ports.store import ModelRow, Store
from monitor.records.batches import LIVE
from monitor.records.totals import Totals
from monitor.replay.bounded_run import Pinned, begin
from monitor.simulator.plant import Batch
from monitor.simulator.publish import Pace, publish
from monitor.training import fit
from monitor.training.model_manager import Champions
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner

LAG = 5000  # messages of a partition: far less than the embedded broker keeps
PATIENCE_S = 60.0  # without anything happening, before the demo gives up


class Publishing(Thread):
    """Publishes at the pace of the group that reads; `error` is what ended it early."""

    def __init__(self, settings: Settings, batches: Iterable[Batch]) -> None:
        super().__init__(name="simulator", daemon=True)
        self._kafka, self._batches = settings.kafka, batches
        self.sent = 0
        self.error: MonitorError | None = None

    def run(self) -> None:
        """The thread's work."""
        pace = Pace(self._kafka.group, LAG, PATIENCE_S)
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
    source = bootstrap.kafka_range(settings, {name: pipeline}, None, None)
    try:
        history = list(fit.gridded(pipeline, source))
    finally:
        source.close()
    detector, profiles = fit.train(family, history, lambda: bootstrap.detector(family), bootstrap.summary)
    model = fit.save(settings.models, name, detector, profiles)
    store.add_model(model)
    return model


def watch(
    settings: Settings, store: Store, simulator: Publishing, expected: int, look: Callable[[Totals], None]
) -> Totals:
    """Run the live worker and its dispatcher until `expected` messages have been read. Raises the simulator's error.

    It ends early, with fewer messages, when nothing has come for a minute.
    """
    pipelines = bootstrap.pipelines(settings)
    champions = Champions(store, LIVE, bootstrap.load_detector, bootstrap.summary)
    plan = WorkerOptions(commit_interval=settings.store.commit_interval / 1e9, announce=bootstrap.announce(settings))
    runner = Runner(partial(bootstrap.kafka_source, settings, pipelines), store, pipelines, champions, plan)
    patience = _Patience()
    dispatcher = bootstrap.dispatcher(settings)
    assert dispatcher is not None  # noqa: S101 (the demo's configuration has somebody to tell)
    dispatcher.start()
    simulator.start()
    try:
        totals = runner.run(
            lambda: (
                simulator.error is not None or runner.totals.records >= expected or patience.ends(runner.totals.records)
            ),
            look,
        )
        _drain(Audit.of(settings))
    finally:
        dispatcher.stop()
    if simulator.error is not None:
        raise simulator.error
    return totals


def replay(settings: Settings, store: Store, run: str) -> Totals:
    """Watch everything that is in Kafka once more, as a run of its own."""
    pipelines = bootstrap.pipelines(settings, run)
    begin(store, run, pipelines)
    champions = Pinned(Champions(store, run, bootstrap.load_detector, bootstrap.summary))
    plan = WorkerOptions(run=run, commit_interval=settings.store.commit_interval / 1e9, live=False)
    source = partial(bootstrap.kafka_range, settings, pipelines, None, None)
    return Runner(lambda _: source(), store, pipelines, champions, plan).run()


class _Patience:
    """Whether a number has stood still for too long."""

    def __init__(self) -> None:
        self._last, self._since = -1, time.monotonic()

    def ends(self, number: int) -> bool:
        if number != self._last:
            self._last, self._since = number, time.monotonic()
        return time.monotonic() - self._since > PATIENCE_S


def _drain(audit: Audit) -> None:
    """Wait until every notification has been delivered, or nothing moves any more."""
    patience = _Patience()
    while (pending := audit.pending()) and not patience.ends(pending):
        time.sleep(0.1)
