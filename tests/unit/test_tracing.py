"""No thread ends because another one begins to be traced."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THREADS = 40
PROGRAM = f"""
import sys, threading, time
from tests.tracing import one_by_one

sys.addaudithook(lambda event, _: time.sleep(0.001) if event == "sys.settrace" else None)  # threads change here
traced, ran = [], []

def trace(frame, event, argument):
    sys.settrace(None)
    traced.append(event)

threading.excepthook = sys.unraisablehook = lambda _: None
threading.settrace(trace)
SERIAL
threads = [threading.Thread(target=ran.append, args=(None,)) for _ in range({THREADS})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(traced), len(ran))
"""


def run(serial: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM.replace("SERIAL", serial)]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()


def test_every_thread_is_traced_and_runs() -> None:
    assert run("one_by_one()") == [str(THREADS)] * 2


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="only Python up to 3.11 is known to end threads")
def test_without_it_threads_end() -> None:
    assert run("") != [str(THREADS)] * 2
