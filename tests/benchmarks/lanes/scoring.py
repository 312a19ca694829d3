"""The product's scorer against what the core can multiply."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monitor import bootstrap
from monitor.records.batches import Float32
from tests.benchmarks.plant import LENGTH
from tests.benchmarks.report import ratios

SIZE = 1024  # of the matrices that are multiplied: large enough for the full speed of a core
TRIES = 5  # the best of them counts


def ceiling(folder: str, windows: str, flop: str, rounds: str) -> dict[str, Any]:
    """Share of the core's fp32 matrix multiplication that scoring reaches; `flop` is what one window takes."""
    torch.set_num_threads(1)
    score = _scorer(folder, int(windows))
    speeds: list[float] = []  # windows/s

    def multiply() -> float:
        return 2 * SIZE**3 / _matmul()

    def scoring() -> float:
        speeds.append(int(windows) / _best(score))
        return speeds[-1] * float(flop)

    (ratio,) = ratios([multiply, scoring], int(rounds))
    return {"ratio": ratio, "windows_per_s": round(float(np.median(speeds))), "gflop_per_s": round(multiply() / 1e9)}


def forward(folder: str, windows: str) -> dict[str, Any]:
    """Windows per second, when they lie ready in memory."""
    return {"rate": round(int(windows) / _best(_scorer(folder, int(windows))))}


def _scorer(folder: str, windows: int) -> Callable[[], object]:
    scorer = bootstrap.load_detector(Path(folder) / "detector")
    given: Float32 = np.random.default_rng(0).normal(size=(windows, LENGTH, 1)).astype(np.float32)
    return lambda: scorer.score(given)


def _matmul() -> float:
    """Seconds for a product of two matrices, by whoever does it faster."""
    a, b = np.random.default_rng(0).normal(size=(2, SIZE, SIZE)).astype(np.float32)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    return min(_best(lambda: a @ b), _best(lambda: x @ y))


def _best(action: Callable[[], object]) -> float:
    """Seconds."""
    found = []
    for _ in range(TRIES):
        began = time.perf_counter()
        action()
        found.append(time.perf_counter() - began)
    return min(found)
