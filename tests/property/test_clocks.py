"""Live, in a backlog, from a file or in a replay, however it is cut: the same readings count, and all are counted."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.records.batches import Readings
from monitor.records.counters import READINGS
from monitor.records.streams import StreamIndex

STREAMS = 3
CODES = np.arange(STREAMS, dtype=np.int32)
S, DAY = 10**9, 86_400 * 10**9
FAMILY = Family.model_validate(
    {
        "topic": "t", "interval": "1s", "recipe": "plain",
        "window": {"length": 3}, "align": {"lateness": 2, "max_gap": 1},
        "valid_range": {"value": [-50, 50]},
        "health": {"frozen_after": "6s", "unscored_after": "none"},  # test_health has those
    }
)  # fmt: skip


class Sent(NamedTuple):
    """A reading: how many seconds its stream goes on, how far it is off its stream's time, and the value."""

    stream: int
    step: int
    off: int
    value: float


OFF = st.sampled_from([0, 0, 0, 0, 0, 0, -2, -30, 20, 3600, 400 * 86_400, -400 * 86_400])
SENT = st.builds(
    Sent, st.integers(0, STREAMS - 1), st.sampled_from([1, 1, 1, 1, 2, 50, 9000]), OFF, st.integers(-60, 60)
)


def plant(sent: list[Sent]) -> Readings:
    """Records are written at the time of their stream, whatever time they hold."""
    now, times, written = [1000] * STREAMS, [], []
    for reading in sent:
        now[reading.stream] += reading.step
        written.append(now[reading.stream] * S)
        times.append((now[reading.stream] + reading.off) * S)
    stream, values = np.array([r.stream for r in sent], np.int32), np.array([[r.value] for r in sent], np.float32)
    none = np.zeros(len(sent), np.int32)
    time, stamps = np.array(times, np.int64), np.array(written, np.int64)
    return Readings(stream, time, values.reshape(-1, 1), none, np.arange(len(sent)), stamps)


def pipeline() -> Pipeline:
    index = StreamIndex()
    index.intern([f"m-{i}" for i in range(STREAMS)])
    return bootstrap.pipeline("f", FAMILY, index=index)


def result(batch: Readings, edges: list[int], now: int | None, *, restart: bool) -> tuple[object, ...]:
    """Every window, health fact and counter."""
    made, outcomes = pipeline(), list[Outcome]()
    for begin, end in itertools.pairwise([0, *sorted(edge % (len(batch) + 1) for edge in edges), len(batch)]):
        outcomes.append(made.process(batch.take(np.arange(begin, end)), now))
        counts = made.counters(CODES)[:, : len(READINGS)].sum()
        assert counts == end  # at any moment
        if restart:
            states, made = made.dump(CODES), pipeline()
            assert made.load(CODES, states) == set()
    outcomes.append(made.flush())
    scores = [outcome.scores for outcome in outcomes]
    rows = [
        (int(s.stream[i]), int(s.end[i]), s.score[i].tobytes(), s.imputed[i].tobytes())
        for s in scores for i in range(len(s))
    ]  # fmt: skip
    facts = [(f.stream, f.at, str(f.kind), f.alert_kind) for outcome in outcomes for f in outcome.facts]
    facts = [fact for fact in facts if fact[2] != "continued"]  # one for each batch
    counters = made.counters(CODES)
    assert counters[:, : len(READINGS)].sum() == len(batch)
    return sorted(rows), sorted(facts), counters.tolist()


@settings(max_examples=200, deadline=None)
@given(
    sent=st.lists(SENT, min_size=1, max_size=60), cuts=st.lists(st.integers(0, 60), max_size=8), restart=st.booleans(),
    now=st.sampled_from([None, 0, 500 * DAY]),
)  # fmt: skip
def test_when_it_is_read_and_how_it_is_cut_changes_nothing(
    sent: list[Sent], cuts: list[int], restart: bool, now: int | None
) -> None:
    batch = plant(sent)
    assert result(batch, cuts, now, restart=restart) == result(batch, [], None, restart=False)


@settings(max_examples=200, deadline=None)
@given(sent=st.lists(SENT, min_size=1, max_size=60), cuts=st.lists(st.integers(0, 60), max_size=8))
def test_so_does_a_file_which_has_no_timestamps(sent: list[Sent], cuts: list[int]) -> None:
    batch = plant(sent)
    bare = Readings(batch.stream, batch.time, batch.values, batch.partition, batch.offset)
    assert result(bare, cuts, None, restart=True) == result(bare, [], None, restart=False)


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.sampled_from([1, 1, 1, 2, 3, 50, 9000]), min_size=8, max_size=40),
    place=st.integers(0, 60), ahead=st.integers(6, 10**8),
)  # fmt: skip
def test_one_reading_from_the_future_costs_no_other(steps: list[int], place: int, ahead: int) -> None:
    """In a file, wherever it stands: the windows are those without it.

    But where the stream comes within reach of it by itself, so that it is not from the future, and where it comes
    just after a gap, or before one whose end is a single reading: the two then contradict each other.
    """
    times = np.cumsum(steps) * S
    place %= len(times) + 1
    wrong = (times[max(place - 1, 0)] if place else 0) + ahead * S
    after = times[place : place + 1]
    if (np.abs(times - wrong) <= 10 * S).any() or (len(after) and after[0] >= wrong - 10 * S):
        return

    def windows(series: np.ndarray[tuple[int], np.dtype[np.int64]]) -> object:
        none, count = np.zeros(len(series), np.int32), len(series)
        values = (series // S % 100)[:, None].astype(np.float32)
        return result(Readings(none, series, values, none, np.arange(count)), [], None, restart=False)[0]

    gaps = np.diff(times) > 4 * S
    if gaps[-1] or (place >= 2 and gaps[place - 2]):
        return
    assert windows(np.insert(times, place, wrong)) == windows(times)
