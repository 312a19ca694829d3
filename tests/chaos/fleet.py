"""Workers as people run them, `python -m monitor run CONFIG`, to be started, killed, stopped and looked at."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from monitor.config.settings import Settings, load
from monitor.store.migrations import upgrade
from monitor.store.sql import open_store
from tests.champions import install_champion
from tests.chaos import ledger
from tests.chaos.person import Person
from tests.chaos.plant import Plant

PATIENCE_S = 240  # for anything to come about: machines may be slow

CONFIG = """
models = "{models}"
[kafka]
bootstrap_servers = "{servers}"
group = "{topic}"
[kafka.options]
"session.timeout.ms" = 3000
"heartbeat.interval.ms" = 300
"reconnect.backoff.max.ms" = 500
[store]
url = "{url}"
commit_interval = "200ms"
[families.plant]
topic = "{topic}"
interval = "1s"
format = {{ time_unit = "s" }}
recipe = "plain"
window = {{ length = 16 }}
threshold = {{ history = "5m", n_std = 6 }}
train = {{ after = 100000000 }}
[notify]
max_age = "none"
[notify.log]
kind = "log"
"""


@dataclass
class Worker:
    """One process and its log."""

    number: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def at_work(self) -> bool:
        """Whether it has become a member of the group."""
        return "partitions_assigned" in self.text()

    @property
    def has_partitions(self) -> bool:
        """Whether it has been given some; a member may wait for its first ones."""
        return '"partitions": ["' in self.text()

    def signal(self, number: signal.Signals) -> None:
        """SIGKILL, SIGSTOP, SIGCONT, SIGTERM."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns its exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_S)

    def text(self) -> str:
        """What it has logged."""
        return self.log.read_text(errors="replace")


@dataclass
class Site:
    """A plant, a database and the workers between them."""

    config: Path
    settings: Settings
    plant: Plant
    model: Path  # its folder
    workers: dict[int, Worker] = field(default_factory=dict)
    person: Person | None = None
    kills: int = 0
    _started: int = 0

    def start(self, number: int) -> Worker:
        """Start worker `number`, or start it again."""
        self._started += 1
        log = self.config.parent / f"worker-{number}-{self._started}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "monitor", "run", str(self.config), "--json"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=os.environ | {"OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        self.workers[number] = Worker(number, process, log)
        return self.workers[number]

    def kill(self, number: int) -> None:
        """Kill -9 a worker, which must have been alive till now."""
        worker = self.workers[number]
        assert worker.running, f"worker {number} ended by itself:\n{worker.text()[-3000:]}"
        worker.kill()
        self.kills += 1

    @property
    def at_work(self) -> list[int]:
        """Numbers of the workers that have become members of the group."""
        return [number for number, worker in sorted(self.workers.items()) if worker.at_work]

    def positions(self) -> dict[int, int]:
        """Next offset of each partition; nothing while the database is away."""
        engine = create_engine(self.settings.store.url)
        try:
            with engine.connect() as connection:
                query = 'SELECT "partition", next_offset FROM positions WHERE next_offset IS NOT NULL'
                return {row[0]: row[1] for row in connection.execute(text(query))}
        except SQLAlchemyError:
            return {}
        finally:
            engine.dispose()

    def wait_until(self, reached: Callable[[], bool], what: str) -> None:
        """Until it is so; no worker may end meanwhile."""
        deadline = time.monotonic() + PATIENCE_S
        while not reached():
            for worker in self.workers.values():
                assert worker.running, f"worker {worker.number} ended by itself:\n{worker.text()[-3000:]}"
            assert time.monotonic() < deadline, f"{what} did not come about within {PATIENCE_S:g} s\n{self._said()}"
            time.sleep(0.1)

    def _said(self) -> str:
        """What each worker said last."""
        return "\n".join(f"worker {n}:\n{worker.text()[-3000:]}" for n, worker in sorted(self.workers.items()))

    def wait_for_workers(self, count: int) -> None:
        """Until that many are at work."""
        self.wait_until(lambda: len(self.at_work) >= count, f"{count} workers at work")

    def wait_for_progress(self, records: int = 1) -> None:
        """Until that many more records are committed."""
        before = sum(self.positions().values())
        self.wait_until(lambda: sum(self.positions().values()) >= before + records, "progress")

    def finish(self) -> ledger.Facts:
        """Let the workers read to the end, stop them, and check the ledger."""
        self.plant.stop()
        self.wait_until(lambda: self.positions() == self.plant.ends, "the end of the topic")
        for worker in self.workers.values():
            assert worker.stop() == 0, worker.text()[-3000:]
        given = {} if self.person is None else self.person.stop()
        return ledger.check(self.plant, self.settings, self.model, given)


def havoc(site: Site, kills: int, workers: int, rng: random.Random) -> None:
    """Kill -9 one to three of the workers at work, at any moment, and start them again; on and on.

    Meanwhile a person acknowledges alerts, and takes that back.
    """
    site.person = Person(site.settings, random.Random(rng.random()))
    site.person.start()
    for number in range(workers):
        site.start(number)
    while site.kills < kills:
        count = min(rng.choice((1, 1, 2, 3)), workers, kills - site.kills)
        site.wait_for_workers(count)
        site.wait_for_progress()
        time.sleep(rng.uniform(0, 1))
        victims = rng.sample(site.at_work, count)
        for number in victims:
            site.kill(number)
        for number in victims:
            site.start(number)
        if site.kills % 10 < len(victims):
            print(f"{site.kills} kills, {len(site.plant.sent):,} records sent", flush=True)


@contextmanager
def built(folder: Path, servers: str, url: str, model: Path, plant: Plant) -> Iterator[Site]:
    """A site with its tables and its model; what still runs at the end is killed."""
    config = folder / "watchkeeper.toml"
    config.write_text(CONFIG.format(models=folder / "models", servers=servers, topic=plant.topic, url=url))
    settings = load(config, {})
    upgrade(settings.store.url)
    ledger.keep_moves(settings.store.url)
    store = open_store(settings.store.url)
    install_champion(store, "plant", model)
    store.close()
    site = Site(config, settings, plant, model)
    try:
        yield site
    finally:
        for worker in site.workers.values():
            worker.kill()
        if site.person is not None:
            site.person.stop()
