"""A whole plant: streams of two topics, the faults in them, and their readings in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from monitor.errors import SettingsError
from monitor.records.batches import Bool, Float32, Float64, Int32, Int64
from monitor.simulator import signals
from monitor.simulator.faults import INJECT, PREMATURE_BEATS, premature_beats
from monitor.simulator.truth import Fault

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
NEW_YEAR = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
TEMPERATURE_INTERVAL = 10 * SECOND
MOST_BYTES = 2**30  # of readings in memory


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings to publish to one topic, in order of time. `stream` (n,) indexes `streams`, the Kafka keys.

    `values` is (n, width) and NaN = missing. `fields` name its columns in the message; one name for several columns
    means that the field holds a list. An infinite value is written as a word, below or above what can be measured.
    """

    topic: str
    streams: Sequence[str]
    fields: tuple[str, ...]
    stream: Int32
    time: Int64
    values: Float32
    beyond: tuple[str, str] = ("UNDER", "OVER")

    def __len__(self) -> int:
        """Readings in the batch."""
        return len(self.time)

    def rows(self, start: int, stop: int) -> Batch:
        """The readings from `start` up to `stop`."""
        cut = slice(start, stop)
        return replace(self, stream=self.stream[cut], time=self.time[cut], values=self.values[cut])


@dataclass(frozen=True, slots=True)
class Recipe:
    """A fault as it happens here: its size in the unit of the signal and how long it lasts, s."""

    kind: str
    seconds: float
    size: float = 0.0


TEMPERATURE_FAULTS = (
    Recipe("level-shift", 900, 9.0),
    Recipe("spike", 30, 25.0),
    Recipe("noise-burst", 600, 3.0),
    Recipe("stuck", 1200),
    Recipe("slow-drift", 1800, 15.0),
    Recipe("dropout", 300),
)
ECG_FAULTS = (
    Recipe(PREMATURE_BEATS, 5),
    Recipe("noise-burst", 2, 0.4),
    Recipe(PREMATURE_BEATS, 8),
    Recipe("stuck", 3),
    Recipe(PREMATURE_BEATS, 3),
    Recipe("dropout", 3),
)


