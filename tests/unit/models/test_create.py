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
from models.ensemble import Ensemble
from models.networks.base import Autoencoder, Net
from models.networks.given import Given
from models.networks.stacks import default_widths
from models.networks.training_options import TrainingConfig
from models.registry import option_classes, resolve

ROOT = Path(models.__file__).parent
# what architectures build on
SHARED = {"adversarial", "base", "given", "layers", "stacks", "training", "wasserstein"}


def classes(folder: str, known: Callable[[type[Any]], bool]) -> set[type[Any]]:
    """Those defined in the modules of a folder."""
    found = set()
    for path in (ROOT / folder).glob("[!_]*.py"):
        module = importlib.import_module(f"models.{folder}.{path.stem}")
        found |= {value for value in vars(module).values() if isinstance(value, type) and known(value)}
    return found


def test_every_detector_is_registered_and_every_entry_resolves() -> None:
    nets = classes("networks", lambda value: issubclass(value, Net) and value not in (Net, Autoencoder, Given))
    statistics = classes("statistical", lambda value: hasattr(value, "fit"))

    assert nets | statistics | {Ensemble} == {resolve(kind.made_by) for kind in models.DETECTORS.values()}
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
        ("dense", {"hidden": [10**7]}, "at most 4096"),
        ("dense", {"hidden": [8] * 100}, "there may be 16 of them"),
        ("dense", {"hidden": 5}, "type"),
        ("vae", {"latent": 10**7}, "from 1 to 4096"),
        ("lstm", {"hidden": 10**7}, "at most 4096"),
        ("gan", {"loss": "hinge"}, "choose one of bce, wgan-gp"),
        ("gan", {"given": -1}, "write how many"),
        ("dense", {"hidden": [8, True]}, "whole number"),
        ("dense", {"epochs": "many"}, r"dense: epochs = 'many' has the wrong type; write a whole number"),
        ("dense", {"epochs": 2.5}, "a whole number"),
        ("dense", {"epochs": -3}, "at least 1"),
        ("dense", {"keep": True}, "a number"),
        ("dense", {"reach": math.inf}, "a number"),
        ("dense", {"length": 3}, "unknown option"),
        ("dense", {"error": 1}, "a word"),
        ("dense", {"error": "mean"}, "choose one of rms, mae"),
        ("lstm", {"hidden": "a"}, "a whole number"),
        ("lstm", {"latent": -1}, "at least 1"),
        ("lstm", {"judged_by": "mae"}, "choose one of rmse, mahalanobis"),
        ("sparse", {"hidden": [0]}, "at least 1"),
        ("sparse", {"penalty": "l2"}, "choose one of l1, kl"),
        ("sparse", {"weight": -1.0}, "at least 0"),
        ("denoising", {"hidden": [0]}, "at least 1"),
        ("denoising", {"noise": "salt"}, "choose one of gaussian, masking, drift"),
        ("denoising", {"noise": "masking", "size": 1.0}, "of masking it must be above 0 and below 1"),
        ("denoising", {"linear": 1}, "true or false"),
        ("conv", {"filters": 0}, "filters must be 1 to 1024"),
        ("conv", {"latent": 2000}, "latent 1 to 1024"),
        ("conv", {"given": -1}, "write how many"),
        ("unet", {"skip": 2000}, "1 to 1024"),
        ("recursive", {"code": -1}, "write 1 to 1024"),
        ("aer", {"hidden": 2000}, "1 to 1024"),
        ("mahalanobis", {"epochs": 3}, "unknown option"),
        ("mahalanobis", {"kep": 0.3}, "did you mean keep"),
        ("mahalanobis", {"keep": 0.0}, "keep above 0"),
        ("mahalanobis", {"validation": 1.0}, "between 0 and 1"),
        ("pca", {"variance": 1.0}, "variance must be between 0 and 1"),
        ("sub_pca", {"variance": 1}, "variance must be between 0 and 1"),
        ("kmeans", {"clusters": 1_000_000}, "1 to 1000"),
        ("knn", {"neighbours": 0}, "1 to 100"),
        ("knn", {"neighbors": 3}, "did you mean neighbours"),
        ("matrix_profile", {"neighbours": 1}, "5 to 100"),
    ],
)
def test_mistakes_are_explained(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(models.ConfigError, match=message):
        models.check(kind, options)
    if "length" not in options:
        with pytest.raises(models.ConfigError, match=message):
            models.create(kind, length=8, channels=1, **options)


@pytest.mark.parametrize(
    ("kind", "options", "shown"),
    [
        ("dense", {"epochs": 0}, "epochs = 0, "),
        ("pca", {"variance": 2.0}, "variance = 2.0: "),
        ("knn", {"keep": 0.0}, "keep = 0.0"),
    ],
)
def test_messages_show_options_as_they_are_written(kind: str, options: dict[str, Any], shown: str) -> None:
    with pytest.raises(models.ConfigError) as caught:
        models.check(kind, options)

    assert shown in str(caught.value)
    assert "Config(" not in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind, entry in models.DETECTORS.items() if not entry.capabilities.epochs])
@pytest.mark.parametrize("options", [{"validation": 0.75}, {"keep": 0.01}])
def test_few_windows_to_learn_from_are_enough(kind: str, options: dict[str, Any]) -> None:
    windows = np.random.default_rng(0).normal(5, 1, (20, 4, 1))

    detector = models.create(kind, length=4, channels=1, seed=2**40, **options).fit(windows)

    assert np.isfinite(detector.score(windows)).all()


@pytest.mark.parametrize("kind", [kind for kind, entry in models.DETECTORS.items() if not entry.capabilities.epochs])
def test_windows_that_never_change_are_learned(kind: str) -> None:
    windows = np.full((20, 2, 3), 3.0)

    detector = models.create(kind, length=2, channels=3).fit(windows)

    assert detector.score(windows[:1] + 1) > 10 * detector.score(windows[:1])


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

    assert config == {**asdict(TrainingConfig(epochs=2, keep=1.0)), "hidden": [4, 2], "error": "rms", "given": 0}
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


@pytest.mark.parametrize(
    ("kind", "options"),
    [("lstm", {"epochs": 1}), ("mahalanobis", {}), ("pca", {}), ("knn", {}), ("matrix_profile", {})],
)
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
