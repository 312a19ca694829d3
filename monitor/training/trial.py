"""A model tried on a stretch of the past: how often it alarms where all was well, and which faults it finds.

The readings are cut, scored, combined and judged by the family's own recipe, as live ones would be. Faults are put into
copies of them: single readings, and levels that are held, each so many usual spreads away. From one size to the next it
is twice as far, so that the share which is found says how far a fault has to lie away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.scoring.conditions import Conditions
from monitor.pipeline.scoring.recipe import Open, Recipe
from monitor.pipeline.scoring.recipes.registry import learned_from
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.state.segments import Gridded, segments
from monitor.pipeline.windowing.registry import windower
from monitor.ports.scorer import Scorer
from monitor.ports.store import HistoryBlock
from monitor.records.batches import Bool, Float32, Int32, Int64, Scores
from monitor.records.labels import Label
from monitor.records.streams import StreamIndex

SPIKES, STEPS = (1.5, 3.0, 6.0, 12.0), (1.0, 2.0, 4.0, 8.0)  # in scales of the champion's profile
APART = 200  # readings between two faults, or four windows
FAULTS = 48  # of a trial, if need be in several copies of a short one, `COPIES` at most
COPIES = 8
NUMBERS = 2**20  # in the windows of a trial: bounds its memory and its time
STREAMS = 16
FAR = 6.0  # standard deviations of a stream's scores in training, above their mean
WARM_UP = 0.25  # of each stream's readings, which companions take to know it


class Model(NamedTuple):
    """What is tried: its id, how it scores, and what it knows of the streams."""

    id: str
    scorer: Scorer
    profiles: Mapping[str, Profile]


class Found(NamedTuple):
    """What a model makes of a stretch: the shares of its windows beyond the limit, and of the faults that it finds."""

    alarms: float
    faults: float


class Trial:
    """A stretch of the past of some of a family's streams, the newest readings that are kept of each.

    `scales` says how each stream is scaled: by what was known before there was a challenger.
    """

    def __init__(
        self,
        family: Family,
        fresh: Callable[[], Recipe],
        history: Sequence[tuple[str, HistoryBlock]],
        scales: Mapping[str, Profile],
    ) -> None:
        self._family, self._fresh, self._index = family, fresh, StreamIndex()
        self._length = family.shape.length if family.window.rules.consecutive else 1  # readings of a window
        chosen = _spread(sorted({name for name, _ in history if name in scales}), STREAMS)
        most = max(1, NUMBERS // family.shape.numbers // max(1, len(chosen)))
        blocks = {name: _newest([block for of, block in history if of == name], most) for name in chosen}
        codes = self._index.intern(chosen)
        sizes = [len(blocks[name].time) for name in chosen]
        nothing = HistoryBlock(-1, np.zeros(0, np.int64), np.zeros((0, family.shape.width), np.float32))
        self.stream: Int32 = np.repeat(codes, sizes).astype(np.int32)
        self.time: Int64 = np.concatenate([nothing.time, *(blocks[name].time for name in chosen)])
        self.values: Float32 = np.concatenate([nothing.values, *(blocks[name].values for name in chosen)])
        self._scale = [scales[name].scale for name in chosen]

    def __len__(self) -> int:
        """Readings."""
        return len(self.stream)

    def unusual(self, model: Model) -> float:
        """The share of windows that the model's detector finds unusual, by the scores that its streams had in training.

        Whatever the recipe makes of them: one whose scales adapt takes a stretch that is full of faults for usual.
        """
        known, beyond = 0, 0
        for name, code in self._index.codes.items():
            profile = model.profiles.get(name)
            ours = self.stream == code
            if profile is None or not ours.any():
                continue
            seen = learned_from(self._family, self.time[ours], self.values[ours])
            windows, end, _ = windower(self._family).cut_history(seen, self.time[ours], len(seen))
            if self._family.scale == "stream":
                windows = (windows - profile.center) / profile.scale
            whole = np.isfinite(windows).all(axis=(1, 2))
            judged = Conditions(self._family).beside(windows[whole].astype(np.float32), end[whole])
            scores = model.scorer.score(judged)
            known += len(scores)
            beyond += int(np.count_nonzero(scores > profile.score_mean + FAR * profile.score_std))
        return beyond / known if known else 0.0

    def of(self, model: Model) -> Found:
        """What the model makes of it."""
        scores = self._judged(model, self.values)
        known = self._warm(scores) & ~np.isnan(scores.ratio)
        alarms = float(np.mean(scores.ratio[known] > 1)) if known.any() else 0.0
        return Found(alarms, self._faults(model))

    def covers(self, label: Label) -> bool:
        """Whether readings of this stretch are among those that are tried."""
        code = self._index.codes.get(label.stream)
        return code is not None and bool(
            ((self.stream == code) & (self.time >= label.start) & (self.time <= label.end)).any()
        )

    def alarmed(self, model: Model, labels: Sequence[Label]) -> Bool:
        """At which of these stretches the model alarms: a window that ends in one is beyond the limit."""
        scores = self._judged(model, self.values)
        beyond = scores.ratio > 1
        stream, end = scores.stream[beyond], scores.end[beyond]
        codes = self._index.codes
        found = [
            (stream == codes[label.stream]) & (end >= label.start) & (end <= label.end)
            if label.stream in codes
            else np.zeros(0, bool)
            for label in labels
        ]
        return np.array([bool(each.any()) for each in found], bool)

    def _faults(self, model: Model) -> float:
        """The share of the faults that it finds; 0 where none can be made."""
        begins = self._begins(0)
        copies = min(COPIES, -(-FAULTS // len(begins))) if len(begins) else 0
        found, made = 0, 0
        for copy in range(copies):
            begins = self._begins(copy)
            found += self._count(self._judged(model, self._spoilt(begins, copy)), begins)
            made += len(begins)
        return found / made if made else 0.0

    def _begins(self, copy: int) -> Int64:
        """The rows at which the faults of a copy begin."""
        if self._family.window.rules.found:  # a beat is found by its shape: a spike would be another beat
            return np.zeros(0, np.int64)
        first, size = segments(self.stream)
        rank, size = np.arange(len(self)) - np.repeat(first, size), np.repeat(size, size)
        apart = max(APART, 4 * self._length)
        room = (rank >= WARM_UP * size) & (rank < size - self._length)
        return np.flatnonzero(room & (rank % apart == apart // (COPIES + 1) * (copy + 1)))

    def _spoilt(self, begins: Int64, copy: int) -> Float32:
        """The values with faults of every kind in turn, up and down, in one channel after the other."""
        values, channels = self.values.copy(), len(self._family.channels)
        kinds = [(size, False) for size in SPIKES] + [(size, True) for size in STEPS]
        for turn, begin in enumerate(begins.tolist(), start=copy):
            size, step = kinds[turn % len(kinds)]
            channel, sign = turn // (2 * len(kinds)) % channels, (-1) ** (turn // len(kinds))
            scale = self._scale[self.stream[begin]][channel]
            if not np.isnan(scale):
                places = slice(channel, None, channels) if step else slice(channel, channel + 1)
                values[begin : begin + (self._length if step else 1), places] += np.float32(sign * size) * scale
        return values

    def _count(self, scores: Scores, begins: Int64) -> int:
        """How many of the faults that begin at these rows have a window beyond the limit at them, or soon behind."""
        beyond = scores.ratio > 1
        stream, end, found = scores.stream[beyond], scores.end[beyond], 0
        for begin in begins.tolist():
            first, last = self.time[begin], self.time[min(begin + self._length - 1, len(self) - 1)]
            found += bool(((end >= first) & (end <= last) & (stream == self.stream[begin])).any())
        return found

    def _judged(self, model: Model, values: Float32) -> Scores:
        recipe, cut = self._fresh(), windower(self._family)
        for part in (cut, *(section.part for section in recipe.sections.values())):
            part.grow(len(self._index))
        recipe.adopt(model.id, model.scorer, model.profiles, self._index)
        none = np.zeros(len(self), bool)
        slots = self._family.grid.slots(self.time)
        windows = cut.add(Gridded(self.stream, slots, values, none, self._restarts()))
        return recipe.judge(windows, cut.cold_start, _no_alert).scores

    def _restarts(self) -> Bool:
        """Where a stream begins, or goes on after a gap."""
        step = self._family.grid.interval
        begins = np.ones(len(self), bool)
        begins[1:] = self.stream[1:] != self.stream[:-1]
        if step is not None:
            begins[1:] |= np.diff(self.time) != step
        return begins

    def _warm(self, scores: Scores) -> Bool:
        """Which windows are behind the first part of their stream."""
        first, size = segments(self.stream)
        since = np.full(len(self._index), 2**62, np.int64)
        since[self.stream[first]] = self.time[first + (WARM_UP * size).astype(np.int64)]
        return np.asarray(scores.end >= since[scores.stream])


def _no_alert(rows: Int64, ratio: Float32) -> Open:
    """The limit learns whatever is within it."""
    del ratio
    none = np.zeros(len(rows), bool)
    return Open(none, none)


def _spread(names: Sequence[str], most: int) -> list[str]:
    """At most so many of the names, evenly spread."""
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).astype(int)).tolist()]


def _newest(blocks: Sequence[HistoryBlock], most: int) -> HistoryBlock:
    """The newest readings of a stream, as one block."""
    time = np.concatenate([block.time for block in blocks])[-most:]
    return HistoryBlock(-1, time, np.concatenate([block.values for block in blocks])[-most:])
