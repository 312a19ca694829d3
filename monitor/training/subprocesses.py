"""Training in another process: the worker reads on meanwhile, and needs none of the training's libraries."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import IO

import structlog

STOP_S = 10  # for a training that is terminated to delete its draft

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


def start(config: Path, stack: ExitStack, family: str, request: int | None = None) -> subprocess.Popen[bytes]:
    """Train a family with the command that a person would use; it ends with `stack` at the latest.

    With `request`, the id of a training, as that: its model has to challenge the champion.

    -P: no module is imported from the folder that the worker was started in, whatever lies there.
    Each line of its standard error becomes an entry of the log.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "monitor",
        "train",
        str(config),
        "--family",
        family,
        "--quiet",
        "--background",
    ]
    if request is not None:
        command += ["--challenge", "--request", str(request)]
    job = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 (our own command)
    assert job.stderr is not None  # noqa: S101 (a pipe was asked for)
    relay = Thread(target=_relay, args=(job.stderr, family), name="training output", daemon=True)
    relay.start()
    stack.callback(_end, job, relay)
    return job


def _relay(lines: IO[bytes], family: str) -> None:
    with lines:
        for line in lines:
            if text := line.decode("utf-8", "backslashreplace").rstrip():
                log.warning("training_output", family=family, text=text)


def _end(job: subprocess.Popen[bytes], relay: Thread) -> None:
    if job.poll() is None:
        job.terminate()
    try:
        job.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:  # a signal is handled between two steps of Python, and one may take long
        job.kill()
        job.wait()
    relay.join(STOP_S)
