"""The recipe `vectors`, of beats and of messages: no bit depends on how the input was cut, or on what comes later."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.batches import Float32, Readings, State
from monitor.testing.in_memory import DistanceScorer
from tests import cuts
from tests.ecg import lead, times, with_noise

RATE = 250.0
SIGNAL, CALM = 40, 20  # s; noise comes after the calm
KINDS = ("beat", "message")
LENGTH = {"beat": 64, "message": 16}


def family(kind: str) -> Family:
    window: dict[str, object] = {"kind": kind, "length": LENGTH[kind]}
    if kind == "beat":
        window["rate"] = RATE
    return Family.model_validate({"topic": "t", "interval": "none", "recipe": "vectors", "window": window})


def pipeline(kind: str) -> Pipeline:
    """Two streams, of which one has a model."""
    made = bootstrap.pipeline("f", family(kind))
    made.index.intern(["with", "without"])
    one = np.ones(1, np.float32)
    made.adopt("0123456789abcdef", DistanceScorer(), {"with": Profile(one * 0, one, 0.25, 0.1, 50)})
    return made


@cache
def values(kind: str, seed: int) -> Float32:
    """Samples of an ECG with ectopic beats and a noisy half, or messages with faults, of both streams in turn."""
    rng = np.random.default_rng(seed)
    if kind == "message":
        shapes = np.sin(np.arange(16) / 2) + rng.normal(0, 0.2, (300, 16))
        shapes[rng.integers(0, 300, 20)] *= 3
        shapes[rng.integers(0, 300, 3), 4] = np.nan
        return shapes.astype(np.float32)
    signal = lead(SIGNAL, RATE, 80, rng, premature=0.1)[0]
    begin = int(CALM * RATE)
    signal[begin:] = with_noise(signal[begin:], float(rng.uniform(-5, 15)), rng)
    return np.repeat(signal.astype(np.float32), 2)[:, None]


def readings(kind: str, seed: int) -> Readings:
    given = values(kind, seed)
    stream, number = np.arange(len(given), dtype=np.int32) % 2, np.arange(len(given)) // 2
    time = times(len(given) // 2, RATE)[number]
    return Readings(stream, time, given, np.zeros(len(given), np.int32), np.arange(len(given)))


def run(kind: str, seed: int, edges: list[int], *, restart: bool = False) -> list[Outcome]:
    return cuts.run(lambda: pipeline(kind), readings(kind, seed), edges, restart=restart)


def judged(outcomes: list[Outcome], code: int) -> list[bytes]:
    """Everything said of the windows of a stream, window by window."""
    columns = ("end", "score", "limit", "ratio", "state")
    scores = [outcome.scores for outcome in outcomes]
    joined = [np.concatenate([getattr(score, name)[score.stream == code] for score in scores]) for name in columns]
    return [b"".join(cell.tobytes() for cell in row) for row in zip(*joined, strict=True)]


def components(outcomes: list[Outcome]) -> dict[object, dict[str, float]]:
    return {evidence.alert: dict(evidence.components) for outcome in outcomes for evidence in outcome.evidence}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 5), shares=st.lists(st.floats(0, 1), max_size=5), restart=st.booleans())
def test_cuts_and_restarts_change_no_bit(kind: str, seed: int, shares: list[float], restart: bool) -> None:
    edges = sorted(round(share * len(readings(kind, seed))) for share in shares)

    whole, cut = run(kind, seed, []), run(kind, seed, edges, restart=restart)

    for code in (0, 1):
        assert judged(whole, code) == judged(cut, code)
    assert components(whole) == components(cut)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 5), share=st.floats(0.1, 0.9))
def test_what_comes_later_changes_nothing(kind: str, seed: int, share: float) -> None:
    batch = readings(kind, seed)
    known = batch.take(np.arange(round(share * len(batch))))

    for code in (0, 1):
        begin = judged([pipeline(kind).process(known)], code)
        assert begin == judged(run(kind, seed, []), code)[: len(begin)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_state_is_reached(kind: str) -> None:
    """The examples above are about something: both streams are judged, anomalies found, and noise is left alone."""
    scores = [outcome.scores for seed in range(6) for outcome in run(kind, seed, [])]
    states = {code: {State(s) for score in scores for s in score.state[score.stream == code]} for code in (0, 1)}

    assert states[0] == {State.OK, State.ANOMALY, State.INSUFFICIENT}
    assert State.BOOTSTRAP in states[1]
