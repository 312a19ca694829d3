"""The whole pipeline: how the input is cut, and where it is restarted, changes no bit; alerts follow their rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.alerts.lifecycle import merge_facts
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.alerts import FactKind
from monitor.records.batches import Float32, Readings, State
from monitor.records.streams import StreamIndex
from monitor.testing.in_memory import DistanceScorer

STREAMS = 3
MODEL = "0123456789abcdef"


def family(**changes: object) -> Family:
    return Family.model_validate(
        {
            "topic": "t",
            "interval": "1s",
            "recipe": "plain",
            "window": {"length": 4},
            "threshold": {"history": "60s"},
            **changes,
        }
    )


def pipeline(settings_: Family) -> Pipeline:
    index = StreamIndex()
    index.intern([f"m-{i}" for i in range(STREAMS)])
    made = bootstrap.pipeline("f", settings_, index=index)
    one = np.ones(1, np.float32)
    profiles = {f"m-{i}": Profile(one * 0, one, 1.0, 0.2, 50) for i in range(STREAMS - 1)}  # the last has none
    made.adopt(MODEL, DistanceScorer(), profiles)
    return made


def readings(stream: Sequence[int], time: Sequence[int], values: Float32) -> Readings:
    none = np.zeros(len(stream), np.int32)
    return Readings(np.array(stream, np.int32), np.array(time, np.int64) * 10**9, values, none, none.astype(np.int64))


def run(batch: Readings, edges: list[int], *, restart: bool) -> tuple[list[Outcome], Pipeline]:
    made = pipeline(family())
    outcomes = []
    for begin, end in zip([0, *edges], [*edges, len(batch)], strict=True):
        outcomes.append(made.process(batch.take(np.arange(begin, end))))
        if restart:
            codes = np.arange(STREAMS, dtype=np.int32)
            states = made.dump(codes)
            made = pipeline(family())
            assert made.load(codes, states) == set()
    return outcomes, made


def facts(outcomes: list[Outcome]) -> dict[str, object]:
    """Everything that reaches SQL, in an order that does not depend on batches; numbers as bits."""
    rows = []
    for outcome in outcomes:
        s = outcome.scores
        for i in range(len(s)):
            bits = [column[i].tobytes() for column in (s.score, s.limit, s.ratio, s.imputed)]
            rows.append((int(s.stream[i]), int(s.start[i]), int(s.end[i]), *bits, int(s.state[i])))
    merged = merge_facts([fact for outcome in outcomes for fact in outcome.facts], {}, {})
    evidence = {e.alert: (e.start, e.end, e.values.tobytes()) for outcome in outcomes for e in outcome.evidence}
    return {
        "rows": sorted(rows),
        "alerts": {each.alert.id: each for each in merged},  # with their transitions
        "evidence": evidence,
    }


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 400), max_size=6), restart=st.booleans())
def test_cuts_and_restarts_change_no_bit(seed: int, cuts: list[int], restart: bool) -> None:
    rng = np.random.default_rng(seed)
    n = 400
    stream = rng.integers(0, STREAMS, n)
    time = np.arange(n) // STREAMS + rng.integers(0, 3, n)
    values = rng.normal(0, 1, (n, 1)).astype(np.float32)
    burst = rng.integers(100, 300)
    values[burst : burst + 60] *= 20
    batch = readings(stream.tolist(), time.tolist(), values)

    whole, _ = run(batch, [], restart=False)
    cut, _ = run(batch, sorted(cuts), restart=restart)

    assert facts(whole) == facts(cut)


@settings(max_examples=60, deadline=None)
@given(ratios=st.lists(st.sampled_from([0.1, 0.9, 1.5, 3.0]), min_size=1, max_size=60))
def test_alerts_follow_their_rule(ratios: list[float]) -> None:
    """Windows of length 1 with a known ratio: the states are those of the rule written out in plain Python."""
    settings_ = family(window={"length": 1}, threshold={"kind": "static", "n_std": 3}, align={"lateness": 0})
    made = pipeline(settings_)
    limit = 1.0 + 3 * 0.2
    values = np.array([[ratio * limit] for ratio in ratios], np.float32)

    outcome = made.process(readings([0] * len(ratios), list(range(len(ratios))), values))

    expected: list[tuple[int, str]] = []
    recent: list[bool] = []
    calm, is_open, critical = 0, False, False
    for at, ratio in enumerate(ratios):
        recent = [*recent[-2:], ratio > 1]
        if is_open:
            calm = calm + 1 if ratio < 0.85 else 0
            if calm == 3:
                expected.append((at, "cleared"))
                is_open, recent = False, []
            elif ratio >= 2 and not critical:
                expected.append((at, "worsened"))
                critical = True
        elif sum(recent) >= 2:
            expected.append((at, "opened"))
            is_open, calm, critical = True, 0, ratio >= 2
    assert expected == [(f.at // 10**9, str(f.kind)) for f in outcome.facts if f.kind is not FactKind.CONTINUED]


def test_learning_stops_while_an_alert_is_open() -> None:
    """A step that stays: the score stays above the limit to the end, and the limit does not follow it."""
    made = pipeline(family(window={"length": 1}, align={"lateness": 0}))
    values = np.concatenate([np.full(100, 1.0), np.full(300, 5.0)]).astype(np.float32)[:, None]

    scores = made.process(readings([0] * 400, list(range(400)), values)).scores

    assert (scores.ratio[102:] > 1).all()
    assert scores.limit[-1] == scores.limit[160]


def test_a_stream_without_a_profile_is_watched_and_kept_for_training() -> None:
    made = pipeline(family(window={"length": 8}, align={"lateness": 0}, train={"after": 20}))
    made.keeps = 20
    values = np.random.default_rng(0).normal(10, 1, (30, 1)).astype(np.float32)
    values[25:] = 100

    outcome = made.process(readings([2] * 30, list(range(30)), values))

    assert set(outcome.scores.state.tolist()) == {State.BOOTSTRAP}
    assert outcome.ready == [2]
    assert sum(len(block.time) for _, block in outcome.history) == 20
    assert [fact.kind for fact in outcome.facts] == [FactKind.OPENED, FactKind.CONTINUED]


def test_a_window_with_too_much_filled_in_never_alerts() -> None:
    made = pipeline(family(window={"length": 4}, align={"lateness": 0, "max_gap": 3}))
    time = [0, 1, 2, 3, 7, 8, 9, 10, 11]
    values = np.full((len(time), 1), 50.0, np.float32)

    scores = made.process(readings([0] * len(time), time, values)).scores

    share = dict(zip((scores.end // 10**9).tolist(), scores.imputed.tolist(), strict=True))
    poor = scores.state == State.INSUFFICIENT
    assert share[7] == 0.75
    assert np.isnan(scores.ratio[poor]).all()
    assert ((scores.imputed > 0.2) == poor).all()


def test_changed_settings_rebuild_only_what_no_longer_fits() -> None:
    codes = np.arange(STREAMS, dtype=np.int32)
    before = pipeline(family())
    before.process(readings([0] * 50, list(range(50)), np.ones((50, 1), np.float32)))
    states = before.dump(codes)

    longer = pipeline(family(window={"length": 6}))
    stricter = pipeline(family(threshold={"n_std": 4, "history": "60s"}))

    assert longer.load(codes, states) == {"aligner", "windower", "threshold", "faults", "stretches"}
    assert stricter.load(codes, states) == {"threshold"}


def test_state_is_small() -> None:
    assert pipeline(family(window={"length": 360})).state_size <= 4096
