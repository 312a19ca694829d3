"""The package's front door: kinds, options, and what importing costs."""

from __future__ import annotations

import ast
import importlib
import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from models.networks.base import Autoencoder
from models.networks.dense import default_widths
from models.networks.training_options import TrainingConfig
from models.registry import option_classes, resolve

ROOT = Path(models.__file__).parent
SHARED = {"base", "layers", "training"}  # what every architecture builds on


def classes(folder: str, known: Callable[[type[Any]], bool]) -> set[type[Any]]:
    """Those defined in the modules of a folder."""
    found = set()
    for path in (ROOT / folder).glob("[!_]*.py"):
        module = importlib.import_module(f"models.{folder}.{path.stem}")
        found |= {value for value in vars(module).values() if isinstance(value, type) and known(value)}
    return found


def test_every_detector_is_registered_and_every_entry_resolves() -> None:
    nets = classes("networks", lambda value: issubclass(value, Autoencoder) and value is not Autoencoder)
    statistics = classes("statistical", lambda value: hasattr(value, "fit"))

    assert nets | statistics == {resolve(kind.made_by) for kind in models.DETECTORS.values()}
    for kind in models.DETECTORS:
        assert all(is_dataclass(options) for options in option_classes(kind))


@pytest.mark.parametrize("kind", [kind for kind, entry in models.DETECTORS.items() if entry.capabilities.epochs])
def test_architectures_never_import_one_another(kind: str) -> None:
    module = models.DETECTORS[kind].made_by.partition(":")[0]
    tree = ast.parse(Path(str(importlib.import_module(module).__file__)).read_text())

    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    of_networks = {name.removeprefix("models.networks.") for name in imported if name and "models.networks" in name}
    assert of_networks <= SHARED | {f"{module.rpartition('.')[2]}_options"}


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
        ("lstm", {"latent": -1}, "at least 1"),
        ("mahalanobis", {"epochs": 3}, "unknown option"),
        ("mahalanobis", {"kep": 0.3}, "did you mean keep"),
        ("mahalanobis", {"keep": 0.0}, "keep above 0"),
        ("mahalanobis", {"validation": 1.0}, "between 0 and 1"),
    ],
)
def test_mistakes_are_explained(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(models.ConfigError, match=message):
        models.check(kind, options)
    if "length" not in options:
        with pytest.raises(models.ConfigError, match=message):
            models.create(kind, length=8, channels=1, **options)


@pytest.mark.parametrize("shape", [{"length": 0, "channels": 1}, {"length": 1, "channels": 0}])
def test_a_window_needs_a_size(shape: dict[str, Any]) -> None:
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


def test_the_example_of_the_package_runs_without_torch() -> None:
    code = "import doctest, models, sys; print(doctest.testmod(models).failed, 'torch' in sys.modules)"

    assert run(code) == "0 False"


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


@pytest.mark.parametrize(("kind", "options"), [("lstm", {"epochs": 1}), ("mahalanobis", {})])
def test_loading_and_scoring_need_no_training_libraries(tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    detector = models.create(kind, length=4, channels=1, **options).fit(np.ones((30, 4, 1)))
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
