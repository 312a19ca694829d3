"""From a stream's first days to a model: one detector per family, one profile per stream.

Windows of all streams are scaled by their own profile, pooled in time order and given to the detector, which learns
from the older ones and stops by the newest fifth of them. The scores of the newest fifth of each stream are its normal
scores: its threshold starts there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from monitor.config.families import FEWEST_WINDOWS, Family
from monitor.config.recipes import OWN
from monitor.errors import ModelError
from monitor.pipeline import loop
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.conditions import Conditions
from monitor.pipeline.scoring.recipes.registry import constants, learned_from, learned_windows
from monitor.pipeline.scoring.stream_scaling import Profile, StreamScale, robust_scale
from monitor.pipeline.windowing.registry import windower
from monitor.ports.scorer import Scorer
from monitor.ports.source import Source
from monitor.ports.store import HistoryBlock
from monitor.records.batches import Bool, Float32, Int64
from monitor.training.garbage import without_garbage
from monitor.training.rests import longest_rests
from monitor.training.strays import without_strays

MOST_WINDOWS = 20_000  # more of them cost time and teach little: neighbours share almost all readings
STIR = np.float32(1.5)  # scales: the last digit of a channel at rest may change for good

Named = tuple[str, HistoryBlock]


class Trainable(Scorer, Protocol):
    """A detector that can still learn."""

    def fit(self, windows: Float32) -> Any:
        """Learn from windows in time order, (n, length, channels)."""
        ...

    def save(
        self, path: Path, *, channel_names: Sequence[str], span: tuple[int, int], beside: Mapping[str, str]
    ) -> Any:
        """Write the artefact folder; its manifest says the channels and the first and last time (ns) of training.

        `beside` goes there too: the sha256 of the files outside that folder that belong to the model, by name.
        """
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


@dataclass(frozen=True, slots=True)
class NormalScores:
    """Where a limit begins: `of` finds the normal ones among the scores of a stream's newest share `share`."""

    share: float
    of: Callable[[Float32], Summary]


@dataclass(frozen=True, slots=True)
class AllScores:
    """Mean and standard deviation of all scores, for recipes that learn the whole past."""

    mean: float
    std: float
    count: int

    @classmethod
    def of(cls, scores: Float32) -> AllScores:
        """Of (n,) scores."""
        wide = scores.astype(np.float64)
        return cls(float(wide.mean()), float(wide.std()), len(wide))


def _beginning(family: Family, normal: NormalScores) -> NormalScores:
    return NormalScores(1.0, AllScores.of) if OWN[family.judged_by].whole_past else normal


@dataclass(frozen=True, slots=True)
class _Sample:
    """One stream's training windows, scaled: values (n, length, channels and conditions), end (n,).

    `time` is of its readings; `rests` has a value for each channel and condition.

    `usual` is how its channels are scaled, or would be. Windows with garbage, which was read `garbage` times, and those
    that lack a channel are left out. A channel that hardly ever had a value is not learned: it is 0 in all windows, and
    NaN in `usual`.
    """

    name: str
    time: Int64
    usual: StreamScale
    rests: Bool
    longest: Int64
    values: Float32
    end: Int64
    garbage: int
    constants: Mapping[str, Float32]


def gridded(pipeline: Pipeline, source: Source) -> Iterator[Named]:
    """All readings of a bounded source on the grid of `pipeline`, which has no model, with their streams' names."""
    for _, steps in loop.run(source, {pipeline.name: pipeline}):
        for step in steps:
            yield from ((pipeline.index.name(code), block) for code, block in step.outcome.history)


def span(family: Family) -> int:
    """Readings of a stream that a model is trained on, that a stream waits for one, and that are kept of it after."""
    return family.train_after


def first(history: Iterable[Named], family: Family) -> Iterator[Named]:
    """The oldest readings of each stream, `span` of them; its blocks come in order of time.

    Blocks kept before the family had its channels are left out.
    """
    taken: dict[str, int] = {}
    for name, block in history:
        left = span(family) - taken.get(name, 0)
        if left > 0 and block.values.shape[1] == family.shape.width:
            taken[name] = taken.get(name, 0) + len(block.time)
            yield name, HistoryBlock(block.id, block.time[:left], block.values[:left])


def kept(history: Iterable[Named], family: Family, unusual: Mapping[str, Sequence[tuple[int, int]]]) -> Iterator[Named]:
    """All that is kept of each stream, without its `unusual` times: first and last time of each, ns, by stream."""
    for name, block in history:
        if block.values.shape[1] == family.shape.width:
            usual = np.ones(len(block.time), bool)
            for begin, end in unusual.get(name, ()):
                usual &= (block.time < begin) | (block.time > end)
            if usual.any():
                yield name, HistoryBlock(block.id, block.time[usual], block.values[usual])


