"""Whatever arrives: every reading is counted once, and a stream that is mostly not judged is not shown as well."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.alerts.lifecycle import merge_facts
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.records.alerts import Alert, AlertState
from monitor.records.batches import Readings
from monitor.records.counters import COUNTERS, READINGS
from monitor.records.streams import StreamIndex
from tests.ecg import lead

S = 10**9
LENGTH, STREAMS = 8, 2
STRETCH = 3 * LENGTH
CODES = np.arange(STREAMS, dtype=np.int32)
NOW = 1_700_000_000 * S
FAULTS = ("good", "late", "future", "missing", "out of range", "twice", "gaps")

faults = st.lists(st.tuples(st.sampled_from(FAULTS), st.integers(1, 80), st.floats(0, 1)), min_size=1, max_size=6)


def pipeline(lateness: int = 1, interval: str = "1s") -> Pipeline:
    index = StreamIndex()
    index.intern([f"m-{i}" for i in range(STREAMS)])
    family = {
        "topic": "t", "interval": interval, "recipe": "plain", "window": {"length": LENGTH}, "channels": ["a", "b"],
        "valid_range": {"b": [-10.0, 10.0]}, "align": {"lateness": lateness if interval != "none" else 0},
    }  # fmt: skip
    return bootstrap.pipeline("f", Family.model_validate(family), index=index)


def plant(seed: int, spans: list[tuple[str, int, float]], *, live: bool) -> Readings:
    """Stream 0 has spans of faults, of which a share of the readings has the fault; stream 1 is always well."""
    rng = np.random.default_rng(seed)
    clock = NOW // S - 4_000 if live else 1_000
    rows = list[tuple[int, int, float, float]]()
    for fault, length, share in spans:
        for _ in range(length):
            clock += 1
            time, a, b, hit = clock, float(rng.normal()), float(rng.normal()), rng.random() < share
            if hit and fault == "late":
                time = clock - int(rng.integers(5, 50))
            elif hit and fault == "future":
                time = NOW // S + int(rng.integers(400, 5_000))
                clock -= 1
            elif hit and fault == "missing":
                a = np.nan
            elif hit and fault == "out of range":
                b = 99.0
            elif hit and fault == "twice":
                rows.append((0, time, a, b))
            elif hit and fault == "gaps":
                time = clock = clock + int(rng.integers(5, 9))
            rows += [(0, time, a, b), (1, len(rows) + (NOW // S - 9_000 if live else 0), float(rng.normal()), 0.0)]
    stream, seconds, *values = (np.array(column) for column in zip(*rows, strict=True))
    known = np.stack(values, axis=1).astype(np.float32)
    none = np.zeros(len(rows), np.int32)
    if live:  # the well stream's clock is its number of readings: no gaps
        seconds[stream == 1] = NOW // S - 9_000 + np.arange(int((stream == 1).sum()))
    else:
        seconds[stream == 1] = np.arange(int((stream == 1).sum()))
    return Readings(stream.astype(np.int32), seconds.astype(np.int64) * S, known, none, np.arange(len(rows)))


@dataclass
class Run:
    outcomes: list[Outcome] = field(default_factory=list)
    made: Pipeline | None = None

    def alerts(self, *kinds: str) -> dict[str, list[Alert]]:
        """Alerts by stream, of these kinds or of all but anomalies."""
        facts = [fact for outcome in self.outcomes for fact in outcome.facts if fact.alert_kind != "anomaly"]
        facts = [fact for fact in facts if not kinds or fact.alert_kind in kinds]
        found: dict[str, list[Alert]] = {}
        in_order = sorted(merge_facts(facts, {}, {}), key=lambda merged: (merged.alert.opened_at, merged.alert.kind))
        for merged in in_order:
            found.setdefault(merged.alert.stream, []).append(merged.alert)
        return found


def run(batch: Readings, cuts: list[int], now: int | None, *, restart: bool = False, **grid: object) -> Run:
    made = pipeline(**grid)  # type: ignore[arg-type]
    found = Run(made=made)
    edges = [0, *sorted(min(cut, len(batch)) for cut in cuts), len(batch)]
    for begin, end in itertools.pairwise(edges):
        found.outcomes.append(made.process(batch.take(np.arange(begin, end)), now))
        if restart:
            states = made.dump(CODES)
            made = pipeline(**grid)  # type: ignore[arg-type]
            assert made.load(CODES, states) == set()
    if now is None:
        found.outcomes.append(made.flush())  # a file ends
    found.made = made
    return found


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), spans=faults, live=st.booleans(), cuts=st.lists(st.integers(0, 900), max_size=5),
    tail=st.sampled_from([fault for fault in FAULTS if fault != "good"]), lateness=st.integers(0, 3),
)  # fmt: skip
def test_nothing_is_lost_and_a_blind_stream_is_not_well(
    seed: int, spans: list[tuple[str, int, float]], live: bool, cuts: list[int], tail: str, lateness: int
) -> None:
    """`tail`: the newest readings, three stretches of them and more, are all not judged."""
    if tail in {"future", "twice"} and not live:
        tail = "late"
    batch = plant(seed, [*spans, (tail, 4 * STRETCH, 1.0)], live=live)
    found = run(batch, cuts, NOW if live else None, lateness=lateness)
    assert found.made is not None
    counts = found.made.counters(CODES)
    read = np.bincount(batch.stream, minlength=STREAMS)
    waiting = found.made._aligner.columns["waiting"][CODES]
    assert (counts[:, : len(READINGS)].sum(axis=1) == read).all()

    slots = counts[:, COUNTERS.index("accepted")]
    scores = [outcome.scores for outcome in found.outcomes]
    judged = sum(np.bincount(s.stream[~np.isnan(s.ratio)], minlength=STREAMS) for s in scores)
    assert (judged <= slots + counts[:, COUNTERS.index("imputed")] - waiting).all()

    assert "m-1" not in found.alerts()
    if tail != "twice":  # half of those are judged
        causes = [alert.cause for alert in found.alerts()["m-0"] if alert.state is AlertState.OPEN]
        assert causes
        assert all(causes)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), spans=faults, cuts=st.lists(st.integers(0, 500), max_size=6),
    restart=st.booleans(), lateness=st.integers(0, 3), interval=st.sampled_from(["1s", "none"]),
)  # fmt: skip
def test_cuts_and_restarts_change_no_alert(
    seed: int, spans: list[tuple[str, int, float]], cuts: list[int], restart: bool, lateness: int, interval: str
) -> None:
    batch = plant(seed, spans, live=False)
    whole = run(batch, [], None, lateness=lateness, interval=interval)
    assert run(batch, cuts, None, restart=restart, lateness=lateness, interval=interval).alerts() == whole.alerts()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spans=faults)
def test_of_every_whole_stretch_of_a_well_stream_enough_is_judged(
    seed: int, spans: list[tuple[str, int, float]]
) -> None:
    """A second count, stretch by stretch, of what was judged where no alert is open."""
    spans = [span for span in spans if span[0] in {"good", "missing", "out of range"}]
    batch = plant(seed, spans or [("good", 1, 0.0)], live=False)
    found = run(batch, [], None, lateness=0)
    open_ = [(a.started_at, a.resolved_at or 2**62) for a in found.alerts().get("m-0", [])]
    scores = found.outcomes[0].scores
    ends = scores.end[(scores.stream == 0) & ~np.isnan(scores.ratio)] // S // STRETCH
    times = batch.time[batch.stream == 0] // S
    for number in range(int(times.min()) // STRETCH + 1, int(times.max() - 4) // STRETCH):
        readings, judged = int((times // STRETCH == number).sum()), int((ends == number).sum())
        if readings and 2 * judged < readings:
            end = (number + 1) * STRETCH * S
            assert any(begin <= end <= until for begin, until in open_), (number, readings, judged)


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), flat=st.integers(0, 12), level=st.sampled_from([0.0, 5.0]),
    cuts=st.lists(st.integers(0, 8_000), max_size=6), restart=st.booleans(),
)  # fmt: skip
def test_a_heart_that_stops_is_the_same_alert_in_any_cut(
    seed: int, flat: int, level: float, cuts: list[int], restart: bool
) -> None:
    rng = np.random.default_rng(seed)
    line = np.concatenate([lead(14, 250, 80, rng)[0], np.full(250 * flat, level), lead(8, 250, 80, rng)[0]])
    count = len(line)
    none = np.zeros(count, np.int32)
    batch = Readings(none, np.arange(count) * 4_000_000, line.astype(np.float32)[:, None], none, np.arange(count))
    family = Family.model_validate(
        {"topic": "t", "interval": "none", "window": {"kind": "beat", "length": 64, "rate": 250}}
    )

    def alerts(edges: list[int], *, restart: bool) -> list[Alert]:
        index = StreamIndex()
        index.intern(["p-1"])
        made, outcomes = bootstrap.pipeline("f", family, index=index), []
        for begin, end in zip([0, *edges], [*edges, count], strict=True):
            outcomes.append(made.process(batch.take(np.arange(begin, end))))
            if restart:
                states = made.dump(CODES[:1])
                made = bootstrap.pipeline("f", family, index=index)
                made.load(CODES[:1], states)
        outcomes.append(made.flush())
        facts = [fact for outcome in outcomes for fact in outcome.facts if fact.alert_kind == "no-beat"]
        return [merged.alert for merged in merge_facts(facts, {}, {})]

    found = alerts([], restart=False)
    assert alerts(sorted(min(cut, count) for cut in cuts), restart=restart) == found
    if flat >= 6:
        assert (found[0].state, found[0].severity.value) == (AlertState.RESOLVED, "critical")
        assert "the line" in found[0].cause
    if flat <= 1:
        assert found == []
