"""Training in another process: the worker reads on meanwhile, and needs none of the training's libraries."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

STOP_S = 10  # for a training that is terminated


def start(config: Path, stack: ExitStack, family: str) -> subprocess.Popen[bytes]:
    """Train a family with the command that a person would use; it ends with `stack` at the latest.

    -P: no module is imported from the folder that the worker was started in, whatever lies there.
    """
    command = [sys.executable, "-P", "-m", "monitor", "train", str(config), "--family", family, "--quiet"]
    job = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 (our own command)
    stack.callback(_end, job)
    return job


def _end(job: subprocess.Popen[bytes]) -> None:
    if job.poll() is None:
        job.terminate()
    job.wait(timeout=STOP_S)
