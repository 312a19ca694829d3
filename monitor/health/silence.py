"""Streams that bring nothing any more, although everything that was sent has been read.

Only the live worker asks, and only of partitions that the broker has just said are read to their end: `look`. A
stream's silence is counted from its newest reading, or from when that end was first reached without a break since. Any
reading of a stream ends its silence.

Where a whole family falls silent at once, the cause is likely one thing between it and here: one gateway alert is
raised instead of many. To tell the two apart, nobody is called silent while all others have been quiet for half the
time already. The alert is over with the first reading of any of them, and then the others' time begins anew.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from monitor.columns import Columns, Spec
from monitor.health.news import GATEWAY, SILENT, Episode, News
from monitor.records import NEVER, Int32, Int64, StreamIndex

GATEWAY_STREAMS = 3  # fewer streams that fall silent together are no proof of a common cause

_OWN, _COVERED, _KEEPER = 0, 1, 2  # whose alert it is: its own, the gateway's, and that is kept in its state


class Quiet(NamedTuple):
    """Streams (codes) whose partitions were read to the end at `now` (n,), without a break since `since` (n,)."""

    stream: Int32
    since: Int64
    now: Int64


class Silence:
    """Silent streams of a family. Its columns are named `silent_*`; when readings arrived is not saved."""

    SPEC: ClassVar[dict[str, Spec]] = {
        "silent_opened": (np.int64, (), NEVER),  # NEVER = not silent
        "silent_started": (np.int64, (), NEVER),  # time of the newest reading before it
        "silent_cover": (np.uint8, (), _OWN),
    }

    def __init__(self, after: int, index: StreamIndex, columns: Columns) -> None:
        self.after, self._index, self._columns = after, index, columns
        self.arrived = Columns({"at": (np.int64, (), NEVER)})
        self.needed = False  # some stream is silent

    def heard(self, stream: Int32, now: int, news: News) -> None:
        """Readings of these streams have arrived; `now` is the wall clock, or what stands for it."""
        self.arrived["at"][stream] = now
        if not self.needed:
            return
        columns = self._columns
        for code in np.unique(stream[columns["silent_opened"][stream] != NEVER]).tolist():
            if columns["silent_cover"][code] == _OWN:
                self._resolve(code, SILENT, now, news)
        covered = np.flatnonzero(columns["silent_cover"] != _OWN)
        for code in covered.tolist():
            if columns["silent_cover"][code] == _KEEPER:
                self._resolve(code, GATEWAY, now, news)
        columns["silent_opened"][covered], columns["silent_cover"][covered] = NEVER, _OWN
        self.arrived["at"][covered] = now
        news.touched |= set(covered.tolist()) - set(stream.tolist())
        self.needed = bool((columns["silent_opened"] != NEVER).any())

    def times(self, quiet: Quiet) -> Int64:
        """For how long each stream has brought nothing, ns."""
        return np.asarray(quiet.now - np.maximum(quiet.since, self.arrived["at"][quiet.stream]))

    def look(self, quiet: Quiet, clock: Int64, news: News) -> None:
        """Find those that are silent among all streams of this worker; `clock` (n,) is their newest reading's time."""
        silence = self.times(quiet)
        awake = self._columns["silent_opened"][quiet.stream] == NEVER
        due = awake & (silence >= self.after)
        rest = silence[awake & ~due]
        if not due.any() or (len(rest) and (rest >= self.after // 2).all()):
            return
        codes, now = quiet.stream[due], quiet.now[due]
        together = len(rest) == 0 and len(codes) >= GATEWAY_STREAMS
        self._columns["silent_opened"][codes] = now.max() if together else now
        self._columns["silent_started"][codes] = np.where(clock[due] == NEVER, now, np.minimum(clock[due], now))
        self._columns["silent_cover"][codes] = _COVERED if together else _OWN
        self.needed = True
        news.touched |= set(codes.tolist())
        if together:
            self._columns["silent_cover"][codes[0]] = _KEEPER
            started = self._columns["silent_started"]
            started[codes[0]] = started[codes].max()
            news.opened(self._episode(int(codes[0]), GATEWAY, int(now.max())))
            return
        for code, at in zip(codes.tolist(), now.tolist(), strict=True):
            news.opened(self._episode(code, SILENT, at))

    def _resolve(self, code: int, kind: str, now: int, news: News) -> None:
        now = max(now, int(self._columns["silent_opened"][code]))
        episode = self._episode(code, kind, now)
        news.resolved(episode, now, episode.ratio)
        self._columns["silent_opened"][code], self._columns["silent_cover"][code] = NEVER, _OWN

    def _episode(self, code: int, kind: str, last: int) -> Episode:
        opened, started = (int(self._columns[name][code]) for name in ("silent_opened", "silent_started"))
        name = "" if kind == GATEWAY else self._index.name(code)
        return Episode(kind, name, opened, started, last, 1 + (last - opened) / (self.after or NEVER), last)
