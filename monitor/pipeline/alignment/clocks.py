"""Which readings may move a stream's clock: those from the future are set aside, a jump ahead must be confirmed.

* *future*: more than `max_future_skew` ahead of the moment at which its record was written, Kafka's timestamp. So it is
  the same live, in a backlog and in a replay. A record without a timestamp is compared with the wall clock, if live.
* *jump*: more than `jump` slots ahead of the stream's clock (see `Grid`), or the stream's first reading. It is held
  until later readings of the stream decide:

  - the next one is near it, at most `jump` slots before or `confirming` slots after it: it is believed. That was a gap.
  - the next one moves the old clock on: the held one is set aside and counted as future, unless the clock has come
    within `jump` slots of it. Readings that do not move the clock, late or out of order, decide nothing.
  - the next one is another jump, and not near: it is held instead.
  - a first reading is believed with the next one that is not far before it; one that is begins the stream's clock.

  When the input ends, a first reading is believed, any other one set aside. Another reading of the held one's slot is a
  duplicate, or joins it where channels come one by one.

Every decision depends only on the order in which a stream's readings arrived. A held reading takes its place in that
order beside the one that confirms it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.config.resolved import Grid
from monitor.pipeline.alignment.believed import Believed, by_stream, clock_before
from monitor.pipeline.alignment.held import Held
from monitor.pipeline.alignment.jumps import Fate, Jumps
from monitor.pipeline.alignment.plan import Plan
from monitor.pipeline.alignment.sorted_readings import Aside
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import segment_starts
from monitor.records.batches import NEVER, Bool, Int64, Readings


class Clocks:
    """Screens the readings of a family; `counted` are the aligner's columns, with the streams' clocks and counters.

    `aside` has what the last batch set aside as future, and `offsets` those readings' offsets.
    """

    def __init__(self, grid: Grid, skew: int, counted: Columns, held: Held) -> None:
        self._grid, self._skew, self._counted, self._held = grid, skew, counted, held
        self.aside: list[tuple[str, Aside]] = []
        self.offsets: list[Int64] = []

    def believed(self, readings: Readings, now: int | None = None) -> Believed:
        """The readings of a batch, in order of arrival, that may move clocks; `now` (ns) is the wall clock, if live."""
        self.aside, self.offsets = [], []
        ahead = self._ahead(readings, now)
        if ahead is None:
            return self._confirmed(readings, np.arange(0))[0]
        future = ahead > self._skew
        rank = np.flatnonzero(~future)
        batch, place = self._confirmed(readings.take(rank), rank)
        self._leave_out(readings, np.flatnonzero(future), ahead[future], batch, place)
        return batch

    def settle(self) -> Believed:
        """The input has ended: the first readings that are held, to be believed; the others are set aside."""
        self.aside, self.offsets = [], []
        codes = np.flatnonzero(self._held.columns["count"])
        clock = self._counted["clock"][codes]
        self._set_aside(codes[clock != NEVER], clock[clock != NEVER])
        return self._by_stream(self._believe(codes[clock == NEVER]))

    def pending(self, codes: NDArray[np.integer]) -> tuple[Int64, Int64]:
        """Messages of each stream that are held, (n,): of first readings, and of those that jumped ahead."""
        count, first = self._held.count(codes), self._counted["clock"][codes] == NEVER
        return np.where(first, count, 0), np.where(first, 0, count)

    def _ahead(self, readings: Readings, now: int | None) -> Int64 | None:
        """How far, ns, each reading is ahead of when it was written; None where none is from the future."""
        written = now if readings.sent is None else readings.sent
        if written is None or not len(readings):
            return None
        ahead: Int64 = readings.time - written
        return ahead if ahead.max() > self._skew else None

    def _leave_out(self, readings: Readings, rows: Int64, ahead: Int64, batch: Believed, place: Int64) -> None:
        """Count rows from the future, among the readings of a batch that are believed, at their places."""
        stream, order = readings.stream[rows], batch.order
        np.add.at(self._counted["future"], stream, 1)
        streams = np.concatenate([batch.stream, stream])
        sort = np.lexsort((np.concatenate([place[order], 2 * rows]), streams))
        slot = np.concatenate([batch.slot, np.full(len(rows), NEVER)])[sort]
        clock = clock_before(self._counted["clock"], streams[sort], slot, segment_starts(streams[sort]))
        which = sort - len(order)
        which, clock = which[which >= 0], clock[which >= 0]
        self.aside.append(("future", Aside(stream[which], clock, ahead[which])))
        self.offsets.append(readings.offset[rows])

    def _confirmed(self, readings: Readings, rank: Int64) -> tuple[Believed, Int64]:
        """Readings without jumps that nothing confirms, and their places; `rank` is each one's in order of arrival."""
        batch = self._by_stream(readings)
        if not self._held.any and batch.step.max(initial=0) <= self._grid.jump:
            return batch, 2 * rank
        doubtful = batch.step > self._grid.jump
        doubtful[batch.first] |= self._held.count(batch.stream[batch.first]) > 0
        if not doubtful.any():
            return batch, 2 * rank
        plan = Plan(readings, rank if len(rank) else np.arange(len(readings)))
        begin = batch.first[np.unique(np.searchsorted(batch.first, np.flatnonzero(doubtful), side="right") - 1)]
        for first in begin[~self._decide_at_once(batch, begin, doubtful, plan)].tolist():
            self._walk(batch, first, doubtful, plan)
        self._held.any = bool(self._held.columns["count"].any())
        believed, place = plan.carried_out()
        return self._by_stream(believed), place

    def _believe(self, codes: NDArray[np.integer]) -> Readings:
        """What these streams hold; the aligner counts one message of each."""
        self._counted["accepted"][codes] += self._held.count(codes) - 1
        return self._held.take(codes)

    def _set_aside(self, codes: NDArray[np.integer], clock: Int64) -> None:
        """Count what these streams, whose clocks stand there, hold as from the future."""
        count = self._held.count(codes)
        self._counted["future"][codes] += count
        messages = np.repeat(np.arange(len(codes)), count)
        readings = self._held.take(codes).take(messages)
        clock = clock[messages]
        self.aside.append(("future", Aside(readings.stream, clock, readings.time - self._grid.times(clock))))
        self.offsets.append(readings.offset)

    def _by_stream(self, readings: Readings) -> Believed:
        return by_stream(readings, self._grid, self._counted["head"])

    def _decide_at_once(self, batch: Believed, begin: Int64, doubtful: Bool, plan: Plan) -> Bool:
        """Streams that begin, or go on after a gap, and whose other readings leave no doubt; whether each is one."""
        code, slot, row = batch.stream[begin], batch.slot[begin], batch.order[begin]
        end = np.append(batch.first, len(batch.stream))[np.searchsorted(batch.first, begin) + 1]
        doubts, clock = np.cumsum(doubtful), self._counted["clock"][code]
        jumps = (doubts[end - 1] == doubts[begin]) & ((clock == NEVER) | (slot > clock + self._grid.jump))
        count, alone, after = self._held.count(code), end == begin + 1, np.minimum(begin + 1, len(batch.slot) - 1)
        step, since = batch.slot[after] - slot, slot - self._held.slots(code)
        held = jumps & (count > 0) & (since != 0) & (since >= -self._grid.jump) & (since <= self._grid.confirming)
        near = held & (since <= self._grid.jump)
        again = held & (since > self._grid.jump) & alone
        pair = jumps & (count == 0) & ~alone & (step != 0) & (step >= -self._grid.jump)
        single = jumps & (count == 0) & alone
        plan.move(row[pair], plan.beside(batch.order[after[pair]], step[pair]))
        believed = near | again
        plan.put_in(plan.beside(row[believed], since[believed]), self._believe(code[believed]))
        self._hold(plan, row[again | single])
        return np.asarray(near | again | pair | single)

    def _walk(self, batch: Believed, begin: int, doubtful: Bool, plan: Plan) -> None:
        """Decide about the readings of one stream, one after the other where there is a doubt."""
        code = batch.stream[begin : begin + 1]
        size = int(np.searchsorted(batch.stream[begin:], code[0], side="right"))
        slots, rows = batch.slot[begin : begin + size], batch.order[begin : begin + size]
        held = int(self._held.slots(code)[0]) if self._held.count(code)[0] else None
        jumps = Jumps(self._grid, int(self._counted["clock"][code[0]]), held)
        for at, fate in jumps.walk(slots, np.flatnonzero(doubtful[begin : begin + size])):
            row = rows[at : at + 1]
            if fate is Fate.JOINED:
                if not self._held.join(int(code[0]), plan.readings.values[row[0]]):
                    self._counted["duplicate"][code] += 1
                plan.leave_out(row)
            elif fate is Fate.HELD:
                self._hold(plan, row)
            elif fate is Fate.SET_ASIDE:
                self._set_aside(code, np.array([jumps.clock]))
            else:
                since = np.array([-1 if fate is Fate.AFTER else 1])
                plan.put_in(plan.beside(row, since), self._believe(code))

    def _hold(self, plan: Plan, rows: Int64) -> None:
        self._held.hold(plan.readings, rows)
        plan.leave_out(rows)
