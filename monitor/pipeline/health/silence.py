"""Silent streams: no reading for a given time, although everything that was sent has been read.

Only the live worker checks, and only partitions that the broker has just confirmed to be read to their end: `look`. The
silence of a stream is counted from its newest reading, or from when that end was first reached without an interruption
since. Any reading of a stream ends its silence.

Where a whole family falls silent at once, the cause is likely one thing between it and the worker: one gateway alert is
raised instead of many. To distinguish the two, no stream is called silent while all others have been quiet for half the
time already. The gateway alert resolves with the first reading of any of its streams; the others' time then restarts.

A worker that receives or hands over some of these streams in a rebalance does not see all of them any more: the gateway
alert is unconfirmed. It stands if the streams that are here now fall silent together again; else it resolves, and each
silent stream gets an alert.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.config.health import NEVER_SILENT
from monitor.pipeline.alerting.health_alerts import GATEWAY, SILENT, Episode, HealthFacts
from monitor.pipeline.health.causes import rounded
from monitor.pipeline.overrides import Overrides
from monitor.pipeline.state.columns import Columns, Spec
from monitor.records.batches import NEVER, Bool, Int32, Int64
from monitor.records.streams import StreamIndex

GATEWAY_STREAMS = 3  # fewer that fall silent together do not prove a common cause

SET_BACK_NS = 60 * 10**9  # what arrived so long after it was proven to be read: the wall clock was set back since


class Cover(IntEnum):
    """Which alert covers a silent stream. The numbers are part of the saved state."""

    STREAM = 0  # an alert for the stream alone
    GATEWAY = 1  # the family's gateway alert
    GATEWAY_OWNER = 2  # the same, and this stream's state holds it
    UNCONFIRMED = 3  # as GATEWAY_OWNER, decided before a rebalance


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
        "silent_cover": (np.uint8, (), Cover.STREAM),
    }

    def __init__(self, soonest: int, overrides: Overrides, index: StreamIndex, columns: Columns) -> None:
        self.soonest = soonest  # the shortest time after which some stream is silent, ns; 0 = none ever is
        self._overrides, self._index, self._columns = overrides, index, columns
        self.arrived = Columns({"at": (np.int64, (), NEVER)})
        self.needed = False  # some stream is silent
        self.retired: set[int] = set()  # streams of which nothing is expected; they were loaded without a reading

    def heard(self, stream: Int32, now: int, facts: HealthFacts) -> None:
        """Readings of these streams have arrived; `now` is the wall clock, ns."""
        self.arrived["at"][stream] = now
        if self.retired:
            self.retired.difference_update(stream.tolist())
        if not self.needed:
            return
        columns = self._columns
        for code in np.unique(stream[columns["silent_opened"][stream] != NEVER]).tolist():
            if columns["silent_cover"][code] == Cover.STREAM:
                self._resolve(code, SILENT, now, facts)
        covered = np.flatnonzero(columns["silent_cover"] != Cover.STREAM)
        for code in covered.tolist():
            if columns["silent_cover"][code] != Cover.GATEWAY:
                self._resolve(code, GATEWAY, now, facts)
        columns["silent_opened"][covered], columns["silent_cover"][covered] = NEVER, Cover.STREAM
        if len(covered):
            self.arrived["at"][:] = now  # also of streams of an unconfirmed alert
        facts.touched |= set(covered.tolist()) - set(stream.tolist())
        self.needed = bool((columns["silent_opened"] != NEVER).any())

    def times(self, quiet: Quiet) -> Int64:
        """How long each stream has been silent, ns. An arrival by a clock that was set back since counts as now."""
        arrived = self.arrived["at"][quiet.stream]
        arrived = np.where((quiet.now > 0) & (arrived - quiet.now > SET_BACK_NS), quiet.now, arrived)
        self.arrived["at"][quiet.stream] = arrived
        return np.asarray(quiet.now - np.maximum(quiet.since, arrived))

    def recheck_after_rebalance(self, codes: NDArray[np.integer] | None = None) -> None:
        """The gateway alert of these streams, or of all, was decided before a rebalance: decide again."""
        opened, cover = self._columns["silent_opened"], self._columns["silent_cover"]
        chosen = np.arange(len(cover)) if codes is None else codes
        covered = chosen[cover[chosen] == Cover.GATEWAY]
        opened[covered], cover[covered] = NEVER, Cover.STREAM
        cover[chosen[cover[chosen] == Cover.GATEWAY_OWNER]] = Cover.UNCONFIRMED
        self.needed |= bool((opened[chosen] != NEVER).any())

    def look(self, quiet: Quiet, clock: Int64, facts: HealthFacts, off: Bool | None = None) -> None:
        """Find silent streams among all of this worker; `clock` (n,) is their newest reading's time.

        Nothing is expected now of those that are `off` (n,).
        """
        silence, cover = self.times(quiet), self._columns["silent_cover"]
        after = self._overrides.silent_after(quiet.stream)
        never = (after == NEVER_SILENT) | (False if off is None else off)
        if self.retired:
            never |= np.isin(quiet.stream, list(self.retired))
        after = np.where(never, self.soonest, after)  # those that never are show that others can be heard
        awake = (self._columns["silent_opened"][quiet.stream] == NEVER) | (cover[quiet.stream] == Cover.UNCONFIRMED)
        over = silence >= after
        due, rest = awake & over & ~never, awake & ~over
        if not due.any() or (rest.any() and (silence[rest] >= after[rest] // 2).all()):
            return
        codes, now, started = quiet.stream[due], quiet.now[due], clock[due]
        started = np.where(started == NEVER, now, np.minimum(started, now))
        self.needed = True
        facts.touched |= set(codes.tolist())
        kept = bool((cover == Cover.GATEWAY_OWNER).any())  # then these were assigned after the others had fallen silent
        together = not rest.any() and (kept or len(codes) >= GATEWAY_STREAMS)
        self._confirm(codes, int(now.max()), facts, holds=together and not kept)
        new = cover[codes] != Cover.GATEWAY_OWNER
        if together:
            self._cover(codes[new], int(now.max()), started[new], facts)
        else:
            self._alert_each(codes, now, started, facts)

    def close(self, code: int, at: int, facts: HealthFacts) -> None:
        """Resolve the stream's alert, or the gateway alert that its state holds: others are found silent again."""
        opened, cover = (self._columns[name] for name in ("silent_opened", "silent_cover"))
        if opened[code] == NEVER:
            return
        if cover[code] == Cover.STREAM:
            self._resolve(code, SILENT, at, facts)
        elif cover[code] != Cover.GATEWAY:
            self._resolve(code, GATEWAY, at, facts)
            covered = np.flatnonzero(cover == Cover.GATEWAY)
            opened[covered], cover[covered] = NEVER, Cover.STREAM
            facts.touched |= set(covered.tolist())
        opened[code], cover[code] = NEVER, Cover.STREAM

    def holding(self, code: int) -> Silence | None:
        """This, where the stream's state holds a gateway alert."""
        return self if self._columns["silent_cover"][code] in {Cover.GATEWAY_OWNER, Cover.UNCONFIRMED} else None

    def _confirm(self, codes: Int32, now: int, facts: HealthFacts, *, holds: bool) -> None:
        """Confirm one unconfirmed gateway alert of silent streams if it `holds`, and resolve the others."""
        cover = self._columns["silent_cover"]
        unconfirmed = codes[cover[codes] == Cover.UNCONFIRMED]
        if holds:
            cover[unconfirmed[:1]] = Cover.GATEWAY_OWNER
        for code in unconfirmed[holds:].tolist():
            self._resolve(code, GATEWAY, now, facts)

    def _cover(self, codes: Int32, now: int, started: Int64, facts: HealthFacts) -> None:
        """One alert for all of these: the one that is open, or a new one."""
        columns = self._columns
        kept = bool((columns["silent_cover"] == Cover.GATEWAY_OWNER).any())
        columns["silent_opened"][codes], columns["silent_started"][codes] = now, started
        columns["silent_cover"][codes] = Cover.GATEWAY
        if not kept:
            columns["silent_cover"][codes[0]], columns["silent_started"][codes[0]] = Cover.GATEWAY_OWNER, started.max()
            facts.opened(self._episode(int(codes[0]), GATEWAY, now))

    def _alert_each(self, codes: Int32, now: Int64, started: Int64, facts: HealthFacts) -> None:
        """Open an alert for each of these."""
        columns = self._columns
        columns["silent_opened"][codes], columns["silent_started"][codes] = now, started
        columns["silent_cover"][codes] = Cover.STREAM
        for code, at in zip(codes.tolist(), now.tolist(), strict=True):
            facts.opened(self._episode(code, SILENT, at))

    def _resolve(self, code: int, kind: str, now: int, facts: HealthFacts) -> None:
        now = max(now, int(self._columns["silent_opened"][code]))
        episode = self._episode(code, kind, now)
        facts.cleared(episode, now, episode.ratio)
        self._columns["silent_opened"][code], self._columns["silent_cover"][code] = NEVER, Cover.STREAM

    def _after(self, code: int) -> int:
        return int(self._overrides.silent_after(np.array([code]))[0])

    def _episode(self, code: int, kind: str, last: int) -> Episode:
        opened, started = (int(self._columns[name][code]) for name in ("silent_opened", "silent_started"))
        name = "" if kind == GATEWAY else self._index.name(code)
        who = "no reading of any stream" if kind == GATEWAY else "no reading"
        cause, ratio = f"{who} for {rounded(last - started)}", 1 + (last - opened) / (self._after(code) or NEVER)
        return Episode(kind, name, opened, started, last, ratio, last, cause=cause)
