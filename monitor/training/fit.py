"""From a stream's first days to a model: one detector per family, one profile per stream.

Windows of all streams are scaled by their own profile, pooled in time order and given to the detector, which learns
from the older ones and stops by the newest fifth of them. The scores of the newest fifth of each stream are its normal
scores: its threshold starts there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors.numpy import load_file, save_file

from monitor.config.families import FEWEST_WINDOWS, Family
from monitor.errors import ModelError
from monitor.pipeline import loop
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile, robust_scale
from monitor.pipeline.windowing.registry import windower
from monitor.ports.scorer import Scorer
from monitor.ports.source import Source
from monitor.ports.store import HistoryBlock, ModelRow
from monitor.records.batches import Float32, Int64

MOST_WINDOWS = 20_000  # more of them cost time and teach little: neighbours share almost all readings
HELD_OUT = 0.2

Named = tuple[str, HistoryBlock]


class Trainable(Scorer, Protocol):
    """A detector that can still learn."""

    def fit(self, windows: Float32) -> Any:
        """Learn from windows in time order, (n, length, channels)."""
        ...

    def save(self, path: Path) -> Any:
        """Write the artefact folder."""
        ...


class Summary(Protocol):
    """The normal ones among some scores."""

    @property
    def mean(self) -> float:
        """Their mean."""
        ...

    @property
    def std(self) -> float:
        """Their standard deviation."""
        ...

    @property
    def count(self) -> int:
        """How many they are."""
        ...


Summarise = Callable[[Float32], Summary]


@dataclass(frozen=True, slots=True)
class _Sample:
    """One stream's training windows, scaled: values (n, length, channels), end (n,)."""

    name: str
    center: Float32
    scale: Float32
    values: Float32
    end: Int64


def gridded(pipeline: Pipeline, source: Source) -> Iterator[Named]:
    """The readings of a bounded source on the grid of `pipeline`, which has no model, with their streams' names."""
    for _, steps in loop.run(source, {pipeline.name: pipeline}):
        for step in steps:
            yield from ((pipeline.index.name(code), block) for code, block in step.outcome.history)


def span(family: Family) -> int:
    """Readings of a stream that a model is trained on, and that a stream waits for one."""
    return family.train_after


def first(history: Iterable[Named], count: int) -> Iterator[Named]:
    """The oldest `count` readings of each stream; its blocks come in order of time."""
    taken: dict[str, int] = {}
    for name, block in history:
        left = count - taken.get(name, 0)
        if left > 0:
            taken[name] = taken.get(name, 0) + len(block.time)
            yield name, HistoryBlock(block.id, block.time[:left], block.values[:left])


def train(
    family: Family,
    history: Iterable[Named],
    create: Callable[[], Trainable],
    summarise: Summarise,
    *,
    judged: float = HELD_OUT,
) -> tuple[Trainable, dict[str, Profile]]:
    """Fit a new detector to the history of a family's streams, and profile each of them.

    `summarise` finds the normal ones among the scores of the newest share `judged`; the past is never clean.
    Raises ModelError when no stream has enough windows.
    """
    samples = [_sample(name, blocks, family) for name, blocks in _by_stream(history)]
    samples = [sample for sample in samples if len(sample.end) >= FEWEST_WINDOWS]
    if not samples:
        raise ModelError(
            f"no stream of topic {family.topic} has {FEWEST_WINDOWS} complete windows of {family.shape.length} "
            "readings; collect more readings (train.after) or shorten window.length"
        )
    stride = max(1, sum(len(sample.end) for sample in samples) // MOST_WINDOWS)
    end = np.concatenate([sample.end[::stride] for sample in samples])
    values = np.concatenate([sample.values[::stride] for sample in samples])
    detector = create()
    detector.fit(values[np.argsort(end, kind="stable")])
    return detector, {sample.name: _profile(sample, detector, summarise, judged) for sample in samples}


def enrol(family: Family, history: Iterable[Named], scorer: Scorer, summarise: Summarise) -> dict[str, Profile]:
    """Profiles for streams that join a family whose model is already trained."""
    samples = [_sample(name, blocks, family) for name, blocks in _by_stream(history)]
    enough = [sample for sample in samples if len(sample.end) >= FEWEST_WINDOWS]
    return {sample.name: _profile(sample, scorer, summarise) for sample in enough}


def save(folder: Path, family: str, detector: Trainable, profiles: Mapping[str, Profile]) -> ModelRow:
    """Write detector and profiles to `folder`/`family`/`id`, all or nothing."""
    parent = folder / family
    draft = parent / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        detector.save(draft / "detector")
        manifest = (draft / "detector" / "manifest.json").read_text(encoding="utf-8")
        identity = str(json.loads(manifest)["sha256"])
        save_profiles(draft, profiles)
        target = parent / identity[:16]
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
    except OSError as error:
        raise ModelError(f"the model cannot be written to {parent}: {error}") from error
    return ModelRow(id=identity, family=family, path=str(target.resolve()), manifest=manifest)


def save_profiles(folder: Path, profiles: Mapping[str, Profile]) -> None:
    """Write profiles.safetensors (one row per stream) and profiles.json (the streams' names)."""
    rows = list(profiles.values())
    scores = np.array([(p.score_mean, p.score_std, p.score_count) for p in rows], np.float64).reshape(-1, 3)
    save_file(
        {"center": np.stack([p.center for p in rows]), "scale": np.stack([p.scale for p in rows]), "scores": scores},
        folder / "profiles.safetensors",
    )
    (folder / "profiles.json").write_text(json.dumps(list(profiles), ensure_ascii=False), encoding="utf-8")


def load_profiles(folder: Path) -> dict[str, Profile]:
    """Read what `save_profiles` wrote. Raises ModelError where it is missing or damaged."""
    try:
        names = json.loads((folder / "profiles.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "profiles.safetensors")
        rows = zip(names, arrays["center"], arrays["scale"], arrays["scores"].tolist(), strict=True)
        return {name: Profile(center, scale, mean, std, int(count)) for name, center, scale, (mean, std, count) in rows}
    except Exception as error:  # safetensors raises its own, unrelated errors
        raise ModelError(f"the stream profiles in {folder} cannot be read ({error}); train the family again") from error


def _by_stream(history: Iterable[Named]) -> Iterable[tuple[str, list[HistoryBlock]]]:
    grouped: dict[str, list[HistoryBlock]] = {}
    for name, block in history:
        grouped.setdefault(name, []).append(block)
    return grouped.items()


def _sample(name: str, blocks: list[HistoryBlock], family: Family) -> _Sample:
    """Scaled windows of one stream; none of them spans a gap in time."""
    time = np.concatenate([block.time for block in blocks])
    values = np.concatenate([block.values for block in blocks])
    channels = len(family.channels)
    windows, end, readings = windower(family).cut_history(values, time, MOST_WINDOWS)
    if family.scale == "stream":
        center, scale = robust_scale(readings)
    else:
        center, scale = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    windows = np.asarray((windows - center) / scale, dtype=np.float32)
    whole = np.isfinite(windows).all(axis=(1, 2))
    return _Sample(name, center, scale, windows[whole], end[whole])


def _profile(sample: _Sample, scorer: Scorer, summarise: Summarise, judged: float = HELD_OUT) -> Profile:
    newest = sample.values[-max(FEWEST_WINDOWS, int(judged * len(sample.values))) :]
    normal = summarise(scorer.score(newest))
    return Profile(sample.center, sample.scale, normal.mean, normal.std, normal.count)
