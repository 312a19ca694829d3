"""Two dispatchers share an alarm flood while they are killed, and one receiver is dead: nothing is lost."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import flood
from tests.chaos.conftest import LONG

pytestmark = pytest.mark.timeout(3600 if LONG else 600)
ALERTS = 2500 if LONG else 100  # each with two messages to each of four channels
KILLS = 50 if LONG else 4


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


def started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def test_a_flood_is_delivered_in_order_though_dispatchers_are_killed(url: str, tmp_path: Path) -> None:
    flood.fill(url, ALERTS, ("dead", "picky", "quick", "slow"))
    logs = {kind: tmp_path / kind for kind in ("picky", "quick", "slow")}
    with ExitStack() as stack:
        at = {kind: stack.enter_context(flood.receiver(kind, log)) for kind, log in logs.items()}
        at["dead"] = flood.nothing_listens()
        served = (("dead", "picky", "slow"), ("picky", "quick", "slow"))
        commands = [
            [sys.executable, "-m", "tests.flood", "deliver", url, *(f"{name}={at[name]}" for name in names)]
            for names in served
        ]
        running = [started(command) for command in commands]
        try:
            for _ in range(KILLS):
                time.sleep(1.5)
                victim = random.randrange(2)
                running[victim].kill()
                running[victim].wait()
                running[victim] = started(commands[victim])
            left = flood.wait_until_only("dead", url, 3000 if LONG else 500)
        finally:
            for process in running:
                process.kill()
                process.wait()

    assert left.queues.keys() == {"dead"}
    assert left.queues["dead"].waiting == 2 * ALERTS
    messages = {kind: flood.taken(log) for kind, log in logs.items()}
    distinct = {kind: {message.id for message in taken} for kind, taken in messages.items()}
    assert len(distinct["quick"]) == len(distinct["slow"]) == 2 * ALERTS
    assert len(distinct["picky"]) + left.given_up == 2 * ALERTS
    for kind, taken in messages.items():
        assert flood.in_order(taken)
        assert len(taken) - len(distinct[kind]) <= 40 * KILLS  # what was sent and not yet recorded
