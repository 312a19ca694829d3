"""Work in processes: results in order, errors handed on, and an end when the command is to end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.cli.evaluation.workers import in_processes
from monitor.errors import RecordError

ENDED = """
import signal, sys
from monitor.cli.evaluation.workers import in_processes
from tests.unit.cli.evaluation.test_workers import begun

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    in_processes(begun, [sys.argv[1]] * 1000, jobs=1, title="x", quiet=True)
"""


def doubled(number: int) -> int:
    if number < 0:
        raise RecordError(f"{number} is negative")
    return 2 * number


def begun(path: str) -> None:
    with Path(path).open("a") as file:
        file.write("x")
    time.sleep(0.2)


def test_results_come_in_the_order_of_what_was_given() -> None:
    assert in_processes(doubled, [3, 1, 2], jobs=2, title="x", quiet=True) == [6, 2, 4]


def test_an_error_of_one_ends_all() -> None:
    with pytest.raises(RecordError, match="-1 is negative"):
        in_processes(doubled, [1, -1, *range(50)], jobs=1, title="x", quiet=True)


def test_a_command_that_is_to_end_does(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(ENDED, encoding="utf-8")
    root, started = Path(__file__).parents[4], tmp_path / "started"
    command = [sys.executable, str(tmp_path / "run.py"), str(started)]
    with subprocess.Popen(command, cwd=root, env={"PYTHONPATH": str(root)}, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None and not (started.exists() and started.stat().st_size >= 5):
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)

            assert process.wait(timeout=120) == 143
        finally:
            process.kill()
