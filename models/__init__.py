"""Autoencoders for windows of time series, apart from everything else: numpy in, numpy out.

>>> import models
>>> detector = models.create("dense", length=140, channels=1)  # windows: float32 (n, length, channels)
>>> detector.fit(windows)                                      # doctest: +SKIP
>>> detector.score(windows) > detector.training_scores.limit() # doctest: +SKIP
>>> detector.save("artefacts/pump"); models.load("artefacts/pump")  # doctest: +SKIP

Importing this package is cheap. torch is loaded by the first `create`, ONNX Runtime, which scores, by it or by `load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import (
    ArtefactError,
    ConfigError,
    DataError,
    DependencyError,
    ModelsError,
    NotFittedError,
    ShapeError,
)
from models.options import build, refuse_unknown

if TYPE_CHECKING:
    from models.artefacts.scorer import Scorer
    from models.configs import TrainingConfig
    from models.networks.base import Autoencoder
    from models.networks.detector import Detector

__all__ = [
    "DETECTORS",
    "ArtefactError",
    "ConfigError",
    "DataError",
    "DependencyError",
    "ModelsError",
    "NotFittedError",
    "ShapeError",
    "architecture",
    "check",
    "create",
    "load",
]

DETECTORS = {
    "dense": "models.networks.dense:Dense",
    "lstm": "models.networks.lstm:LSTM",
}
"""Every kind of detector, as "module:class" of its architecture. A new one is a new file, a line here
and its options in `models.configs`."""


def create(kind: str, *, length: int, channels: int, seed: int = 0, **config: Any) -> Detector:
    """A new detector, ready to `fit`, for windows (n, length, channels).

    `config` may hold any option of the kind or of training (`models.configs`). The same seed trains the same detector.
    Raises ConfigError for an unknown kind or option, or a value that makes no sense, and DependencyError where the
    libraries that training needs are not installed.
    """
    if length < 1 or channels < 1:
        raise ConfigError(f"length = {length}, channels = {channels}; both must be at least 1")
    net_config, training = _configs(kind, config)
    try:
        from models.networks.detector import Detector
        from models.networks.training import seeded

        net_class = architecture(kind)
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"training needs {error.name}, which is not installed; pip install 'watchkeeper[train]'"
        ) from None
    with seeded(seed):
        net = net_class(length, channels, net_config)
    return Detector(kind, net, training, seed)


def check(kind: str, options: Mapping[str, Any]) -> None:
    """Raise the ConfigError that `create` would raise for the kind or its options."""
    _configs(kind, options)


def load(path: str | Path) -> Scorer:
    """The detector saved at `path`, with the same scores to the bit. Needs no torch, and nothing in it can run code.

    Raises ArtefactError when it is missing, damaged, changed since it was saved, of another version, or a pickle.
    """
    from models.artefacts import artefact
    from models.artefacts.data import Scaler
    from models.artefacts.runtime import Runtime
    from models.artefacts.scorer import Scorer
    from models.artefacts.scores import ScoreSummary

    manifest, graph = artefact.load(Path(path))
    try:
        check(manifest["kind"], manifest["config"])
        runtime = Runtime(graph, int(manifest["chunk"]))
        shape, scaler = (manifest["length"], manifest["channels"]), Scaler.from_dict(manifest["scaler"])
        return Scorer(manifest["kind"], shape, runtime, scaler, ScoreSummary.from_dict(manifest["training_scores"]))
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        raise ArtefactError(f"{path}: the manifest does not describe a detector of this version: {error}") from error


def architecture(kind: str) -> type[Autoencoder]:
    """The class behind a kind; loads torch. Raises ConfigError for an unknown one."""
    refuse_unknown("detector", [kind], DETECTORS)
    module, _, name = DETECTORS[kind].partition(":")
    net_class: type[Autoencoder] = getattr(import_module(module), name)
    return net_class


def _configs(kind: str, options: Mapping[str, Any]) -> tuple[Any, TrainingConfig]:
    """The options of the architecture and those of training."""
    from models.configs import CONFIGS, TrainingConfig

    refuse_unknown("detector", [kind], DETECTORS)
    classes = (CONFIGS[kind], TrainingConfig)
    refuse_unknown(kind, options, [field.name for config_class in classes for field in fields(config_class)])
    of_net, of_training = (build(kind, config_class, options) for config_class in classes)
    return of_net, of_training
