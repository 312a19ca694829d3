"""Channels in messages of their own, against a slow, obvious reference that sees all messages at once."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.resolved import Grid, Shape
from monitor.pipeline.alignment import believed
from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.alignment.channel_joiner import Joiner
from monitor.pipeline.state.segments import Gridded
from monitor.pipeline.windowing.sliding import SlidingWindower
from monitor.records.batches import Readings
from monitor.records.counters import GRID

INTERVAL, CHANNELS, STREAMS, GAP = 10, 3, 2, 2
NAN = math.nan


class Message(NamedTuple):
    stream: int
    time: int
    cells: tuple[float, ...]  # NaN = not in it


class Setup(NamedTuple):
    lateness: int
    max_age: int


def readings(messages: list[Message]) -> Readings:
    none = np.zeros(len(messages), np.int32)
    return Readings(
        np.array([m.stream for m in messages], np.int32), np.array([m.time for m in messages], np.int64),
        np.array([m.cells for m in messages], np.float32).reshape(-1, CHANNELS), none, np.arange(len(messages)),
    )  # fmt: skip


def reference(messages: list[Message], setup: Setup) -> tuple[Gridded, dict[str, int], list[int]]:
    """Which messages count, what each slot holds in the end, and those through an aligner with nothing to decide."""
    counts = dict.fromkeys(GRID, 0)
    slots: dict[tuple[int, int], dict[int, float]] = {}
    clock: dict[int, int] = {}
    late = []
    for number, (stream, time, cells) in enumerate(messages):
        slot = (time + INTERVAL // 2) // INTERVAL
        if slot < clock.get(stream, slot) - setup.lateness:
            counts["late"] += 1
            late.append(number)
            continue
        clock[stream] = max(slot, clock.get(stream, slot))
        held = slots.setdefault((stream, slot), {})
        brought = {channel: value for channel, value in enumerate(cells) if not math.isnan(value)}
        if brought and brought.keys() <= held.keys():
            counts["duplicate"] += 1
        else:
            counts["accepted"] += 1
            slots[stream, slot] = brought | held
    rows = []
    known: dict[tuple[int, int], tuple[int, float]] = {}  # by stream and channel: slot, value
    for (stream, slot), held in sorted(slots.items()):
        known |= {(stream, channel): (slot, value) for channel, value in held.items()}
        found = [known.get((stream, channel), (-(10**9), NAN)) for channel in range(CHANNELS)]
        values = tuple(value if slot - since <= setup.max_age else NAN for since, value in found)
        rows.append(Message(stream, slot * INTERVAL, values))
    plain = Aligner(CHANNELS, Grid(INTERVAL, 0, GAP))
    plain.grow(STREAMS)
    batch = believed.by_stream(
        readings(rows), plain.grid, plain.columns["head"]
    )  # past the clocks: that was decided above
    gridded = plain.place(batch)
    return gridded, counts | {"imputed": int(plain.columns["imputed"].sum())}, late


def joined(
    messages: list[Message], setup: Setup, cuts: list[int], *, restart: bool, max_jump: int = 10**6
) -> tuple[list[Gridded], Joiner, list[int]]:
    """What comes out batch by batch, the joiner, and the numbers of the late messages."""

    def fresh() -> Joiner:
        made = Joiner(CHANNELS, Grid(INTERVAL, setup.lateness, GAP, setup.max_age, max_jump))
        made.grow(STREAMS)
        return made

    joiner, parts, late = fresh(), [], []
    edges = sorted({0, len(messages), *(cut % (len(messages) + 1) for cut in cuts)})
    batch = readings(messages)
    for begin, end in itertools.pairwise(edges):
        parts.append(joiner.add(batch.take(np.arange(begin, end))))
        if joiner.late is not None:
            late += joiner.late.readings.offset.tolist()
            assert (joiner.late.behind > setup.lateness * INTERVAL).all()
        if restart:
            before, joiner = joiner, fresh()
            for old, new in ((before.columns, joiner.columns), (before.held, joiner.held)):
                saved = old.dump(np.arange(STREAMS)).tobytes()
                new.load(np.arange(STREAMS), np.frombuffer(saved, new.dtype))
    return [*parts, joiner.flush()], joiner, sorted(late)


def by_stream(parts: list[Gridded]) -> list[list[bytes]]:
    """Every column of each stream as bytes: equal to the bit, or not."""
    found = []
    for stream in range(STREAMS):
        chosen = [(part, part.stream == stream) for part in parts]
        names = ("slot", "values", "imputed", "restart")
        found.append([b"".join(getattr(part, name)[rows].tobytes() for part, rows in chosen) for name in names])
    return found


cell = st.one_of(st.just(NAN), st.floats(-100, 100, width=32))
one_channel = st.builds(
    lambda channel, value: tuple(value if place == channel else NAN for place in range(CHANNELS)),
    st.integers(0, CHANNELS - 1), cell,
)  # fmt: skip
message = st.builds(
    Message, st.integers(0, STREAMS - 1), st.integers(0, 200), st.one_of(one_channel, st.tuples(*[cell] * CHANNELS))
)
setups = st.builds(Setup, st.integers(0, 4), st.integers(0, 5))


@settings(max_examples=400, deadline=None)
@given(
    messages=st.lists(message, max_size=60), rising=st.booleans(), setup=setups,
    cuts=st.lists(st.integers(0, 60), max_size=8), restart=st.booleans(),
)  # fmt: skip
def test_any_messages_cuts_and_restarts_give_what_the_reference_gives(
    messages: list[Message], rising: bool, setup: Setup, cuts: list[int], restart: bool
) -> None:
    if rising:
        messages = sorted(messages, key=lambda m: m.time)
    begins = itertools.product(range(STREAMS), (-2 * INTERVAL, -INTERVAL))  # two each, so that no clock is in doubt
    messages = [*(Message(stream, time, (0.5,) * CHANNELS) for stream, time in begins), *messages]
    expected, counts, late = reference(messages, setup)

    parts, joiner, found_late = joined(messages, setup, cuts, restart=restart)

    assert by_stream(parts) == by_stream([expected])
    assert {name: int(joiner.columns[name].sum()) for name in GRID} == counts
    assert found_late == late
    assert counts["accepted"] + counts["late"] + counts["duplicate"] == len(messages)


def plant(seconds: int) -> list[Message]:
    """Three sensors of two machines: one sends in every slot, one in every second, one in every fifth."""
    sent = []
    for slot, stream in itertools.product(range(seconds), range(STREAMS)):
        for channel, every in enumerate((1, 2, 5)):
            if slot % every == 0:
                cells = tuple(float(slot + channel) if place == channel else NAN for place in range(CHANNELS))
                sent.append(Message(stream, slot * INTERVAL, cells))
    return sent


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), lateness=st.integers(1, 5), doubles=st.integers(0, 10),
    cuts=st.lists(st.integers(0, 200), max_size=10),
)  # fmt: skip
def test_delays_within_lateness_and_any_interleaving_change_no_window(
    seed: int, lateness: int, doubles: int, cuts: list[int]
) -> None:
    """Each message is up to `lateness` slots behind the fastest, some come twice: the windows of the clean input."""
    clean, rng = plant(40), np.random.default_rng(seed)
    delayed = sorted(clean, key=lambda m: m.time + rng.uniform(0, lateness * INTERVAL))
    for place in rng.integers(0, len(delayed), doubles).tolist():
        delayed.insert(place + 1, delayed[place])
    setup = Setup(lateness, 5)

    def windows(parts: list[Gridded]) -> list[bytes]:
        windower = SlidingWindower(Shape(6, 1, CHANNELS, CHANNELS), Grid(INTERVAL))
        windower.grow(STREAMS)
        found = [windower.add(part) for part in parts]
        return [
            b"".join(getattr(part, name)[part.stream == stream].tobytes() for part in found)
            for name in ("start", "end", "values", "imputed") for stream in range(STREAMS)
        ]  # fmt: skip

    expected = windows(joined(clean, setup, [], restart=False)[0])
    parts, joiner, late = joined(delayed, setup, cuts, restart=True)

    assert windows(parts) == expected
    assert late == []
    assert int(joiner.columns["duplicate"].sum()) == doubles
    assert int(joiner.columns["imputed"].sum()) == 0


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 40), max_size=8), restart=st.booleans())
def test_a_jump_is_judged_by_slots_and_not_by_messages(cuts: list[int], restart: bool) -> None:
    """All channels of one slot far ahead are one jump; of a gap that lasts, all channels of its first slot are kept."""
    day, whole = 8640, plant(40)
    ahead = [Message(0, (day + 7) * INTERVAL, message.cells) for message in whole[:2]]  # before the machine goes on
    after_gap = [message._replace(time=message.time + day * INTERVAL) for message in whole]
    sent = [*whole[:30], *ahead, *whole[30:], *after_gap]

    parts, joiner, late = joined(sent, Setup(1, 5), cuts, restart=restart, max_jump=0)
    clean, _, _ = joined([*whole, *after_gap], Setup(1, 5), [], restart=False, max_jump=0)

    assert by_stream(parts) == by_stream(clean)
    assert (int(joiner.columns["future"].sum()), late) == (len(ahead), [])
    assert sum(int(joiner.columns[name].sum()) for name in ("accepted", "future")) == len(sent)


def test_a_slow_channel_is_held_up_to_max_age_and_no_longer() -> None:
    slow = Message(0, 0, (NAN, 7.0, 1.0))
    fast = [Message(0, slot * INTERVAL, (float(slot), NAN, 1.0)) for slot in range(8)]
    parts, _, _ = joined([slow, *fast], Setup(1, 3), [], restart=False)
    imputed = np.concatenate([part.imputed for part in parts]).tolist()
    values = np.concatenate([part.values for part in parts])

    assert imputed == [False] * 4 + [True] * 4
    assert values[:, 1].tolist() == [7.0] * 8  # kept for the picture, but marked as filled in
