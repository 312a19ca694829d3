"""The thread that carries out timers of alerts: in a process that is killed, beside others, and while SQL is away."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from structlog.testing import capture_logs

from monitor.errors import StoreError
from monitor.ports.store import Commit
from monitor.records.alerts import Severity, TimerRules
from monitor.worker.alert_keeper import AlertKeeper
from tests.alert_keepers import SqlKeeper, render
from tests.store_rows import alert, fact

MINUTE = 60 * 10**9
T = 1_700_000_000 * 10**9
OPENED = alert(opened_at=T)
PROCESS = """
import sys, time
from pathlib import Path
from monitor.ports.store import silent
from monitor.store.alert_timers import open_alert_timers
from monitor.worker.alert_keeper import AlertKeeper

url, clock, looks = sys.argv[1], Path(sys.argv[2]), 0

def now():
    global looks
    looks += 1
    Path(sys.argv[3]).write_text(f"{looks} {clock.read_text()}")
    return int(clock.read_text())

keeper = AlertKeeper(open_alert_timers(url, silent), now)
keeper.start()
time.sleep(3600)
"""


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Process:
    """A real one, whose wall clock is what a file says."""

    def __init__(self, keeper: SqlKeeper, folder: Path) -> None:
        self._clock, self._looks = folder / "clock", folder / "looks"
        self._looks.unlink(missing_ok=True)
        command = [sys.executable, "-c", PROCESS, keeper.url, str(self._clock), str(self._looks)]
        self._process = subprocess.Popen(command)

    def pass_time(self, minute: float) -> None:
        """It is that minute now; returns when the process has looked twice since."""
        self._clock.write_text(str(round(T + minute * MINUTE)))
        for _ in range(2):
            before = self.looks
            until(lambda before=before: self.looks > before)  # type: ignore[misc]

    @property
    def looks(self) -> int:
        text = self._looks.read_text() if self._looks.exists() else ""
        return int(text.split()[0]) if text else 0

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


def causes(keeper: SqlKeeper) -> list[tuple[str, float]]:
    return [(str(t.cause), (t.at - T) / MINUTE) for t in keeper.kept().transitions[OPENED.id]]


def test_a_timer_goes_on_where_a_killed_process_left_it(tmp_path: Path) -> None:
    """Killed at minute 7 of 10, it fires at 10 and not at 17, and once although two processes look."""
    keeper = SqlKeeper(f"sqlite:///{tmp_path}/store.db")
    rules = {"machines": TimerRules(escalate_after=10 * MINUTE)}
    keeper.store().commit(Commit("live", facts=[fact(OPENED)], announce=render, rules=rules))
    (tmp_path / "clock").write_text(str(T))
    first = Process(keeper, tmp_path)
    try:
        first.pass_time(7)
    finally:
        first.kill()
    assert causes(keeper) == [("opened", 0)]

    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "clock").write_text(str(T + 7 * MINUTE))
    both = [Process(keeper, tmp_path), Process(keeper, tmp_path / "b")]
    try:
        for each in both:
            each.pass_time(9.9)
        assert causes(keeper) == [("opened", 0)]  # a restart does nothing by itself
        for each in both:
            each.pass_time(10.1)
        assert causes(keeper) == [("opened", 0), ("escalated", 10)]
    finally:
        for each in both:
            each.kill()
    assert keeper.kept().alerts[OPENED.id].severity is Severity.CRITICAL
    keeper.close()


class Broken:
    """Timers of a database that is away for the first looks."""

    def __init__(self, failures: int) -> None:
        self.failures, self.looks, self.closed = failures, 0, False

    def elapse(self, now: int) -> int:
        self.looks += 1
        if self.looks <= self.failures:
            raise StoreError("the database is away", transient=True)
        return 1 if self.looks == self.failures + 1 else 0

    def close(self) -> None:
        self.closed = True


def test_it_looks_again_while_sql_is_away_and_says_so_once() -> None:
    timers = Broken(3)
    keeper = AlertKeeper(timers)
    with capture_logs() as logs:
        waits = [keeper._try_turn() for _ in range(6)]
    assert waits == [5.0, 5.0, 5.0, 0.0, 1.0, 1.0]
    assert [entry["event"] for entry in logs] == ["alert_timers_failed", "alert_timers_elapsed"]


def test_it_stops_and_gives_its_connections_back() -> None:
    timers = Broken(0)
    keeper = AlertKeeper(timers)
    keeper.start()
    until(lambda: timers.looks > 1)
    keeper.stop()
    assert timers.closed
