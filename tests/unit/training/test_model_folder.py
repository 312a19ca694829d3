"""A model as folder and blob: equal both ways, one id for all files, and nothing gets out of its folder."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from monitor.errors import ModelError
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.batches import Float32
from monitor.training import model_folder
from tests.unit.training.test_fit import Recording, family

ONE: Float32 = np.ones(1, np.float32)


def written(root: Path, level: float = 0.0) -> Path:
    return model_folder.write(root, family(), Recording(), {"a": Profile(ONE * level, ONE, 1.0, 0.5, 60, 5, 95, 10)})


def blob(files: list[list[object]], body: bytes) -> bytes:
    header = json.dumps(files).encode()
    return b"watchkeeper model 1\n" + len(header).to_bytes(4, "big") + header + body


def test_a_folder_survives_the_blob(tmp_path: Path) -> None:
    folder = written(tmp_path / "here")
    body = model_folder.pack(folder)
    there = tmp_path / "there"
    there.mkdir()
    model_folder.unpack(body, there)

    assert model_folder.identity(body) == folder.name
    assert model_folder.pack(there) == body
    assert model_folder.holds(there, folder.name)


@pytest.mark.parametrize("name", ["detector/manifest.json", "profiles.json", "profiles.safetensors"])
def test_the_id_covers_every_file(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path)
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")

    assert not model_folder.holds(folder, folder.name)


def test_a_file_too_many_or_too_few_is_another_model_but_a_hidden_one_is_not(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / ".nfs123").write_bytes(b"left by a file system")
    assert model_folder.holds(folder, folder.name)
    (folder / "more").write_bytes(b"")
    assert not model_folder.holds(folder, folder.name)
    (folder / "more").unlink()
    (folder / "profiles.json").unlink()
    assert not model_folder.holds(folder, folder.name)


def test_the_manifest_says_channels_span_recipe_and_the_hashes_of_the_profiles(tmp_path: Path) -> None:
    folder = written(tmp_path)
    manifest = json.loads((folder / "detector" / "manifest.json").read_text())

    names = ("profiles.safetensors", "profiles.json")
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    assert manifest == {"channel_names": ["value"], "span": [5, 95], "beside": hashes | {"recipe": "plain"}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"\x80\x04pickle",
        blob([["../up", 1]], b"x"),
        blob([["/etc/x", 1]], b"x"),
        blob([["a/../../x", 1]], b"x"),
        blob([["..", 1]], b"x"),
        blob([["a\\b", 1]], b"x"),
        blob([["a/b/c", 1]], b"x"),
        blob([[".hidden", 1]], b"x"),
        blob([["a", 1], ["a", 1]], b"xy"),
        blob([["a", 2]], b"x"),
        blob([["a", -1], ["b", 2]], b"x"),
        blob([["a", 1]], b"xy"),
        b"watchkeeper model 1\n" + (200_000).to_bytes(4, "big") + b"[" * 200_000,
    ],
)
def test_a_blob_that_is_no_packed_model_writes_nothing(tmp_path: Path, body: bytes) -> None:
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)

    with pytest.raises(ModelError, match="no packed model"):
        model_folder.unpack(body, folder)

    assert list(tmp_path.rglob("*")) == [tmp_path / "in", folder]


def test_trainings_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda level: written(tmp_path, level), [0.0, 1.0, 2.0, 3.0] * 8))

    assert len(set(folders)) == 4
    assert all(model_folder.holds(folder, folder.name) for folder in folders)
    assert sorted(tmp_path.iterdir()) == sorted(set(folders))  # no draft is left


def test_equal_models_written_at_the_same_time_are_never_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even for a moment: the one that is there may be read just then."""
    holds, rename = model_folder.holds, Path.rename
    both = threading.Barrier(2)
    renamed: list[str] = []

    def holds_for_both(folder: Path, model: str) -> bool:
        found = holds(folder, model)
        with suppress(threading.BrokenBarrierError):
            both.wait(1)  # without the lock both have looked before either goes on
        return found

    def noted(path: Path, target: Path) -> Path:
        renamed.append(path.name[:7])
        return rename(path, target)

    monkeypatch.setattr(model_folder, "holds", holds_for_both)
    monkeypatch.setattr(Path, "rename", noted)
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: written(tmp_path), range(2)))

    assert renamed == [".draft-"]
    assert holds(folders[0], folders[1].name)
    assert list(tmp_path.iterdir()) == [folders[0]]


def test_the_drafts_of_killed_trainings_are_removed(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from monitor.training import model_folder
with model_folder.drafted(Path(sys.argv[1])) as draft:
    (draft / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert [path.name[:7] for path in tmp_path.iterdir()] == [".draft-"]

    with model_folder.drafted(tmp_path):  # another training meanwhile
        folder = written(tmp_path)
        assert len(list(tmp_path.iterdir())) == 2

    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_with_more_than_any_model_has_is_none(tmp_path: Path) -> None:
    """It is not read, which would take all memory, or for ever."""
    folder = written(tmp_path)
    with (folder / "profiles.json").open("r+b") as file:
        file.truncate(2**40)

    with pytest.raises(ModelError, match="more than any model has"):
        model_folder.pack(folder)
    assert not model_folder.holds(folder, folder.name)


def test_a_folder_that_cannot_be_written_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ModelError, match="must be writable"):
        written(tmp_path / "file")


@pytest.mark.parametrize("model", ["", "..", "a" * 63, "A" * 64, "../" + "a" * 61])
def test_what_is_no_id_has_no_folder(tmp_path: Path, model: str) -> None:
    with pytest.raises(ModelError, match="no model id"):
        model_folder.place(tmp_path, model)
