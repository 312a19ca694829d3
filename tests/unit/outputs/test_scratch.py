"""What killed processes leave is removed by the next one, and what a living one writes is not."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monitor.outputs import scratch

KILLED = """
import os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from monitor.outputs import scratch
folder = Path(sys.argv[1])
with scratch.file(folder) as file, scratch.draft(folder) as draft:
    os.write(file.descriptor, b"half")
    (draft / "half").write_text("half")
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    print(flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def use(folder: Path) -> None:
    with scratch.file(folder), scratch.draft(folder):
        pass


def test_nothing_is_left(tmp_path: Path) -> None:
    with scratch.file(tmp_path) as file, scratch.draft(tmp_path / "models") as draft:
        assert file.path.parent == tmp_path
        (draft / "inside").mkdir()
        assert len(names(tmp_path)) == 2

    assert names(tmp_path) == ["models"]
    assert names(tmp_path / "models") == []


def test_what_was_renamed_stays(tmp_path: Path) -> None:
    with scratch.draft(tmp_path) as draft:
        draft.rename(tmp_path / "kept")

    assert names(tmp_path) == ["kept"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "killed"], check=False)
    assert len(names(tmp_path)) == 2

    use(tmp_path)

    assert names(tmp_path) == []


def test_what_a_living_process_writes_is_left_alone_however_old(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), "living"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living:
        assert living.stdout is not None
        living.stdout.readline()
        before = names(tmp_path)
        for name in before:
            os.utime(tmp_path / name, (0, 0))
        use(tmp_path)
        assert names(tmp_path) == before
        living.communicate(b"")

    assert names(tmp_path) == []


@pytest.mark.parametrize("name", [".draft-0123", ".draft-another-1", ".watchkeeper-another-1.part"])
def test_what_another_machine_or_an_earlier_version_left_is_removed_after_a_day(tmp_path: Path, name: str) -> None:
    left = tmp_path / name
    left.touch()
    use(tmp_path)
    assert left.exists()
    os.utime(left, (0, 0))
    use(tmp_path)
    assert not left.exists()


def test_only_what_it_made_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".watchkeeper-mine.csv").touch()
    (tmp_path / "draft-1").touch()
    (tmp_path / "precious").touch()
    (tmp_path / ".draft-link").symlink_to("precious")
    os.mkfifo(tmp_path / ".draft-pipe")
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    before = names(tmp_path)

    use(tmp_path)

    assert names(tmp_path) == before


def test_many_at_once_do_not_sweep_each_other(tmp_path: Path) -> None:
    def used(_number: int) -> bool:
        with scratch.file(tmp_path) as file, scratch.draft(tmp_path) as draft:
            (draft / "inside").touch()
            return file.path.exists() and (draft / "inside").exists()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(used, range(400)))
    assert names(tmp_path) == []
