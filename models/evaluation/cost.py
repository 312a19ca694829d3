"""What a kind of detector costs at a window size, measured on this machine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from time import perf_counter
from typing import Any, Final

import numpy as np

import models
from models.evaluation import memory
from models.evaluation.memory import Memory
from models.registry import option_classes

LEARNED, FEW, MANY = 256, 32, 1000  # windows to learn from, to time a slow kind with, and a quick one
QUICK_S: Final = 0.1  # for `FEW` windows
QUICKEST: Final = {"epochs": 1}  # what a window costs does not depend on how well the net is trained


@dataclass(frozen=True)
class Cost:
    """`parameters` are learned numbers, `milliseconds` of scoring 1,000 windows on one thread, `memory` for the same.

    A kind that keeps windows keeps more of them, is slower and larger after a longer history than the 256 windows here.
    """

    parameters: int
    milliseconds: float
    memory: Memory


def measure(kind: str, length: int, channels: int) -> Cost:
    """Fit the kind to noise and time it. Raises what `models.create` and `fit` do."""
    noise = np.random.default_rng(0).normal(size=(LEARNED, length, channels)).astype(np.float32)
    known = {field.name for options in option_classes(kind) for field in fields(options)}
    options: dict[str, Any] = {name: value for name, value in QUICKEST.items() if name in known}
    detector = models.create(kind, length=length, channels=channels, **options).fit(noise, progress=False)
    few, many = (np.resize(noise, (count, length, channels)) for count in (FEW, MANY))
    windows = many if _seconds(detector, few) < QUICK_S else few
    milliseconds = 1000 * _seconds(detector, windows) * MANY / len(windows)
    return Cost(detector.parameters, milliseconds, memory.measure(detector, len(windows)))


def _seconds(detector: Any, windows: np.ndarray) -> float:
    began = perf_counter()
    detector.score(windows)
    return perf_counter() - began
