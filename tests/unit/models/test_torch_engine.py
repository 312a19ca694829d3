"""The engine `torch`: models that are weights and a description, never code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from models.artefacts.artefact import MANIFEST, WEIGHTS
from models.artefacts.described import describe, described
from models.contract import SCORE
from models.torch_engine import TorchEngine
from tests.manifests import rewrite

MODEL = "model.safetensors"
WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import models

try:
    models.load(sys.argv[1])
except models.DependencyError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    windows = np.random.default_rng(0).normal(size=(40, 8, 1))
    folder = tmp_path_factory.mktemp("saved") / "pump"
    models.create("anogan", length=8, channels=1, epochs=1, steps=3).fit(windows).save(folder)
    return folder


def test_the_model_is_weights_and_what_to_build(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == [MANIFEST, MODEL, WEIGHTS]
    manifest = json.loads((saved / MANIFEST).read_text())
    found = described((saved / MODEL).read_bytes())

    assert manifest["capabilities"]["engine"] == "torch"
    assert {name: found[name] for name in ("kind", "length", "channels", "config", "scaler")} == found
    assert found["config"] == manifest["config"]


def test_without_torch_loading_says_what_to_install(saved: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(saved)], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "anogan scores by torch, which is not installed; pip install 'watchkeeper[train]'"


@pytest.mark.parametrize(
    "change",
    [{"kind": "dense"}, {"kind": "os"}, {"kind": "mahalanobis", "config": {}}, {"length": 9}, {"config": {"wings": 2}}],
)
def test_a_description_that_does_not_fit_is_refused(saved: Path, change: dict[str, Any]) -> None:
    from safetensors.numpy import load

    body = (saved / MODEL).read_bytes()
    changed = describe(load(body), {**described(body), **change})

    with pytest.raises(models.ArtefactError, match="retrain"):
        TorchEngine(changed)


def test_a_size_that_the_weights_do_not_have_takes_no_memory(saved: Path) -> None:
    from safetensors.numpy import load

    body = (saved / MODEL).read_bytes()
    changed = describe(load(body), {**described(body), "length": 10**12})

    with pytest.raises(models.ArtefactError, match="size mismatch"):
        TorchEngine(changed)


def test_weights_of_another_precision_are_refused(saved: Path) -> None:
    from safetensors.numpy import load

    body = (saved / MODEL).read_bytes()
    weights = {name: weight.astype(np.float64) for name, weight in load(body).items()}

    with pytest.raises(models.ArtefactError, match="not all float32"):
        TorchEngine(describe(weights, described(body)))


def test_building_leaves_the_random_state_alone(saved: Path) -> None:
    import torch

    before = torch.get_rng_state()
    TorchEngine((saved / MODEL).read_bytes())

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("body", [b"", b"\x80\x04K\x01.", describe({"a": np.ones(1)}, {})])
def test_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(models.ArtefactError, match="retrain"):
        TorchEngine(body)


def test_it_fits_its_shape_and_gives_scores_only(saved: Path) -> None:
    engine = TorchEngine((saved / MODEL).read_bytes())

    assert engine.fits((8, 1), {SCORE})
    assert not engine.fits((9, 1), {SCORE})
    assert not engine.fits((8, 1), {SCORE, "reconstruction"})


@pytest.mark.parametrize("engine", ["pickle", ["onnx"], {}, None])
def test_an_engine_that_is_not_known_is_refused(saved: Path, tmp_path: Path, engine: object) -> None:
    for name in (MANIFEST, MODEL, WEIGHTS):
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    known = json.loads((tmp_path / MANIFEST).read_text())["capabilities"]
    rewrite(tmp_path, capabilities=known | {"engine": engine})

    with pytest.raises(models.ArtefactError, match="names the engine"):
        models.load(tmp_path)
