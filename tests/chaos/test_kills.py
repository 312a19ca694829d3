"""Workers killed with -9 at random moments, again and again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.conftest import LONG, Build
from tests.chaos.fleet import Site, havoc

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(7200 if LONG else 900)]


@contextmanager
def reported(site: Site, what: str) -> Iterator[None]:
    """Print what was done, once the ledger is balanced."""
    began = time.monotonic()
    yield
    found = site.finish()
    done = sum(not refused for refused in found.commands.values())
    print(
        f"\n{what}: {site.kills} kills, {len(site.plant.sent):,} records, {len(found.scores):,} windows, "
        f"{len(found.transitions)} transitions, {len(found.commands)} commands of people, {done} carried out, in "
        f"{time.monotonic() - began:.0f} s: balanced"
    )


@pytest.mark.postgres
def test_three_workers_on_postgresql(build: Build, postgres_url: str) -> None:
    with build(postgres_url) as site, reported(site, "three workers on PostgreSQL"):
        site.plant.start()
        havoc(site, kills=200 if LONG else 10, workers=3, rng=random.Random(7))


def test_one_worker_on_sqlite(build: Build, tmp_path: Path) -> None:
    with build(f"sqlite:///{tmp_path}/store.db") as site, reported(site, "one worker on SQLite"):
        site.plant.start()
        havoc(site, kills=100 if LONG else 10, workers=1, rng=random.Random(11))
