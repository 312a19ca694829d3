"""A result on disk is the whole new one or the old one, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import resource
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.errors import OutputError, SettingsError
from monitor.outputs.replacing import refuse_inputs, replacing, write_files

LIMIT = 64 * 1024


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond `LIMIT`: writing fails in the middle, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write(path: Path, body: bytes = b"new") -> None:
    with replacing(path) as file:
        file.write(body)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_was_there_stays_until_the_whole_new_one_is(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def fail() -> None:
        with replacing(path) as file:
            file.write(bytes(LIMIT))
            assert path.read_bytes() == b"old"
            raise error

    with pytest.raises(error):
        fail()

    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out"]
    write(path)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("body", [bytes(10 * LIMIT), bytes(LIMIT + 1)])  # written in the block, and behind it
def test_a_disk_that_gets_full_is_explained_and_costs_nothing(tmp_path: Path, body: bytes, small_files: None) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    with pytest.raises(OutputError, match="out cannot be written: File too large; what it held before is unchanged"):
        write(path, body)

    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_what_the_system_says_is_explained(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "out").write_text("old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=f"out cannot be written: {os.strerror(number)}; what it held before is unch"):
        write(tmp_path / "out")
    assert names(tmp_path) == ["out"]


def test_a_pipe_without_a_reader_is_explained(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    def fail() -> None:
        with replacing(tmp_path / "pipe") as file:
            os.close(reader)
            file.write(bytes(LIMIT))

    with pytest.raises(OutputError, match="Broken pipe"):
        fail()
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write(tmp_path / "pipe")
    reader.join()

    assert found == [b"new"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(os.devnull)
    write(tmp_path / "link")

    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert (tmp_path / "link").is_symlink()


def test_a_file_that_this_process_has_open_is_written_to_and_keeps_its_name(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")
        write(tmp_path / "link")

        assert os.path.samestat(os.fstat(file.fileno()), (tmp_path / "out").stat())
    assert (tmp_path / "out").read_bytes() == b"new"
    assert names(tmp_path) == ["link", "out"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_leads_where_it_led(tmp_path: Path, there: bool) -> None:
    (tmp_path / "there").mkdir()
    if there:
        (tmp_path / "there" / "out").write_bytes(b"old")
    (tmp_path / "link").symlink_to("there/out")
    write(tmp_path / "link")

    assert (tmp_path / "link").readlink() == Path("there/out")
    assert (tmp_path / "there" / "out").read_bytes() == b"new"
    assert names(tmp_path / "there") == ["out"]


def test_a_new_file_has_the_mode_of_any_other_and_a_replaced_one_keeps_its(tmp_path: Path) -> None:
    before = os.umask(0o027)
    write(tmp_path / "new")
    os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640

    (tmp_path / "new").chmod(0o604)
    write(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o604


@pytest.mark.parametrize(
    ("name", "why"),
    [("nowhere/out", "No such file or directory.*make its folder first"),
     ("x" * 300, "File name too long"), ("folder", "Is a directory"),
     ("file/out", "Not a directory"), ("circle", "symbolic links")],
)  # fmt: skip
def test_a_place_that_cannot_be_written_to_is_refused_at_once(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")

    with pytest.raises(SettingsError, match=f"cannot be written: .*{why}"), replacing(tmp_path / name):
        pytest.fail("it was opened")


def test_a_name_as_long_as_can_be_is_written(tmp_path: Path) -> None:
    write(tmp_path / ("x" * 255))

    assert names(tmp_path) == ["x" * 255]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("name", ["locked/out", "locked"])
def test_what_this_user_may_not_write_is_refused(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    (place if name == "locked" else place.parent).touch()
    (tmp_path / "locked").chmod(0o500)

    with pytest.raises(SettingsError, match="Permission denied"):
        write(place)
    (tmp_path / "locked").chmod(0o700)


def test_an_input_is_found_under_any_name(tmp_path: Path) -> None:
    read = tmp_path / "in"
    read.touch()
    (tmp_path / "soft").symlink_to("in")
    (tmp_path / "hard").hardlink_to(read)
    for name in ("in", "soft", "hard", "../" + tmp_path.name + "/in"):
        with pytest.raises(SettingsError, match=r"--output: .* is a file that is read"):
            refuse_inputs("--output", tmp_path / name, [tmp_path / "missing", read])

    (tmp_path / "other").touch()
    refuse_inputs("--output", tmp_path / "other", [read])
    refuse_inputs("--output", tmp_path / "missing", [read])


def test_several_files_are_written_before_one_is_replaced(tmp_path: Path, small_files: None) -> None:
    folder = tmp_path / "new" / "folder"
    assert write_files(folder, {"a": b"1", "b": b"2"}) == [folder / "a", folder / "b"]

    with pytest.raises(OutputError):
        write_files(folder, {"a": b"3", "b": bytes(2 * LIMIT)})

    assert [(folder / name).read_bytes() for name in names(folder)] == [b"1", b"2"]
