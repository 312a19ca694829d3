"""ECG for tests: simulated leads with known R-peaks, and what a windower makes of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.pipeline.state.segments import Gridded
from monitor.pipeline.windowing.beats.found import Beats
from monitor.pipeline.windowing.beats.windower import BeatWindower
from monitor.records.batches import Float32, Float64, Int64, Windows
from monitor.simulator.signals import ecg

LENGTH = 128


def lead(
    seconds: float, rate: float, bpm: float, rng: np.random.Generator, *, premature: float = 0.0
) -> tuple[Float64, Float64]:
    """Signal in mV and its R-peak times (s); a share of `premature` beats come early, with a pause behind them."""
    gaps = 60 / bpm * (1 + 0.03 * rng.standard_normal(int(seconds * bpm / 60) + 2))
    early = np.flatnonzero(rng.random(len(gaps) - 1) < premature)
    early = early[np.diff(early, prepend=-9) > 2]
    gaps[early] *= 0.65
    gaps[early + 1] *= 1.35
    peaks = 0.4 + np.cumsum(gaps)
    wide = np.zeros(len(peaks), bool)
    wide[early] = True
    at = np.arange(int(seconds * rate)) / rate
    return ecg(at, peaks, wide, rng), peaks[peaks < at[-1]]


def with_noise(signal: Float64, decibel: float, rng: np.random.Generator) -> Float64:
    """White noise of a power this far below the signal's."""
    return np.asarray(signal + rng.standard_normal(len(signal)) * np.std(signal) * 10 ** (-decibel / 20))


def times(count: int, rate: float) -> Int64:
    """Of samples at this rate, ns."""
    return np.asarray(np.arange(count) * (1e9 / rate), np.int64)


def gridded(samples: Float32, time: Int64, first: int = 0, stream: int = 0) -> Gridded:
    """Samples of one stream as the aligner hands them on, of which the first one has this number."""
    none = np.zeros(len(samples), bool)
    begins = np.arange(first, first + len(samples)) == 0
    return Gridded(np.full(len(samples), stream, np.int32), time, samples[:, None], none, begins)


@dataclass(frozen=True)
class Found:
    windows: Windows
    beats: Beats

    @property
    def facts(self) -> list[bytes]:
        """Everything, as bits."""
        w, b = self.windows, self.beats
        columns = [w.start, w.end, w.values, w.imputed, *(getattr(b, name) for name in Beats.__slots__)]
        return [column.tobytes() for column in columns]


def find(
    samples: NDArray[np.floating],
    rate: float,
    cuts: tuple[int, ...] = (),
    *,
    restart: bool = False,
    interval: int | None = None,
    ended: bool = False,
) -> Found:
    """Feed one stream in the given parts; `restart` goes through saved bytes after each of them.

    With an `interval` (ns) the samples follow one another on its grid. `ended`: no more will come.
    """
    values = samples.astype(np.float32)
    slot = times(len(samples), rate) if interval is None else np.arange(len(samples))
    windower = BeatWindower(LENGTH, rate, interval)
    windower.grow(1)
    found = []
    for begin, end in itertools.pairwise([0, *cuts, len(values)]):
        cut = windower.finish if ended and end == len(values) else windower.add
        windows = cut(gridded(values[begin:end], slot[begin:end], begin))
        found.append((windows, windower.beats))
        if restart:
            saved = windower.dump(np.zeros(1, np.int64)).tobytes()
            windower = BeatWindower(LENGTH, rate, interval)
            windower.grow(1)
            windower.load(np.zeros(1, np.int64), np.frombuffer(saved, windower.dtype))
    windows = Windows(*(np.concatenate([getattr(w, name) for w, _ in found]) for name in Windows.__slots__))
    beats = Beats(*(np.concatenate([getattr(b, name) for _, b in found]) for name in Beats.__slots__))
    return Found(windows, beats)


def matched(marks: Float64, found: Float64, tolerance: float = 0.15) -> NDArray[np.intp]:
    """For each mark (s) the index of the found beat within the tolerance, or -1; the nearest pairs go first."""
    far = np.abs(marks[:, None] - found[None, :])
    partner = np.full(len(marks), -1)
    for flat in np.argsort(far, axis=None):
        mark, beat = np.unravel_index(flat, far.shape)
        if far[mark, beat] > tolerance:
            break
        if partner[mark] < 0 and beat not in partner:
            partner[mark] = beat
    return partner
