"""Artefacts: whole or not at all, checked when read, never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest

import models
from models.artefacts.artefact import GRAPH, MANIFEST, MOST_MANIFEST, WEIGHTS
from models.networks.dense import Dense
from tests.manifests import rewrite

if TYPE_CHECKING:
    from models.detector import Detector


FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def detector() -> Detector:
    windows = np.random.default_rng(0).normal(size=(40, 8, 1))
    return models.create("dense", length=8, channels=1, epochs=1).fit(windows)


@pytest.fixture
def saved(detector: Detector, tmp_path: Path) -> Path:
    detector.save(tmp_path / "pump", channel_names=["bearing"], span=(10, 20))
    return tmp_path / "pump"


def test_manifest_says_what_people_ask_about(saved: Path) -> None:
    manifest = json.loads((saved / MANIFEST).read_text())

    assert (manifest["kind"], manifest["length"], manifest["channels"]) == ("dense", 8, 1)
    assert manifest["channel_names"] == ["bearing"]
    assert manifest["data"]["span"] == [10, 20]
    assert manifest["data"]["windows"] == 40
    assert len(manifest["data"]["sha256"]) == len(manifest["sha256"]) == len(manifest["graph_sha256"]) == 64
    assert {"mean", "std", "quantiles"} <= manifest["training_scores"].keys()
    assert {"watchkeeper", "torch", "onnx", "onnxruntime", "numpy", "safetensors"} == manifest["versions"].keys()


def test_nothing_else_is_left_in_the_folder(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == [MANIFEST, GRAPH, WEIGHTS]
    assert [path.name for path in saved.parent.iterdir()] == ["pump"]


def test_saving_again_replaces(detector: Detector, saved: Path) -> None:
    detector.save(saved, channel_names=["gearbox"])

    assert json.loads((saved / MANIFEST).read_text())["channel_names"] == ["gearbox"]
    assert [path.name for path in saved.parent.iterdir()] == ["pump"]


def test_something_else_is_not_overwritten(detector: Detector, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "keep.txt").write_text("mine")

    with pytest.raises(models.ArtefactError, match="not an artefact"):
        detector.save(tmp_path / "notes")
    assert (tmp_path / "notes" / "keep.txt").read_text() == "mine"


@pytest.mark.parametrize("name", [GRAPH, WEIGHTS])
def test_changed_files_are_refused(saved: Path, name: str) -> None:
    body = bytearray((saved / name).read_bytes())
    body[-1] ^= 1
    (saved / name).write_bytes(body)

    with pytest.raises(models.ArtefactError, match="sha256"):
        models.load(saved)


@pytest.mark.parametrize("key", ["scaler", "config", "chunk", "training_scores", "capabilities", "manifest_sha256"])
def test_a_changed_manifest_is_refused(saved: Path, key: str) -> None:
    manifest = json.loads((saved / MANIFEST).read_text())
    value = manifest.pop(key)
    (saved / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(
        models.ArtefactError, match=r"was changed since it was written \(sha256 differs\)|names the engine"
    ):
        models.load(saved)

    (saved / MANIFEST).write_text(json.dumps(dict(reversed((manifest | {key: value}).items()))))
    models.load(saved)


def test_a_graph_for_another_shape_is_refused(saved: Path) -> None:
    rewrite(saved, length=9)

    with pytest.raises(models.ArtefactError, match="not for windows of 9 x 1"):
        models.load(saved)


@pytest.mark.parametrize(
    "changes",
    [{"kind": "tree"}, {"config": {"hiden": 3}}, {"training_scores": {"mean": 1}}, {"scaler": {"centre": [0]}},
     {"scaler": {"centre": [0, 0], "scale": [1, 1]}}, {"scaler": {"centre": [0], "scale": [0]}},
     {"scaler": {"centre": 0, "scale": 1}}, {"scaler": {"centre": [None], "scale": [1]}},
     {"length": "x"}, {"chunk": float("inf")}, {"chunk": "all"}, {"chunk": 0}, {"capabilities": {"flies": True}},
     {"capabilities": {"engine": "steam"}}, {"capabilities": {"reconstructs": False}}],
)  # fmt: skip
def test_a_manifest_that_does_not_fit_is_refused(saved: Path, changes: dict[str, Any]) -> None:
    rewrite(saved, **changes)

    with pytest.raises(models.ArtefactError):
        models.load(saved)


@pytest.mark.parametrize("key", ["mean", "std"])
def test_training_scores_that_are_no_numbers_are_refused(saved: Path, key: str) -> None:
    known = json.loads((saved / MANIFEST).read_text())["training_scores"]
    rewrite(saved, training_scores={**known, key: float("nan")})

    with pytest.raises(models.ArtefactError, match="training scores are NaN"):
        models.load(saved)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', "[" * 100_000, '{"a":' * 100_000, "1" * 5000])
def test_another_manifest_is_refused(saved: Path, text: str) -> None:
    (saved / MANIFEST).write_text(text)

    with pytest.raises(models.ArtefactError, match=MANIFEST):
        models.load(saved)


def test_a_format_too_old_asks_for_a_training(saved: Path) -> None:
    rewrite(saved, format=2)

    with pytest.raises(models.ArtefactError, match="format 2, but this version reads 3 to 5; train the model again"):
        models.load(saved)


@pytest.mark.parametrize("kind", ["dense", "lstm"])
def test_an_artefact_of_format_3_scores_the_same_bits(kind: str) -> None:
    folder = FIXTURES / f"format-3-{kind}"
    with np.load(folder / "expected.npz") as expected:  # as the version that wrote it gave them
        windows, *known = (expected[name] for name in ("windows", "score", "reconstruct", "explain"))
    session = onnxruntime.InferenceSession(folder / GRAPH)

    loaded = models.load(folder)

    assert loaded.capabilities == replace(models.DETECTORS[kind].capabilities, encodes=False)
    assert loaded.encode(windows) is None
    (score,) = session.run(["score"], {"windows": windows})
    np.testing.assert_array_equal(loaded.score(windows), score)  # the graph does it all; bits are a processor's own
    for ask, value in zip((loaded.score, loaded.reconstruct, loaded.explain), known, strict=True):
        found = ask(windows)
        assert found is not None
        np.testing.assert_allclose(found, value, rtol=1e-5)


@pytest.mark.parametrize("name", [MANIFEST, GRAPH, WEIGHTS])
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()

    with pytest.raises(models.ArtefactError, match=name):
        models.load(saved)


@pytest.mark.parametrize("name", [MANIFEST, GRAPH])
def test_a_file_larger_than_any_artefact_has_is_not_read(saved: Path, name: str) -> None:
    with (saved / name).open("r+b") as file:
        file.truncate(2**40)

    with pytest.raises(models.ArtefactError, match=f"{name} has 1,099,511,627,776 bytes, more than any artefact has"):
        models.load(saved)


@pytest.mark.parametrize("name", [MANIFEST, GRAPH])
def test_a_pipe_is_not_waited_for(saved: Path, name: str) -> None:
    (saved / name).unlink()
    os.mkfifo(saved / name)

    with pytest.raises(models.ArtefactError, match=f"{name} is no regular file"):
        models.load(saved)


def test_saving_to_one_path_at_the_same_time_leaves_a_whole_artefact(detector: Detector, tmp_path: Path) -> None:
    def save(number: int) -> None:
        detector.save(tmp_path / "pump", channel_names=[str(number)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(save, range(64)))

    assert models.load(tmp_path / "pump").length == 8
    assert [path.name for path in tmp_path.iterdir()] == ["pump"]


class Trap:
    """Sets a flag when it is unpickled."""

    sprung = False

    def __reduce__(self) -> tuple[Any, ...]:
        return (setattr, (Trap, "sprung", True))


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.pkl", "model.bin", "model.joblib"])
def test_pickles_are_refused_unread(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Trap()))

    with pytest.raises(models.ArtefactError, match="Pickled"):
        models.load(tmp_path / name)
    assert not Trap.sprung


def test_a_pickle_in_the_place_of_the_graph_is_refused_unread(saved: Path) -> None:
    body = pickle.dumps(Trap())
    (saved / GRAPH).write_bytes(body)
    rewrite(saved, graph_sha256=hashlib.sha256(body).hexdigest())

    with pytest.raises(models.ArtefactError, match="cannot use the graph"):
        models.load(saved)
    assert not Trap.sprung


def test_a_graph_that_computes_something_else_is_never_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    export = Dense.export_contribution
    monkeypatch.setattr(
        Dense, "export_contribution", lambda net, graph, x, rebuilt: export(net, graph, x, graph.node("Neg", rebuilt))
    )

    with pytest.raises(models.ArtefactError, match=r"apart from what was fitted.*dense writes its graph"):
        models.create("dense", length=8, channels=1, epochs=1).fit(np.random.default_rng(0).normal(size=(40, 8, 1)))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[" * 100_000, "is not JSON"),
        (" " * (MOST_MANIFEST + 1), "more than any artefact has"),
        ("[1]", "format None"),
        ('{"format": "4"}', "format 4"),
    ],
)
def test_a_manifest_that_is_too_deep_too_large_or_none_is_explained(saved: Path, body: str, said: str) -> None:
    (saved / MANIFEST).write_text(body)

    with pytest.raises(models.ArtefactError, match=said):
        models.load(saved)
