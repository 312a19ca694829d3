"""Kafka and PostgreSQL killed under working workers, and a worker that comes back from the dead."""

from __future__ import annotations

import signal
import time
from itertools import pairwise

import numpy as np
import pytest

from tests.chaos import ledger
from tests.chaos.conftest import LONG, Build
from tests.chaos.fleet import Site, Worker
from tests.integration.broker import KafkaBroker
from tests.integration.postgres import PostgresServer

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(7200 if LONG else 900)]


def test_broker_and_database_are_killed(
    build: Build, kafka: KafkaBroker, postgres: PostgresServer, postgres_url: str
) -> None:
    """Both come back after a while; nobody restarts the workers."""
    away = 20 if LONG else 4
    with build(postgres_url) as site:
        site.plant.start()
        for number in range(2):
            site.start(number)
        site.wait_for_progress(500)
        kafka.kill()
        time.sleep(away)
        kafka.restart()
        site.wait_for_progress(500)
        postgres.kill()
        time.sleep(away)
        postgres.start()
        site.wait_for_progress(500)
        site.finish()
        assert any("store_unavailable" in worker.text() for worker in site.workers.values())


def test_a_zombie_is_fenced(build: Build, postgres_url: str) -> None:
    """A worker that stood still for longer than its session wakes up in the middle of its work."""
    with build(postgres_url) as site:
        site.plant.start()
        for number in range(2):
            site.start(number)
        site.wait_until(lambda: all(worker.has_partitions for worker in site.workers.values()), "partitions for both")
        for round_ in range(5 if LONG else 1):
            zombie = site.workers[round_ % 2]
            site.wait_for_progress(200)
            steps = zombie.text().count("stepping_down")
            zombie.signal(signal.SIGSTOP)
            _wait_for_all_partitions(site)
            zombie.signal(signal.SIGCONT)
            _wait_for_one_more(site, zombie, steps)
        site.finish()


def _wait_for_one_more(site: Site, zombie: Worker, steps: int) -> None:
    """Until the zombie has stepped down once more than `steps` times."""
    site.wait_until(lambda: zombie.text().count("stepping_down") > steps, "stepping down")


def _wait_for_all_partitions(site: Site) -> None:
    """Until somebody else works on what the stopped worker had."""
    before = site.positions()
    site.wait_until(lambda: all(site.positions()[p] > at + 50 for p, at in before.items()), "all partitions moving")


def test_one_worker_three_and_one_again(build: Build, postgres_url: str) -> None:
    with build(postgres_url) as site:
        site.plant.start()
        site.start(0)
        for _ in range(5 if LONG else 1):
            site.wait_for_progress(200)
            for number in (1, 2):
                site.start(number)
            helpers = [site.workers[number] for number in (1, 2)]
            site.wait_for_workers(3)
            site.wait_for_progress(500)
            for helper in helpers:
                del site.workers[helper.number]
                assert helper.stop() == 0, helper.text()
                site.wait_for_progress(200)
        site.finish()
        _report_pauses(site.settings.store.url)


def _report_pauses(url: str) -> None:
    """How long a partition stood still when it moved from one worker to another."""
    found = ledger.moves(url).values()
    pauses = [b.at - a.at for kept in found for a, b in pairwise(kept) if a.epoch != b.epoch]
    steady = [b.at - a.at for kept in found for a, b in pairwise(kept) if a.epoch == b.epoch]
    assert pauses
    p50, p95 = np.percentile(pauses, [50, 95])
    print(
        f"\nrebalance pause: {len(pauses)} moves of a partition, from its last commit to the next one p50 {p50:.2f} s, "
        f"p95 {p95:.2f} s; between commits otherwise p50 {np.percentile(steady, 50):.2f} s"
    )
