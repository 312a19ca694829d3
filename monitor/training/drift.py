"""Drifts of streams: scores or readings that are distributed otherwise than before, found by River's KSWIN.

Looked for beside the worker, on a thread, in a sample: some streams of each family, and of these the mean of every
hundredth part of a training span. KSWIN compares the newest hundred of them, a span, with as many drawn from the three
spans before. A span holds whole days by default, so that the day is no drift; what comes once a week is one at first.

A drift is an alert of kind `drift` that is resolved at once: it says what has happened, not how things are. It asks for
a training, too, which the challenger gate has to pass.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
import structlog

from monitor.config.families import Family
from monitor.errors import SettingsError
from monitor.pipeline.alerting.health_alerts import Episode, HealthFacts
from monitor.pipeline.outcome import Outcome
from monitor.records.alerts import Fact
from monitor.records.batches import Float64, Int32, Int64
from monitor.records.streams import StreamIndex

DRIFT = "drift"  # the kind of the alert, and the cause of the training
STREAMS = 64  # of a family that are looked at
SPAN, WINDOW = 100, 400  # means of a training span, and of all that is compared
ALPHA = 1e-6  # of a comparison; neighbouring means are alike, so that it is more often wrong than that
WAITING = 256  # batches that wait to be looked at; more are dropped

log = structlog.get_logger()
Detector = Callable[[], Any]  # River's: `update`, and `drift_detected` after it


def kswin() -> Detector:
    """Makes River's detector, the same each time. Raises SettingsError where River is not installed."""
    try:
        from river.drift import KSWIN
    except ModuleNotFoundError as error:
        raise SettingsError(f"train.drift: {error.name} is not installed; pip install 'watchkeeper[drift]'") from None
    return lambda: KSWIN(alpha=ALPHA, window_size=WINDOW, stat_size=SPAN, seed=0)


class _Shown(NamedTuple):
    """Values of one family to look at, summed up by stream and part of time: name, part, newest time, sum and count."""

    family: str
    what: str
    rows: list[tuple[str, int, int, float, int]]


@dataclass(slots=True)
class _Track:
    """The values of one stream: those of the part that is not over yet, and the detector."""

    detector: Any
    part: int | None = None
    total: float = 0.0
    count: int = 0

    def add(self, part: int, total: float, count: int) -> bool:
        """Take in values of this part of time; whether a drift is found in the one that is over with that."""
        drifted = False
        if self.part is not None and part != self.part and self.count:
            mean = self.total / self.count
            self.detector.update(mean)
            drifted = bool(self.detector.drift_detected)
            self.total, self.count = 0.0, 0
        self.part, self.total, self.count = part, self.total + total, self.count + count
        return drifted


class Drifts:
    """Looks for drifts of the families that ask for it, on a thread that ends with the process. See `DriftWatch`."""

    def __init__(self, run: str, families: Mapping[str, Family], detector: Detector) -> None:
        self._run, self._detector = run, detector
        self._parts = {
            name: max(1, family.train_after // SPAN) * (family.grid.interval or 1)
            for name, family in families.items()
            if family.train.drift
        }
        self._waiting: queue.Queue[_Shown] = queue.Queue(WAITING)
        self._found: queue.SimpleQueue[Fact] = queue.SimpleQueue()
        self._tracks: dict[tuple[str, str, str], _Track] = {}
        self._drifted: dict[str, str] = {}

    def start(self) -> None:
        """Begin to look."""
        Thread(target=self._run_thread, name="drifts", daemon=True).start()

    def offer(self, family: str, index: StreamIndex, outcome: Outcome) -> None:
        """A batch of a family was processed; see `DriftWatch`."""
        if family not in self._parts:
            return
        every, scores, sample = max(1, len(index) // STREAMS), outcome.scores, outcome.sample
        shown = (scores.stream % every == 0) & ~np.isnan(scores.score)
        rows = np.flatnonzero(shown if outcome.unlearned is None else shown & ~outcome.unlearned)
        value = np.log1p(np.maximum(scores.score[rows].astype(np.float64), 0.0))
        self._show(family, index, "scores", (scores.stream[rows], scores.end[rows], value))
        if sample is not None:
            rows = np.flatnonzero((sample.stream % every == 0) & np.isfinite(sample.values).all(axis=1))
            value = sample.values[rows].astype(np.float64).mean(axis=1)
            self._show(family, index, "readings", (sample.stream[rows], sample.time[rows], value))

    def facts(self) -> list[Fact]:
        """Facts about drifts found since the last call; see `DriftWatch`."""
        found = []
        while not self._found.empty():
            found.append(self._found.get())
        return found

    def drifted(self) -> dict[str, str]:
        """Families with a drift since the last call, and what was found, in words."""
        found, self._drifted = self._drifted, {}
        return found

    def look(self) -> None:
        """Look at what waits; returns when all of it was looked at. On the thread, and in tests."""
        while not self._waiting.empty():
            self._take(self._waiting.get())

    def _show(self, family: str, index: StreamIndex, what: str, values: tuple[Int32, Int64, Float64]) -> None:
        """Hand values over that are sorted by stream and time; dropped where too much waits: it is a sample."""
        stream, time, value = values
        if not len(stream) or self._waiting.full():
            return
        part = time // self._parts[family]
        begins = np.flatnonzero(np.append(True, (stream[1:] != stream[:-1]) | (part[1:] != part[:-1])))
        sizes = np.diff(np.append(begins, len(stream)))
        names = [index.name(code) for code in stream[begins].tolist()]
        numbers = (part[begins], time[begins + sizes - 1], np.add.reduceat(value, begins), sizes)
        rows = list(zip(names, *(column.tolist() for column in numbers), strict=True))
        self._waiting.put(_Shown(family, what, rows))  # nothing else puts: there is room

    def _run_thread(self) -> None:
        while True:
            self._take(self._waiting.get())

    def _take(self, shown: _Shown) -> None:
        for name, part, time, total, count in shown.rows:
            track = self._tracks.setdefault((shown.family, name, shown.what), _Track(self._detector()))
            if track.add(part, total, count):
                self._report(shown.family, name, shown.what, time)

    def _report(self, family: str, name: str, what: str, at: int) -> None:
        cause = f"its {what} are distributed otherwise than in the three training spans before"
        facts = HealthFacts(self._run, family, "a drift is an event: it does not last")
        episode = Episode(DRIFT, name, at, at, at, 1.0, at, 1, cause, what)
        facts.opened(episode)
        facts.cleared(episode, at, 0.0)
        for fact in facts.facts:
            self._found.put(fact)
        self._drifted = {**self._drifted, family: f"stream {name}: {cause}"}
        log.warning("drift_found", family=family, stream=name, of=what)
