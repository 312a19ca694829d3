"""Two `watchkeeper dispatch` are killed over and over while they share one outbox: no message is lost.

One channel is plain, one has a rate and joins what is beyond it into digests, and one is dead and has a stand-in.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import Row, select

from monitor.store import schema
from monitor.store.engine import connect
from monitor.store.migrations import upgrade
from tests import flood
from tests.chaos.conftest import LONG
from tests.chaos.test_flood import started, url
from tests.integration.test_hostile_receiver import posts, receiver

__all__ = ["url"]
pytestmark = pytest.mark.timeout(3600 if LONG else 600)
KILLS = 100 if LONG else 5
FEW = 40  # alerts before each kill, each with two messages to each of three channels
ALERTS = FEW * KILLS
CHANNELS = ("quick", "limited", "dead")
RULES = {  # of each channel, in the settings
    "quick": "", "limited": "per_minute = {per_minute}", "dead": 'fallback = "second"\nfallback_after = "1s"',
    "second": "",
}  # fmt: skip
PER_MINUTE = 30  # of five seconds
CONFIG = """\
store.url = "{url}"
[families.temperature]
topic = "t"
interval = "10s"
window.length = 8
""" + "".join(
    f"""\
[notify.{name}]
kind = "webhook"
url = "{{{name}}}"
secret_env = ["S"]
allow_hosts = ["127.0.0.1"]
timeout = "2s"
{rules}
"""
    for name, rules in RULES.items()
)


def rows_of(url: str, channel: str) -> list[Row[tuple[object, ...]]]:
    with closing(connect(url)) as database, database.reading() as connection:
        o = schema.outbox.c
        return list(connection.execute(select(schema.outbox).where(o.channel == channel).order_by(o.id)))


def test_nothing_is_lost_though_dispatchers_are_killed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S", flood.SECRET)
    upgrade(url)
    logs = {name: tmp_path / f"{name}.log" for name in ("quick", "limited", "second")}
    config = tmp_path / "plant.toml"
    with ExitStack() as stack:
        at = {name: stack.enter_context(receiver(log)) for name, log in logs.items()}
        config.write_text(CONFIG.format(url=url, dead=flood.nothing_listens(), per_minute=PER_MINUTE, **at))
        command = [sys.executable, "-m", "tests.flood", "dispatch", str(config)]
        running: list[subprocess.Popen[bytes]] = [started(command) for _ in range(2)]
        try:
            for number in range(KILLS):
                flood.fill(url, FEW, CHANNELS, first=FEW * number)
                time.sleep(random.uniform(0.1, 3))  # in the middle of it, or later
                victim = random.randrange(2)
                running[victim].kill()
                running[victim].wait()
                running[victim] = started(command)
            left = flood.wait_until_only("dead", url, 3000 if LONG else 500)
        finally:
            for process in running:
                process.kill()
                process.wait()

    assert left.queues["dead"].waiting == len(rows_of(url, "second")) == 2 * ALERTS
    for name in ("quick", "second"):
        arrived = posts(logs[name])
        messages = [
            flood.Message(post["id"], post["message"]["data"]["alert_id"], post["message"]["data"]["number"])
            for post in arrived
        ]
        assert len({message.id for message in messages}) == 2 * ALERTS
        assert flood.in_order(messages)
        assert len(messages) <= 2 * ALERTS + 40 * KILLS  # what was sent and not yet recorded
    assert all(post["message"]["fallback_for"] == "dead" for post in posts(logs["second"]))
    check_digests(url, {post["id"]: post["message"] for post in posts(logs["limited"])})


def check_digests(url: str, arrived: dict[str, dict[str, dict[str, int]]]) -> None:
    """Every message arrived as it is, or in a digest that did, and the digests count them."""
    rows = rows_of(url, "limited")
    digests = {row.id: row for row in rows if row.transition is None}
    assert digests
    assert all(row.delivered_at is not None for row in rows)
    assert all(str((digests[row.digest] if row.digest else row).message) in arrived for row in rows)
    joined = sum(row.digest is not None for row in rows)
    assert joined == sum(arrived[str(row.message)]["data"]["messages"] for row in digests.values())
    assert len(rows) - len(digests) == 2 * ALERTS
