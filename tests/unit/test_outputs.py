"""A file that a person names appears whole, or what was there stays."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from monitor.errors import MonitorError, OutputError
from monitor.outputs import explained, is_one_of, replacing


def test_it_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with replacing(path) as draft:
        draft.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_what_was_there_stays(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as draft:
            draft.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_and_permissions_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    with replacing(link) as draft:
        draft.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    with replacing(tmp_path / "out") as draft:
        draft.write_text("new")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with replacing(pipe) as target:
        target.write_text("through")
    reader.join(10)
    assert read == ["through"]
    assert pipe.is_fifo()


def test_the_system_s_error_is_explained(tmp_path: Path) -> None:
    said = r"out.csv cannot be written: No space left on device; what it held before"
    with pytest.raises(OutputError, match=said), explained(tmp_path / "out.csv"):
        raise OSError(28, "No space left on device")
    assert issubclass(OutputError, MonitorError)


def test_one_file_by_several_names(tmp_path: Path) -> None:
    one, hard, soft, other = (tmp_path / name for name in ("one", "hard", "soft", "other"))
    one.write_text("x")
    other.write_text("x")
    hard.hardlink_to(one)
    soft.symlink_to(one)
    assert all(is_one_of(path, [other, one]) for path in (one, hard, soft))
    assert not is_one_of(other, [one])
    assert not is_one_of(tmp_path / "none", [one, tmp_path / "none"])
