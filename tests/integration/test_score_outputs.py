"""`score` never harms a file: neither its input by another name, nor what an earlier run has written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

OLD = "an earlier result\n"


def make(folder: Path, rows: int = 1500, *, bad: bool = False) -> Path:
    """A file of readings; a `bad` one has nothing to learn from."""
    rng, path = np.random.default_rng(0), folder / "in.csv"
    lines = [f"{1_700_000_000 + i * 10},{'x' if bad else rng.normal(20, 1):}" for i in range(rows)]
    path.write_text("time,value\n" + "\n".join(lines) + "\n")
    return path


def command(*arguments: object, limit: int | None = None) -> list[str]:
    """`watchkeeper score`; no file of more than `limit` bytes can be written, bytecode neither: it would be cut."""
    limited = (
        "" if limit is None else f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    )
    code = f"{limited}from monitor.cli.app import main\nmain()"
    return [
        sys.executable,
        "-B",
        "-c",
        code,
        "score",
        *map(str, arguments),
        "--time",
        "time",
        "--train-rows",
        "300",
        "--quiet",
    ]


def score(*arguments: object, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments, limit=limit), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("link", ["hard", "soft"])
def test_an_output_that_is_the_input_is_refused(tmp_path: Path, link: str) -> None:
    path, other = make(tmp_path), tmp_path / "out.csv"
    other.hardlink_to(path) if link == "hard" else other.symlink_to(path)
    before = path.read_bytes()

    done = score(path, "--output", other)

    assert done.returncode == 2
    assert "is a file that is read" in done.stderr
    assert path.read_bytes() == before


def test_a_training_that_fails_leaves_the_earlier_result(tmp_path: Path) -> None:
    path, out = make(tmp_path, bad=True), tmp_path / "out.csv"
    out.write_text(OLD)

    assert score(path, "--output", out).returncode == 5
    assert out.read_text() == OLD
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.csv", "out.csv"]


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_a_full_disk_is_explained_and_leaves_the_earlier_result(tmp_path: Path, name: str) -> None:
    path, out = make(tmp_path, 6000), tmp_path / name
    out.write_text(OLD)

    done = score(path, "--output", out, limit=4096)

    assert done.returncode == 1
    assert f"{name} cannot be written: File too large; what it held before is unchanged" in done.stderr
    assert "Traceback" not in done.stderr
    assert out.read_text() == OLD
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(["in.csv", name])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_the_earlier_result(tmp_path: Path, number: signal.Signals) -> None:
    path, out = make(tmp_path, 300_000), tmp_path / "out.csv"
    out.write_text(OLD)
    heard = ["env", f"--default-signal={number.name.removeprefix('SIG')}"]  # under nohup the tests ignore SIGHUP
    running = subprocess.Popen([*heard, *command(path, "--output", out)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 180
    while not any(each.name.endswith(".part") and each.stat().st_size for each in tmp_path.iterdir()):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.02)
    os.kill(running.pid, number)
    _, errors = running.communicate(timeout=180)

    assert running.returncode in {128 + number, 130}
    assert b"Traceback" not in errors
    assert out.read_text() == OLD
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.csv", "out.csv"]
