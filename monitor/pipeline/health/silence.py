"""Streams that bring nothing any more, although everything that was sent has been read.

Only the live worker asks, and only of partitions that the broker has just said are read to their end: `look`. A
stream's silence is counted from its newest reading, or from when that end was first reached without a break since. Any
reading of a stream ends its silence.

Where a whole family falls silent at once, the cause is likely one thing between it and here: one gateway alert is
raised instead of many. To tell the two apart, nobody is called silent while all others have been quiet for half the
time already. The alert is over with the first reading of any of them, and then the others' time begins anew.

Whoever gets some of these streams from another worker, or gives some away, cannot know of the others any more: the
alert is called in question. It stands where those that are here are found to be silent together again; else it ends,
and they are called silent one by one.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.pipeline.alerting.health_alerts import GATEWAY, SILENT, Episode, HealthFacts
from monitor.pipeline.state.columns import Columns, Spec
from monitor.records.batches import NEVER, Int32, Int64
from monitor.records.streams import StreamIndex

GATEWAY_STREAMS = 3  # fewer streams that fall silent together are no proof of a common cause

SET_BACK_NS = 60 * 10**9  # what arrived so long after it was proven to be read: the wall clock was set back since

_OWN, _COVERED, _KEEPER = 0, 1, 2  # whose alert it is: its own, the gateway's, and that is kept in its state
_IN_QUESTION = 3  # the gateway's, kept here as well, but nobody knows whether it still holds


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

    def heard(self, stream: Int32, now: int, facts: HealthFacts) -> None:
        """Readings of these streams have arrived; `now` is the wall clock, or what stands for it."""
        self.arrived["at"][stream] = now
        if not self.needed:
            return
        columns = self._columns
        for code in np.unique(stream[columns["silent_opened"][stream] != NEVER]).tolist():
            if columns["silent_cover"][code] == _OWN:
                self._resolve(code, SILENT, now, facts)
        covered = np.flatnonzero(columns["silent_cover"] != _OWN)
        for code in covered.tolist():
            if columns["silent_cover"][code] != _COVERED:
                self._resolve(code, GATEWAY, now, facts)
        columns["silent_opened"][covered], columns["silent_cover"][covered] = NEVER, _OWN
        if len(covered):
            self.arrived["at"][:] = now  # also of those that the alert was in question for
        facts.touched |= set(covered.tolist()) - set(stream.tolist())
        self.needed = bool((columns["silent_opened"] != NEVER).any())

    def times(self, quiet: Quiet) -> Int64:
        """For how long each stream has brought nothing, ns; what arrived by a clock that was set back, arrived now."""
        arrived = self.arrived["at"][quiet.stream]
        arrived = np.where((quiet.now > 0) & (arrived - quiet.now > SET_BACK_NS), quiet.now, arrived)
        self.arrived["at"][quiet.stream] = arrived
        return np.asarray(quiet.now - np.maximum(quiet.since, arrived))

    def question(self, codes: NDArray[np.integer] | None = None) -> None:
        """The gateway alert of these streams, or of all, is from before their owners changed: look at them again."""
        opened, cover = self._columns["silent_opened"], self._columns["silent_cover"]
        chosen = np.arange(len(cover)) if codes is None else codes
        covered = chosen[cover[chosen] == _COVERED]
        opened[covered], cover[covered] = NEVER, _OWN
        cover[chosen[cover[chosen] == _KEEPER]] = _IN_QUESTION
        self.needed |= bool((opened[chosen] != NEVER).any())

    def look(self, quiet: Quiet, clock: Int64, facts: HealthFacts) -> None:
        """Find those that are silent among all streams of this worker; `clock` (n,) is their newest reading's time."""
        silence, cover = self.times(quiet), self._columns["silent_cover"]
        awake = (self._columns["silent_opened"][quiet.stream] == NEVER) | (cover[quiet.stream] == _IN_QUESTION)
        due = awake & (silence >= self.after)
        rest = silence[awake & ~due]
        if not due.any() or (len(rest) and (rest >= self.after // 2).all()):
            return
        codes, now, started = quiet.stream[due], quiet.now[due], clock[due]
        started = np.where(started == NEVER, now, np.minimum(started, now))
        self.needed = True
        facts.touched |= set(codes.tolist())
        kept = bool((cover == _KEEPER).any())  # then these came here after the others had fallen silent
        together = len(rest) == 0 and (kept or len(codes) >= GATEWAY_STREAMS)
        self._answer(codes, int(now.max()), facts, holds=together and not kept)
        new = cover[codes] != _KEEPER
        if together:
            self._cover(codes[new], int(now.max()), started[new], facts)
        else:
            self._call(codes, now, started, facts)

    def _answer(self, codes: Int32, now: int, facts: HealthFacts, *, holds: bool) -> None:
        """Gateway alerts in question of silent streams: one stands if that `holds`, and the others are over."""
        cover = self._columns["silent_cover"]
        asked = codes[cover[codes] == _IN_QUESTION]
        if holds:
            cover[asked[:1]] = _KEEPER
        for code in asked[holds:].tolist():
            self._resolve(code, GATEWAY, now, facts)

    def _cover(self, codes: Int32, now: int, started: Int64, facts: HealthFacts) -> None:
        """One alert for all of these: the one that is open, or a new one."""
        columns = self._columns
        kept = bool((columns["silent_cover"] == _KEEPER).any())
        columns["silent_opened"][codes], columns["silent_started"][codes] = now, started
        columns["silent_cover"][codes] = _COVERED
        if not kept:
            columns["silent_cover"][codes[0]], columns["silent_started"][codes[0]] = _KEEPER, started.max()
            facts.opened(self._episode(int(codes[0]), GATEWAY, now))

    def _call(self, codes: Int32, now: Int64, started: Int64, facts: HealthFacts) -> None:
        """An alert for each of these."""
        columns = self._columns
        columns["silent_opened"][codes], columns["silent_started"][codes] = now, started
        columns["silent_cover"][codes] = _OWN
        for code, at in zip(codes.tolist(), now.tolist(), strict=True):
            facts.opened(self._episode(code, SILENT, at))

    def _resolve(self, code: int, kind: str, now: int, facts: HealthFacts) -> None:
        now = max(now, int(self._columns["silent_opened"][code]))
        episode = self._episode(code, kind, now)
        facts.cleared(episode, now, episode.ratio)
        self._columns["silent_opened"][code], self._columns["silent_cover"][code] = NEVER, _OWN

    def _episode(self, code: int, kind: str, last: int) -> Episode:
        opened, started = (int(self._columns[name][code]) for name in ("silent_opened", "silent_started"))
        name = "" if kind == GATEWAY else self._index.name(code)
        return Episode(kind, name, opened, started, last, 1 + (last - opened) / (self.after or NEVER), last)
