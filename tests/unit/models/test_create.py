"""The package's front door: kinds, options, and what importing costs."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from models.configs import CONFIGS, TrainingConfig
from models.networks.base import Autoencoder
from models.networks.dense import default_widths


def test_every_architecture_is_registered_and_every_entry_resolves() -> None:
    found = set()
    for path in (Path(models.__file__).parent / "networks").glob("[!_]*.py"):
        module = importlib.import_module(f"models.networks.{path.stem}")
        found |= {
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Autoencoder) and value is not Autoencoder
        }

    assert found == {models.architecture(kind) for kind in models.DETECTORS}
    assert CONFIGS.keys() == models.DETECTORS.keys()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("dens", {}, "did you mean dense"),
        ("dense", {"hiden": (3,)}, "did you mean hidden"),
        ("dense", {"hidden": (0,)}, "at least 1"),
        ("dense", {"hidden": 5}, "type"),
        ("dense", {"hidden": [8, True]}, "whole number"),
        ("dense", {"epochs": "many"}, r"dense: epochs = 'many' has the wrong type; write a whole number"),
        ("dense", {"epochs": 2.5}, "a whole number"),
        ("dense", {"epochs": -3}, "at least 1"),
        ("dense", {"keep": True}, "a number"),
        ("dense", {"reach": math.inf}, "a number"),
        ("dense", {"length": 3}, "unknown option"),
        ("lstm", {"hidden": "a"}, "a whole number"),
        ("lstm", {"latent": 0}, "at least 1"),
    ],
)
def test_mistakes_are_explained(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(models.ConfigError, match=message):
        models.check(kind, options)
    if "length" not in options:
        with pytest.raises(models.ConfigError, match=message):
            models.create(kind, length=8, channels=1, **options)


@pytest.mark.parametrize("shape", [{"length": 0, "channels": 1}, {"length": 1, "channels": 0}])
def test_a_window_needs_a_size(shape: dict[str, int]) -> None:
    with pytest.raises(models.ConfigError, match="at least 1"):
        models.create("dense", **shape)


@pytest.mark.parametrize(
    ("inputs", "widths"),
    [(1, (8, 4, 2)), (10, (8, 4, 2)), (140, (32, 16, 8)), (360, (64, 32, 16)), (9999, (256, 128, 64))],
)
def test_default_widths(inputs: int, widths: tuple[int, ...]) -> None:
    assert default_widths(inputs) == widths


def test_options_survive_saving(tmp_path: Path) -> None:
    windows = np.random.default_rng(0).normal(5, 1, (30, 6, 1))
    detector = models.create("dense", length=6, channels=1, epochs=2, keep=1.0, hidden=[4, 2]).fit(windows)
    detector.save(tmp_path / "artefact")

    config = json.loads((tmp_path / "artefact" / "manifest.json").read_text())["config"]

    assert config == {**asdict(TrainingConfig(epochs=2, keep=1.0)), "hidden": [4, 2]}
    models.check("dense", config)


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_models_is_cheap() -> None:
    assert run("import sys, models; print('torch' in sys.modules, 'numpy' in sys.modules)") == "False False"


WITHOUT_TRAINING_LIBRARIES = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "onnx", "sklearn", "matplotlib", "pandas"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import models, numpy
"""


def test_loading_and_scoring_need_no_training_libraries(tmp_path: Path) -> None:
    detector = models.create("lstm", length=4, channels=1, epochs=1).fit(np.ones((30, 4, 1)))
    detector.save(tmp_path / "artefact")

    code = f"print(models.load({str(tmp_path / 'artefact')!r}).score(numpy.ones((3, 4, 1))).tolist())"

    assert run(WITHOUT_TRAINING_LIBRARIES + code) == str(detector.score(np.ones((3, 4, 1))).tolist())


def test_training_without_its_libraries_says_what_to_install() -> None:
    code = """
models.check("lstm", {"hidden": 4})
try:
    models.create("lstm", length=4, channels=1)
except models.DependencyError as error:
    print(error)
"""

    assert run(WITHOUT_TRAINING_LIBRARIES + code) == (
        "training needs torch, which is not installed; pip install 'watchkeeper[train]'"
    )
