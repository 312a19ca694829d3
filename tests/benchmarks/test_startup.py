"""How long it takes until there is an answer: `--help`, short commands, and a worker that is ready to score."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from monitor.ports.store import Commit
from monitor.store.sql import open_store
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.rig import Rig, lane
from tests.benchmarks.scale import scaled
from tests.store_rows import alert, fact, state

TRIES = scaled(5, 2)


def test_help(report: Report) -> None:
    command = [str(Path(sys.executable).parent / "watchkeeper"), "--help"]
    found = []
    for _ in range(TRIES):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    report.add(Figure("watchkeeper --help, best", round(min(found), 3), (0.15,), "s", most=True))


CONFIG = """
store.url = "sqlite:///{folder}/w.db"
[families.machines]
topic = "machines"
interval = "10s"
recipe = "plain"
window.length = "1h"
[notify.hook]
kind = "webhook"
url = "https://hooks.example.org/x"
secret_env = ["HOOK_SECRET"]
"""


@pytest.mark.parametrize("command", ["alerts list --config", "streams list --config", "check"])
def test_short_commands(tmp_path: Path, report: Report, command: str) -> None:
    """Processor time beyond that of `--help`, which is measured in turn with it."""
    with closing(open_store(f"sqlite:///{tmp_path}/w.db")) as store:
        streams = store.open_streams("live", "machines", [f"m-{i}" for i in range(50)])
        opened = [fact(alert(stream=f"m-{i}", opened_at=10**9 + i)) for i in range(50)]
        store.commit(Commit("live", facts=opened, streams=[state(stream.id, b"") for stream in streams]))
    config = tmp_path / "c.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    program = str(Path(sys.executable).parent / "watchkeeper")
    both = [[program, "--help"], [program, *command.split(), str(config)]]
    found = [[processor_seconds(each) for each in both] for _ in range(TRIES)]
    least, most = (min(column) for column in zip(*found, strict=True))
    name = command.removesuffix(" --config")
    detail = {"of --help": round(least, 3), "ratio": round(most / least, 2)}
    measure = f"watchkeeper {name}, processor beyond --help, best"
    report.add(Figure(measure, round(most - least, 3), (0.4,), "s", most=True, detail=detail))


def processor_seconds(command: list[str]) -> float:
    """User and system time of a process."""
    environ = os.environ | {"HOOK_SECRET": "a raw passphrase, used as its bytes"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_ready(tmp_path: Path, report: Report) -> None:
    """From the start of the process to the first poll, with the family's model loaded; no broker has to answer."""
    config = Rig(tmp_path, "127.0.0.1:9", 16).prepare()
    found = [lane("product.ready", config, time.time())["seconds"] for _ in range(TRIES)]
    report.add(Figure("worker ready to score, best", min(found), (0.8,), "s", most=True))
