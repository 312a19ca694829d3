"""One kind of detector, trained and measured on one corpus with one seed: a row of figures."""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

import models
from models.artefacts.data import Float32
from models.artefacts.scores import ScoreSummary
from models.evaluation import figures, memory, ranges
from models.evaluation.events import Events
from tests.benchmarks.detectors.baselines import BASELINES
from tests.benchmarks.detectors.data import CORPORA, LENGTH, Part

FALSE_ALARMS: Final = 1 / 500  # share of clean windows above the limit, as in `evaluate`
BUFFER: Final = 2 * LENGTH  # rows, the widest tolerance of VUS-PR
TIMED_S: Final = 0.5  # a quicker scoring is timed again
TIMES: Final = 5

Row = dict[str, Any]


class Found(NamedTuple):
    """One part: ratios of its test windows, their labels, figures, and what it took."""

    ratio: Float32
    anomalous: np.ndarray
    at_limit: figures.AtLimit
    free: figures.ThresholdFree
    train_s: float
    windows_per_s: float
    parameters: int
    megabytes: float | None


def measure(kind: str, corpus: str, seed: int, folder: Path, **options: Any) -> Row:
    """Train the kind on each part of the corpus, with its default options, and take the figures together.

    Areas and volumes are means over the parts; accuracy, F1 and events are counted over all windows at once.
    """
    parts = CORPORA[corpus](folder, seed)
    found = [_part(kind, part, seed, options, weighed=part is parts[0]) for part in parts]
    ratio, anomalous = (np.concatenate([getattr(each, name) for each in found]) for name in ("ratio", "anomalous"))
    pooled, _ = figures.of_windows(ratio, anomalous, 1.0)
    row: Row = {
        "kind": kind, "corpus": corpus, "seed": seed,
        "auc": _mean(found, lambda each: each.free.roc_auc),
        "auc_pr": _mean(found, lambda each: each.free.pr_auc),
        "f1": pooled.f1, "accuracy": pooled.accuracy, "precision": pooled.precision, "recall": pooled.recall,
        "false_alarms": float((ratio[~anomalous] > 1).mean()),
        "train_s": _mean(found, lambda each: each.train_s),
        "windows_per_s": _mean(found, lambda each: each.windows_per_s),
        "parameters": max(each.parameters for each in found),
        "megabytes": found[0].megabytes,
        "machine": machine(),
    }  # fmt: skip
    if found[0].at_limit.events is None:
        best = figures.oracle(ratio, anomalous)
        return row | {"oracle_accuracy": best.accuracy, "oracle_f1": best.f1}
    return row | _of_series(found)


def default_limit(clean: ScoreSummary) -> float:
    """The limit that `evaluate` uses: logs of clean scores are near normal, and one score in 500 is to lie above it."""
    variance = math.log1p((clean.std / max(clean.mean, 1e-30)) ** 2)
    centre = math.log(max(clean.mean, 1e-30)) - variance / 2
    return math.exp(centre + NormalDist().inv_cdf(1 - FALSE_ALARMS) * math.sqrt(variance))


def machine() -> str:
    """What it was measured on: processor, and the graphics card that trains, if there is one."""
    names = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    vectors = ", 512-bit vectors" if any("avx512f" in line for line in _cpuinfo()) else ""
    torch = sys.modules.get("torch")
    card = f", {torch.cuda.get_device_name()}" if torch and torch.cuda.is_available() else ""
    return f"{processor}{vectors}{card}"


def _part(kind: str, part: Part, seed: int, options: dict[str, Any], *, weighed: bool) -> Found:
    _, length, channels = part.train.shape
    detector: Any
    if kind in BASELINES:
        detector = BASELINES[kind](length, channels, seed)
    else:
        detector = models.create(kind, length=length, channels=channels, seed=seed, **options)
    began = perf_counter()
    detector.fit(part.train)
    train_s = perf_counter() - began
    scores, score_s = _timed(detector, part.test)
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} of {len(scores)} complete windows have no score")
    limit = default_limit(detector.training_scores)
    if part.series:
        judged = figures.of_series(scores, part.anomalous, limit, buffer=BUFFER)
    else:
        judged = figures.of_windows(scores, part.anomalous, limit)
    ratio = scores / np.float32(limit)
    megabytes = memory.measure(detector).megabytes if weighed and kind not in BASELINES else None
    return Found(ratio, part.anomalous, *judged, train_s, len(scores) / score_s, detector.parameters, megabytes)


def _timed(detector: Any, windows: Float32) -> tuple[Float32, float]:
    """Scores, and the seconds of the quickest of a few times; a slow detector is timed once."""
    seconds: list[float] = []
    while not seconds or (min(seconds) < TIMED_S and len(seconds) < TIMES):
        began = perf_counter()
        scores = detector.score(windows)
        seconds.append(perf_counter() - began)
    return scores, min(seconds)


def _of_series(found: list[Found]) -> Row:
    counts = sum((each.at_limit.events or Events() for each in found), Events())
    precision, recall = (
        float(np.mean([np.nan_to_num(getattr(each.at_limit, name)) for each in found]))
        for name in ("range_precision", "range_recall")
    )
    return {
        "vus_pr": _mean(found, lambda each: each.free.vus_pr),
        "range_precision": precision, "range_recall": recall, "range_f1": ranges.f1(precision, recall),
        "ranges": counts.ranges, "ranges_found": counts.found, "false_alerts": counts.false,
        "false_alerts_per_1000": counts.false_per_1000, "delay": None if not counts.found else counts.delay,
    }  # fmt: skip


def _mean(found: list[Found], of: Callable[[Found], float | None]) -> float:
    values = [value for value in map(of, found) if value is not None]
    return float(np.mean(values))


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
