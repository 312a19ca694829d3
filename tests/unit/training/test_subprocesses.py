"""The training that a worker starts is Watchkeeper's, whatever lies in the folder the worker was started in."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from monitor.observability import logs
from monitor.training import subprocesses


@pytest.mark.parametrize(
    "name", ["typer.py", "monitor/__init__.py", "models/__init__.py", "numpy.py", "sitecustomize.py"]
)
def test_no_code_of_the_working_folder_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    planted, ran = tmp_path / name, tmp_path / "ran"
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f"open({str(ran)!r}, 'w').close()")
    (tmp_path / "plain.toml").write_text("families = {}")
    monkeypatch.chdir(tmp_path)

    with ExitStack() as stack:
        job = subprocesses.start(tmp_path / "plain.toml", stack, "pumps")
        assert job.wait(timeout=60) == 2  # the settings cannot be used; they were read

    assert not ran.exists()


def test_a_plain_folder_called_models_keeps_no_training_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "plain.toml").write_text("families = {}")
    monkeypatch.chdir(tmp_path)

    with ExitStack() as stack:
        assert subprocesses.start(tmp_path / "plain.toml", stack, "pumps").wait(timeout=60) == 2


def test_what_a_training_writes_to_standard_error_is_entries_of_the_log(tmp_path: Path) -> None:
    out = io.StringIO()
    logs.configure(json=True, stream=out)
    (tmp_path / "plain.toml").write_text("families = {}")

    with ExitStack() as stack:
        assert subprocesses.start(tmp_path / "plain.toml", stack, "pumps").wait(timeout=60) == 2

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert {(line["event"], line["family"]) for line in lines} == {("training_output", "pumps")}
    assert any("families" in line["text"] for line in lines)


def test_a_training_that_does_not_end_when_asked_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocesses, "STOP_S", 0.1)
    code = "import signal, sys; signal.signal(15, signal.SIG_IGN); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as job:
        assert job.stdout is not None
        job.stdout.readline()

        relay = threading.Thread()
        relay.start()
        subprocesses._end(job, relay)

        assert job.returncode == -9
