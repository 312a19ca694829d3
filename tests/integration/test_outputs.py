"""What a killed `score` leaves is removed by the next one, and a command that cannot print says so."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.test_score_outputs import OLD, command, make, score

PATIENCE_S = 200.0


def test_what_a_killed_score_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    path, out = make(tmp_path, 100_000), tmp_path / "out.csv"
    out.write_text(OLD)
    end = time.monotonic() + PATIENCE_S
    options = ("--output", out, "--detector", "mahalanobis")  # is trained in no time
    with subprocess.Popen(command(path, *options)) as running:
        while not any(each.stat().st_size for each in tmp_path.glob(".watchkeeper-*.part")):
            assert running.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)
        running.kill()
    assert out.read_text() == OLD
    assert len(list(tmp_path.iterdir())) == 3

    assert score(path, *options).returncode == 0

    assert len(out.read_text().splitlines()) == 100_001
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.csv", "out.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_what_cannot_be_printed_is_explained() -> None:
    with Path("/dev/full").open("w") as full:
        arguments = [sys.executable, "-m", "monitor", "--help"]
        done = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "error: what the command prints cannot be written: No space left on device\n"
