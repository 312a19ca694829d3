"""Aligner and windower against a slow, obvious reference, one reading at a time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.resolved import Grid, Shape
from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.windowing.sliding import SlidingWindower
from monitor.records.batches import Readings
from monitor.records.counters import GRID

INTERVAL = 10
Arrival = tuple[int, int, float]  # stream, time, value
Window = tuple[int, int, int, tuple[float, ...], float]


@dataclass
class Reference:
    """One stream, in plain Python."""

    lateness: int
    max_gap: int
    length: int
    hop: int
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GRID, 0))
    held: list[tuple[int, float]] = field(default_factory=list)
    taken: dict[int, float] = field(default_factory=dict)
    clock: int | None = None
    head: int | None = None
    series: list[tuple[int, np.float32, bool]] = field(default_factory=list)  # slot, value, imputed
    windows: list[tuple[int, int, tuple[float, ...], float]] = field(default_factory=list)

    def arrive(self, time: int, value: float) -> None:
        """Held until the next one where it is a jump, else added."""
        slot, jump = (time + INTERVAL // 2) // INTERVAL, self.lateness + self.max_gap + 1
        clock = self.clock
        if not self.held:
            if clock is None or slot > clock + jump:
                self.held = [(time, value)]
            else:
                self.add(slot, value)
            return
        at = (self.held[0][0] + INTERVAL // 2) // INTERVAL
        if slot == at:
            self.counts["duplicate"] += 1
        elif clock is None and slot < at - jump:
            self.add(slot, value)
        elif clock is not None and slot <= clock + jump:
            self.add(slot, value)
            if slot > clock:
                self.decide(at, believed=at <= slot + jump)
        elif clock is None or slot >= at - jump:
            if slot < at:
                self.add(slot, value)
            self.decide(at, believed=True)
            if slot > at:
                self.arrive(time, value)
        else:
            self.decide(at, believed=False)
            self.arrive(time, value)

    def decide(self, at: int, *, believed: bool) -> None:
        ((_, value),) = self.held
        self.held = []
        if believed:
            self.add(at, value)
        else:
            self.counts["future"] += 1

    def add(self, slot: int, value: float) -> None:
        if self.clock is not None and slot < self.clock - self.lateness:
            self.counts["late"] += 1
            return
        if slot in self.taken:
            self.counts["duplicate"] += 1
            return
        self.counts["accepted"] += 1
        self.taken[slot] = value
        self.clock = slot if self.clock is None else max(self.clock, slot)
        self.release(self.clock - self.lateness)

    def release(self, safe: int) -> None:
        for slot in sorted(s for s in self.taken if self.head is None or s > self.head):
            if slot > safe and (self.head is None or slot != self.head + 1):
                return
            self.append(slot, np.float32(self.taken[slot]))

    def append(self, slot: int, value: np.float32) -> None:
        gap = 0 if self.head is None else slot - self.head - 1
        if self.head is None or gap > self.max_gap:
            self.series = []
        elif gap:
            before = self.series[-1][1]
            for step in range(1, gap + 1):
                filled = before + (value - before) * np.float32(step / (gap + 1))
                self.counts["imputed"] += 1
                self.emit(self.head + step, filled, imputed=True)
        self.emit(slot, value, imputed=False)
        self.head = slot

    def emit(self, slot: int, value: np.float32, *, imputed: bool) -> None:
        self.series.append((slot, value, imputed))
        if len(self.series) >= self.length and (slot + 1) % self.hop == 0:
            last = self.series[-self.length :]
            share = sum(i for _, _, i in last) / self.length
            self.windows.append(
                (last[0][0] * INTERVAL, slot * INTERVAL, tuple(float(v) for _, v, _ in last), round(share, 6))
            )


def batches(arrivals: list[Arrival], cuts: list[int]) -> list[Readings]:
    edges = sorted({0, len(arrivals), *(cut % (len(arrivals) + 1) for cut in cuts)})
    out = []
    for begin, end in itertools.pairwise(edges):
        part = arrivals[begin:end]
        none = np.zeros(len(part), np.int32)
        out.append(
            Readings(
                np.array([a[0] for a in part], np.int32),
                np.array([a[1] for a in part], np.int64),
                np.array([[a[2]] for a in part], np.float32),
                none,
                none.astype(np.int64),
            )
        )
    return out


def run(
    arrivals: list[Arrival], cuts: list[int], setup: tuple[int, int, int, int], *, restart: bool
) -> tuple[list[Window], dict[str, list[int]]]:
    lateness, max_gap, length, hop = setup

    def fresh() -> tuple[Aligner, SlidingWindower]:
        grid = Grid(INTERVAL, lateness, max_gap)
        aligner, windower = Aligner(1, grid), SlidingWindower(Shape(length, hop, 1, 1), grid)
        aligner.grow(3)
        windower.grow(3)
        return aligner, windower

    aligner, windower = fresh()
    windows: list[Window] = []
    codes = np.arange(3)
    for batch in batches(arrivals, cuts):
        found = windower.add(aligner.add(batch))
        for i in range(len(found)):
            values = tuple(float(v) for v in found.values[i, :, 0])
            share = round(float(found.imputed[i]), 6)
            windows.append((int(found.stream[i]), int(found.start[i]), int(found.end[i]), values, share))
        if restart:  # as after a crash: everything comes back from bytes
            saved = [part.dump(codes) for part in (aligner.columns, aligner.held, windower)]
            aligner, windower = fresh()
            aligner.columns.load(codes, saved[0])
            aligner.held.load(codes, saved[1])
            windower.load(codes, saved[2])
    held = {"held": aligner.held.count(codes).tolist()}
    return sorted(windows), {name: aligner.columns[name][:3].tolist() for name in GRID} | held


arrivals_strategy = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 400), st.floats(-100, 100, width=32)), max_size=60
)
near = st.tuples(st.integers(0, 2), st.integers(-15, 25), st.floats(-100, 100, width=32), st.integers(0, 9))


@settings(max_examples=300, deadline=None)
@given(
    arrivals=arrivals_strategy,
    rising=st.booleans(),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    setup=st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 6), st.integers(1, 4)),
    restart=st.booleans(),
)
def test_any_input_cut_and_restart_gives_the_reference_windows(
    arrivals: list[Arrival], rising: bool, cuts: list[int], setup: tuple[int, int, int, int], restart: bool
) -> None:
    if rising:
        arrivals = sorted(arrivals, key=lambda a: a[1])
    references = [Reference(*setup) for _ in range(3)]
    for stream, time, value in arrivals:
        references[stream].arrive(time, value)

    windows, counts = run(arrivals, cuts, setup, restart=restart)

    expected = sorted((s, *window) for s, reference in enumerate(references) for window in reference.windows)
    assert expected == windows
    held = {"held": [len(reference.held) for reference in references]}
    assert {name: [r.counts[name] for r in references] for name in GRID} | held == counts
    assert len(arrivals) == sum(sum(counts[name]) for name in ("accepted", "late", "duplicate", "future", "held"))


@settings(max_examples=300, deadline=None)
@given(
    moves=st.lists(near, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    setup=st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 3), st.integers(1, 2)),
    restart=st.booleans(),
)
def test_streams_that_go_on_pause_and_jump_give_the_reference_windows(
    moves: list[tuple[int, int, float, int]], cuts: list[int], setup: tuple[int, int, int, int], restart: bool
) -> None:
    """Most readings come after the one before them; one in ten is far ahead, some of these for good."""
    now, arrivals = [100, 100, 100], []
    for stream, step, value, chance in moves:
        at = now[stream] + step
        if chance < 8:
            now[stream] = at
        elif chance == 8:
            now[stream] = at = at + 5000
        else:
            at += 5000
        arrivals.append((stream, at, value))

    test_any_input_cut_and_restart_gives_the_reference_windows.hypothesis.inner_test(  # type: ignore[attr-defined]
        arrivals=arrivals, rising=False, cuts=cuts, setup=setup, restart=restart
    )


@settings(max_examples=50, deadline=None)
@given(
    order=st.permutations(list(range(12))),
    doubles=st.lists(st.integers(0, 11), max_size=4),
    cuts=st.lists(st.integers(0, 16), max_size=4),
)
def test_delay_within_lateness_changes_nothing(order: list[int], doubles: list[int], cuts: list[int]) -> None:
    """Readings displaced by at most `lateness` slots, and repeated, give the windows of the clean input."""
    lateness = max(abs(slot - place) for place, slot in enumerate(order)) + 1
    setup = (2 * lateness, 0, 4, 1)
    clean = [(0, slot * INTERVAL, float(slot)) for slot in range(12 + 2 * lateness)]
    tail = clean[12:]
    shuffled = [clean[slot] for slot in order]
    for double in doubles:
        shuffled.insert(min(double + 1, len(shuffled)), shuffled[min(double, len(shuffled) - 1)])

    assert run(clean, [], setup, restart=False)[0] == run(shuffled + tail, cuts, setup, restart=True)[0]