@dataclass(frozen=True)
class Plant:
    """Machines that report a temperature every 10 s and patients with an ECG, from `start` (ns) for `duration` (ns).

    Equal arguments give equal readings, and a stream is the same whatever other streams there are. Faults begin after
    the share `clean` of the time, one about every four hours for a machine and every two minutes for an ECG; they never
    overlap. An ECG is published beat by beat, as vectors of `beat_length` numbers timed by their R-peak, or sample by
    sample. Everything is made when first asked for and kept: 20 bytes a reading, 600 a beat.
    """

    seed: int = 0
    machines: int = 8
    ecgs: int = 1
    duration: int = 6 * HOUR
    start: int = NEW_YEAR
    faults: bool = True
    clean: float = 0.5
    ecg_form: Literal["beats", "samples"] = "beats"
    ecg_rate: int = 250  # Hz
    beat_length: int = 140
    temperature_topic: str = "temperature"
    ecg_topic: str = "ecg"

    def __post_init__(self) -> None:
        if self.machines < 0 or self.ecgs < 0 or self.machines + self.ecgs == 0:
            raise SettingsError("a plant needs at least one machine or one ECG")
        if self.seed < 0:
            raise SettingsError(f"seed = {self.seed} is negative; choose 0 or more")
        if self.duration < MINUTE:
            raise SettingsError("a plant runs for a minute at least; give a longer duration")
        if (bytes_ := self._bytes) > MOST_BYTES:
            raise SettingsError(
                f"this plant needs {bytes_ / 2**30:,.0f} GiB of memory; simulate fewer machines or ECGs, or less time"
            )
        if not 0 <= self.clean < 1:
            raise SettingsError(f"clean = {self.clean} is not a share of the time: 0 up to, but not including, 1")
        if not 125 <= self.ecg_rate <= 1000:
            raise SettingsError(f"ecg_rate = {self.ecg_rate} Hz; choose 125 to 1000")

    @property
    def _bytes(self) -> int:
        """About how much memory its readings take."""
        ecg = 600 * 1.5 if self.ecg_form == "beats" else 20 * self.ecg_rate
        return int(self.duration * (self.machines * 20 / TEMPERATURE_INTERVAL + self.ecgs * ecg / SECOND))

    @cached_property
    def _made(self) -> tuple[list[Batch], list[Fault]]:
        truth: list[Fault] = []
        feeds = []
        if self.machines:
            feeds.append(self._temperatures(truth))
        if self.ecgs:
            feeds.append(self._ecgs(truth))
        return feeds, sorted(truth)

    @property
    def feeds(self) -> list[Batch]:
        """All readings, one batch per topic."""
        return self._made[0]

    @property
    def truth(self) -> list[Fault]:
        """Every fault, in order of time."""
        return self._made[1]

    def __len__(self) -> int:
        """Messages of the whole plant."""
        return sum(len(feed) for feed in self.feeds)

    def batches(self, step: int = 10 * MINUTE) -> Iterator[Batch]:
        """The readings in order of time, `step` ns after `step` ns; within a step, topic after topic."""
        edges = np.arange(self.start, self.start + self.duration + step, step)
        cuts = [np.searchsorted(feed.time, edges) for feed in self.feeds]
        for number in range(len(edges) - 1):
            for feed, cut in zip(self.feeds, cuts, strict=True):
                if cut[number] < cut[number + 1]:
                    yield feed.rows(int(cut[number]), int(cut[number + 1]))

    def r_peaks(self, ecg: int) -> Float64:
        """True R-peak times of an ECG in seconds after `start`, faults included; the first and last may lie outside."""
        return self._rhythm(ecg)[0]

    def _temperatures(self, truth: list[Fault]) -> Batch:
        times = np.arange(self.start, self.start + self.duration, TEMPERATURE_INTERVAL, dtype=np.int64)
        names = [f"m-{number + 1:02d}" for number in range(self.machines)]
        columns = np.empty((len(times), self.machines), dtype=np.float32)
        for number, name in enumerate(names):
            values = signals.machine_temperature(times / SECOND, self._rng(0, number))
            for rows, recipe, rng in self._schedule(0, number, times):
                values = INJECT[recipe.kind](values, rows, rng, recipe.size)
                truth.append(_fault(name, recipe.kind, times, rows))
            columns[:, number] = values.round(2)  # what such a sensor resolves
        row, stream = np.nonzero(~np.isnan(columns))
        return Batch(
            self.temperature_topic, names, ("value",), stream.astype(np.int32), times[row], columns[row, stream, None]
        )

    def _ecgs(self, truth: list[Fault]) -> Batch:
        names = [f"ecg-{number + 1:02d}" for number in range(self.ecgs)]
        parts = [self._ecg(number, name, truth) for number, name in enumerate(names)]
        time = np.concatenate([time for time, _ in parts])
        values = np.concatenate([values for _, values in parts])
        stream = np.repeat(np.arange(self.ecgs, dtype=np.int32), [len(time) for time, _ in parts])
        order = np.argsort(time, kind="stable")
        return Batch(self.ecg_topic, names, ("value",), stream[order], time[order], values[order])

    def _ecg(self, number: int, name: str, truth: list[Fault]) -> tuple[Int64, Float32]:
        """Times and values of one ECG's messages, those without a missing value."""
        times = self._sample_times()
        seconds = (times - self.start) / SECOND
        peaks, premature, spans = self._rhythm(number)
        values = signals.ecg(seconds, peaks, premature, self._rng(1, number))
        for rows, (_, recipe, rng) in zip(spans, self._schedule(1, number, times), strict=True):
            if recipe.kind != PREMATURE_BEATS:
                values = INJECT[recipe.kind](values, rows, rng, recipe.size)
            truth.append(_fault(name, recipe.kind, times, rows))
        if self.ecg_form == "beats":
            vectors = signals.cut_beats(seconds, values, peaks, self.beat_length)
            nearest = np.clip(np.searchsorted(seconds, peaks), 0, len(times) - 1)
            times, values = times[nearest], vectors
        else:
            values = values[:, None]
        there = ~np.isnan(values).any(axis=1)
        return times[there], values[there].round(3).astype(np.float32)  # microvolts

    def _rhythm(self, number: int) -> tuple[Float64, Bool, list[slice]]:
        """R-peaks of an ECG in seconds, which of them are premature, and the rows that each scheduled fault changes."""
        times = self._sample_times()
        seconds = (times - self.start) / SECOND
        peaks = signals.heartbeats(self.duration / SECOND, self._rng(2, number))
        premature = np.zeros(len(peaks), dtype=np.bool_)
        spans = []
        for rows, recipe, _ in self._schedule(1, number, times):
            if recipe.kind == PREMATURE_BEATS:
                beats = _beats_within(peaks, seconds, rows)
                peaks, early = premature_beats(peaks, beats)
                premature |= early
                around = peaks[[beats.start - 1, beats.stop]]  # a beat reaches as far as its neighbours' R-peaks
                spans.append(slice(*np.searchsorted(seconds, around).tolist()))
            else:
                spans.append(rows)
        return peaks, premature, spans

    def _sample_times(self) -> Int64:
        samples = np.arange(self.duration * self.ecg_rate // SECOND, dtype=np.int64)
        return self.start + samples * SECOND // self.ecg_rate

    def _schedule(self, signal: int, number: int, times: Int64) -> Iterator[tuple[slice, Recipe, np.random.Generator]]:
        """Rows and recipe of each fault of a stream, each in a separate slot, with room around it."""
        if not self.faults:
            return
        recipes, every = (ECG_FAULTS, 2 * MINUTE) if signal else (TEMPERATURE_FAULTS, 4 * HOUR)
        rng = self._rng(signal + 10, number)
        first = int(self.clean * self.duration)
        slots = max(1, (self.duration - first) // every)
        slot = (self.duration - first) // slots
        for turn in range(slots):
            recipe = recipes[(number + turn) % len(recipes)]
            begin = self.start + first + turn * slot + int(slot * rng.uniform(0.1, 0.4))
            end = begin + min(int(recipe.seconds * SECOND), slot // 2)
            start, stop = np.searchsorted(times, (begin, end)).tolist()
            start = min(start, len(times) - 1)  # in a short time it may lie behind the last sample
            yield slice(start, max(stop, start + 1)), recipe, self._rng(signal + 20, number, turn)

    def _rng(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *purpose))


def _fault(stream: str, kind: str, times: Int64, rows: slice) -> Fault:
    return Fault(int(times[rows.start]), int(times[rows.stop - 1]), stream, kind)


def _beats_within(peaks: Float64, seconds: Float64, rows: slice) -> slice:
    """Beats between two rows; at least one, and never the first or last of the recording."""
    start, stop = np.searchsorted(peaks, (seconds[rows.start], seconds[rows.stop - 1])).tolist()
    start = min(max(start, 1), len(peaks) - 2)
    return slice(start, min(max(stop, start + 1), len(peaks) - 1))
