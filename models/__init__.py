"""Detectors for windows of time series, apart from everything else: numpy in, numpy out.

>>> import models, numpy
>>> random = numpy.random.default_rng(0)
>>> turns = numpy.arange(24) / 24 + random.normal(0, 0.02, (200, 1))
>>> daily = 20 + 5 * numpy.sin(2 * numpy.pi * turns) + random.normal(0, 0.3, (200, 24))
>>> windows = daily[:, :, None]                                # (n, length, channels)
>>> detector = models.create("mahalanobis", length=24, channels=1).fit(windows[:190])
>>> today = windows[195:].copy()
>>> today[3, 12] += 4                                          # a fault at noon
>>> (detector.score(today) > detector.training_scores.limit(n_std=6)).tolist()
[False, False, False, True, False]
>>> int(detector.explain(today)[3, :, 0].argmax())             # where it was
12

`detector.save(path)` writes an artefact; `models.load(path)` scores with the same bits. Importing this package is
cheap. torch is loaded by the first `create` of a network, ONNX Runtime, which scores, by `create` or `load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import registry
from models.contract import Capabilities
from models.errors import (
    ArtefactError,
    ConfigError,
    DataError,
    DependencyError,
    ModelsError,
    NotFittedError,
    ShapeError,
    TrainingError,
)
from models.registry import DETECTORS

if TYPE_CHECKING:
    from models.artefacts.scorer import Scorer
    from models.contract import Engine
    from models.detector import Detector

__all__ = [
    "DETECTORS",
    "ArtefactError",
    "Capabilities",
    "ConfigError",
    "DataError",
    "DependencyError",
    "ModelsError",
    "NotFittedError",
    "ShapeError",
    "TrainingError",
    "check",
    "create",
    "load",
]


def create(
    kind: str,
    *,
    length: int,
    channels: int,
    seed: int = 0,
    scale: bool = True,
    device: str = "auto",
    **config: Any,
) -> Detector:
    """A new detector, ready to `fit`, for windows (n, length, channels).

    `config` may hold any option of the kind, and of training where it has epochs. The same seed trains the same
    detector. `scale` False is for windows that are scaled already: each channel spreads over about one unit around 0.
    `device` is where nets are trained: `cpu`, `cuda`, or `auto`, a GPU where there is one and `batch_size` is at least
    512, as smaller batches are slower there; all score on the CPU.
    Raises ConfigError for an unknown kind, option or device, or a value that makes no sense, and DependencyError
    where the libraries that training needs are not installed.
    """
    if length < 1 or channels < 1:
        raise ConfigError(f"length = {length}, channels = {channels}; both must be at least 1")
    check(kind, config, length=length, channels=channels)
    capabilities = registry.capabilities(kind, config)
    try:
        estimator = registry.estimator(kind, config, seed, device)
        from models.detector import Detector
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"training needs {error.name}, which is not installed; pip install 'watchkeeper[train]'"
        ) from None
    return Detector(kind, capabilities, (length, channels), estimator, seed=seed, scale=scale)


def check(kind: str, options: Mapping[str, Any], *, length: int | None = None, channels: int | None = None) -> None:
    """Raise the ConfigError that `create` or `fit` would raise for a kind, its options and windows of that shape."""
    config, _ = registry.configs(kind, options)
    given = getattr(config, "given", 0)
    if channels is not None and given >= channels:
        raise ConfigError(f"{kind}: given = {given} of {channels} channels; at least one must be left to judge")
    for member, its_options in config.of_members() if kind == "ensemble" else ():
        check(member, its_options, length=length, channels=channels)
    fits = getattr(config, "check_length", None)
    if fits is not None and length is not None:
        fits(length)


def load(path: str | Path) -> Scorer:
    """The detector saved at `path`, with the same scores to the bit. Nothing in it can run code.

    It needs no torch, except for kinds whose engine is torch. Raises ArtefactError when it is missing, damaged, changed
    since it was saved, of another version, or a pickle, and DependencyError where torch is needed and not installed.
    """
    from safetensors import SafetensorError
    from safetensors import numpy as safetensors

    from models.artefacts import artefact
    from models.artefacts.data import Scaler
    from models.artefacts.scorer import Scorer
    from models.artefacts.scores import ScoreSummary
    from models.compiled.engine import quickened
    from models.compiled.programs import KINDS, PROGRAM, Trained

    manifest, body, weights = artefact.load(Path(path))
    try:
        check(manifest["kind"], manifest["config"])
        capabilities = Capabilities(**manifest["capabilities"])
        engine = _engine(manifest["kind"], capabilities.engine, body, int(manifest["chunk"]))
        shape, scaler = (manifest["length"], manifest["channels"]), Scaler.from_dict(manifest["scaler"])
        if manifest["kind"] in KINDS and manifest.get("program") == PROGRAM:
            named = safetensors.load(weights)
            net = Trained(manifest["kind"], manifest["config"], shape, scaler.centre, scaler.scale, named)
            engine = quickened(engine, net)
        summary = ScoreSummary.from_dict(manifest["training_scores"])
        return Scorer(manifest["kind"], capabilities, shape, engine, scaler, summary)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, ConfigError, SafetensorError) as error:
        raise ArtefactError(f"{path}: the manifest does not describe a detector of this version: {error}") from error


def _engine(kind: str, name: str, body: bytes, chunk: int) -> Engine:
    try:
        return registry.engine(name, body, chunk)
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"{kind} scores by {error.name}, which is not installed; pip install 'watchkeeper[train]'"
        ) from None
