"""Levels that people expect: from which event time on the readings of a stream are its new normal.

A verdict takes effect before the stream's first reading that is later, wherever that is in a batch: so it does in the
run that it was given in, after a restart, and in every replay. What has taken effect is kept with the stream's state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from monitor.pipeline.state.codec import Codes
from monitor.pipeline.state.columns import Columns
from monitor.records.alerts import CommandKind, Decision
from monitor.records.batches import NEVER, Readings
from monitor.records.streams import StreamIndex


class Verdict(NamedTuple):
    """A person expects the level of the stream from `at` on, ns; `reason` says who and why."""

    at: int
    reason: str


class Expected:
    """Verdicts about the streams of a family. Where none waits this costs nothing."""

    def __init__(self, index: StreamIndex) -> None:
        self._index = index
        self.columns = Columns({"expected": (np.int64, (), NEVER)})  # up to which time verdicts have taken effect
        self._verdicts: dict[str, list[Verdict]] = {}  # by stream, in order of time
        self._waiting: set[str] = set()  # streams with verdicts that may not have taken effect

    def add(self, decisions: Iterable[Decision]) -> None:
        """Take in what people decided; other decisions and those that are known change nothing."""
        for decision in decisions:
            command = decision.command
            if command.kind is CommandKind.EXPECT and command.effective is not None:
                reason = f"expected by {command.by}" + (f": {command.note}" if command.note else "")
                known = self._verdicts.setdefault(decision.stream, [])
                known[:] = sorted({*known, Verdict(command.effective, reason)})
                self._waiting.add(decision.stream)

    def loaded(self, codes: Codes) -> None:
        """The states of these streams were loaded: their verdicts may have to take effect once more."""
        if self._verdicts:
            names = {self._index.name(code) for code in codes.tolist()}
            self._waiting |= names & self._verdicts.keys()

    def pieces(self, readings: Readings) -> Iterator[Readings]:
        """The batch in pieces: a verdict takes effect at the beginning of one only."""
        cuts = [0, *sorted({row for row, _, _ in self._due(readings)} - {0}), len(readings)]
        if len(cuts) == 2:
            yield readings
            return
        for begin, end in pairwise(cuts):
            yield readings.take(np.arange(begin, end))

    def take(self, readings: Readings) -> list[tuple[int, Verdict]]:
        """The verdicts that take effect before this piece of a batch, with the code of their stream."""
        due = [(code, verdict) for _, code, verdict in self._due(readings)]
        for code, verdict in due:
            self.columns["expected"][code] = verdict.at
        known, codes = self._verdicts, self._index.codes
        self._waiting -= {
            name for name in self._waiting & codes.keys() if known[name][-1].at <= self.columns["expected"][codes[name]]
        }
        return due

    def _due(self, readings: Readings) -> Iterator[tuple[int, int, Verdict]]:
        """Verdicts that wait for a reading of this batch: the row of that, and the code of the stream."""
        for name in sorted(self._waiting & self._index.codes.keys()):
            code = self._index.codes[name]
            since = self.columns["expected"][code]
            rows = np.flatnonzero(readings.stream == code)
            for verdict in self._verdicts[name]:
                later = rows[readings.time[rows] > verdict.at]
                if verdict.at > since and len(later):
                    yield int(later[0]), code, verdict