def train(
    family: Family,
    history: Iterable[Named],
    create: Callable[[], Trainable],
    normal: NormalScores,
) -> tuple[Trainable, dict[str, Profile]]:
    """Fit a new detector to the history of a family's streams, and profile each of them.

    Raises ModelError when no stream has enough windows.
    """
    given = [_sample(name, blocks, family) for name, blocks in _by_stream(history)]
    samples = [sample for sample in given if len(sample.end) >= FEWEST_WINDOWS]
    if not samples:
        garbage = sum(sample.garbage for sample in given)
        left_out = f" ({garbage:,} readings are garbage, absurdly far from the others)" if garbage else ""
        raise ModelError(
            f"no stream of topic {family.topic} has {FEWEST_WINDOWS} complete windows of {family.shape.length} "
            f"readings{left_out}; collect more readings (train.after) or shorten window.length"
        )
    stride = max(1, sum(len(sample.end) for sample in samples) // MOST_WINDOWS)
    end = np.concatenate([sample.end[::stride] for sample in samples])
    values = np.concatenate([sample.values[::stride] for sample in samples])
    detector = create()
    detector.fit(values[np.argsort(end, kind="stable")])
    profiles = {sample.name: _profile(sample, detector, _beginning(family, normal)) for sample in samples}
    sound = {name: profile for name, profile in profiles.items() if profile.sound}
    if not sound:
        raise ModelError(
            f"no stream of topic {family.topic} has a finite limit: its training readings are absurdly large; set "
            "valid_range, or give other readings to learn from"
        )
    return detector, sound


def enrol(family: Family, history: Iterable[Named], scorer: Scorer, normal: NormalScores) -> dict[str, Profile]:
    """Profiles for streams that join a family whose model is already trained."""
    samples = [_sample(name, blocks, family) for name, blocks in _by_stream(history)]
    enough = [sample for sample in samples if len(sample.end) >= FEWEST_WINDOWS]
    profiles = {sample.name: _profile(sample, scorer, _beginning(family, normal)) for sample in enough}
    return {name: profile for name, profile in profiles.items() if profile.sound}


def _by_stream(history: Iterable[Named]) -> Iterable[tuple[str, list[HistoryBlock]]]:
    grouped: dict[str, list[HistoryBlock]] = {}
    for name, block in history:
        grouped.setdefault(name, []).append(block)
    return grouped.items()


def _sample(name: str, blocks: list[HistoryBlock], family: Family) -> _Sample:
    """Scaled windows of one stream; none of them spans a gap in time."""
    time = np.concatenate([block.time for block in blocks])
    values = np.concatenate([block.values for block in blocks])
    garbage = 0
    if family.window.rules.consecutive:
        values, garbage = without_garbage(values, robust_scale(values), family.grid.max_gap)
        values = values if OWN[family.judged_by].whole_past else without_strays(values)
    seen = learned_from(family, time, values)
    windows, end, readings = windower(family).cut_history(seen, time, MOST_WINDOWS)
    usual = robust_scale(readings)
    scale = usual if family.scale == "stream" else StreamScale.none(len(family.channels))
    if not family.window.rules.consecutive:  # nothing is filled in between beats or messages
        garbage = int(np.count_nonzero(usual.garbage(readings).any(axis=1)))
        windows = np.where(usual.garbage(windows), np.float32(np.nan), windows)
    windows = np.asarray((learned_windows(family, windows) - scale.center) / scale.scale, dtype=np.float32)
    learned = _learned(np.asarray(~np.isnan(windows).any(axis=1)))
    if learned.any():
        windows[:, :, ~learned] = 0
    whole, conditions = np.isfinite(windows).all(axis=(1, 2)), Conditions(family)
    rests = conditions.still((scale.rests & learned).astype(np.float32)) > 0
    return _Sample(
        name, time, usual.only(learned), rests, longest_rests(family, time, values),
        conditions.beside(windows[whole], end[whole]), end[whole], garbage, constants(family, values),
    )  # fmt: skip


def _learned(there: Bool) -> Bool:
    """Which channels to learn, by which of them are complete in each window, (n, channels).

    One after the other is left out, where more than twice as many windows are complete without it.
    """
    learned = np.asarray(there.any(axis=0))
    while learned.sum() > 1:
        fewest = int(np.where(learned, there.sum(axis=0), len(there) + 1).argmin())
        others = learned.copy()
        others[fewest] = False
        if there[:, others].all(axis=1).sum() <= 2 * there[:, learned].all(axis=1).sum():
            break
        learned = others
    return learned


def _profile(sample: _Sample, scorer: Scorer, normal: NormalScores) -> Profile:
    newest = sample.values[-max(FEWEST_WINDOWS, int(normal.share * len(sample.values))) :]
    found = normal.of(scorer.score(newest))
    span = (int(sample.time[0]), int(sample.time[-1]), len(sample.time), sample.garbage)
    scores = (found.mean, found.std, found.count)
    least = _least(sample.rests, newest, scorer)
    return Profile(sample.usual.center, sample.usual.scale, *scores, *span, least, sample.longest, sample.constants)


def _least(rests: Bool, windows: Float32, scorer: Scorer) -> float:
    """The score of windows in which everything at rest has moved by `STIR` scales: no less may be an anomaly.

    Such a scale is a floor that no reading has taught, so the limit of a stream at rest has one too.
    """
    if not rests.any():
        return 0.0
    stirred = [float(np.median(scorer.score(windows + sign * STIR * rests.astype(np.float32)))) for sign in (-1, 1)]
    return max(stirred)
