"""A recipe with a companion: calibrated, combined with the detector, explained, and saved with its stream."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Outcome, Pipeline
from monitor.pipeline.scoring.calibration import FEWEST, RootMeanSquare
from monitor.pipeline.scoring.companions.base import Calibrated
from monitor.pipeline.scoring.recipe import DETECTOR, Components, Mixture, Recipe
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import running, segment_starts
from monitor.records.alerts import Evidence
from monitor.records.batches import Float32, Readings, Windows
from monitor.records.streams import StreamIndex
from monitor.testing.in_memory import DistanceScorer
from tests.property.test_pipeline import facts, readings

STREAMS = 3
MEAN = "running-mean"


class RunningMean:
    """How far the newest reading lies from the mean of all before it; NaN for the first one."""

    def __init__(self) -> None:
        self._columns = Columns({"count": (np.float64, (), 0.0), "sum": (np.float64, (), 0.0)})
        self.dtype = self._columns.dtype
        self.dump, self.load = self._columns.dump, self._columns.load
        self.clear, self.grow = self._columns.clear, self._columns.grow

    def score(self, windows: Windows) -> Float32:
        newest = windows.values[:, -1, 0].astype(np.float64)
        streams = windows.stream[segment_starts(windows.stream)]
        before = {}
        for name, value in (("count", np.ones(len(newest))), ("sum", newest)):
            before[name], after = running(windows.stream, self._columns[name][streams], value)
            self._columns[name][streams] = after
        with np.errstate(invalid="ignore"):
            return np.abs(newest - before["sum"] / before["count"]).astype(np.float32)


def half(detector: Float32, companions: Components) -> Components:
    """The detector and half of the companion, where it knows enough."""
    return {DETECTOR: detector, MEAN: np.nan_to_num(companions[MEAN] / np.float32(2))}


def nothing(detector: Float32, companions: Components) -> Components:
    """The companion is heard and weighs nothing."""
    return {DETECTOR: detector, MEAN: np.zeros_like(companions[MEAN])}


def family(**changes: object) -> Family:
    wanted = {"topic": "t", "interval": "1s", "window": {"length": 8}, "threshold": {"history": "60s"}}
    return Family.model_validate(wanted | changes)


def pipeline(mixture: Mixture | None = None) -> Pipeline:
    """Three streams, of which the last has no model; the recipe `plain` without a mixture."""
    of, index = family(), StreamIndex()
    index.intern([f"m-{i}" for i in range(STREAMS)])
    made = bootstrap.pipeline("f", of, index=index)
    if mixture is not None:
        made = Pipeline("f", of, index, Recipe("with-mean", 1, of, bootstrap.threshold(of), mixture), "live")
    one = np.ones(1, np.float32)
    profiles = {f"m-{i}": Profile(one * 0, one, 1.0, 0.2, 50) for i in range(STREAMS - 1)}
    made.adopt("0123456789abcdef", DistanceScorer(), profiles)
    return made


def mixed() -> Mixture:
    return Mixture({MEAN: Calibrated(RunningMean(), RootMeanSquare())}, half)


def plant(seed: int, n: int = 400) -> Readings:
    """Out of order and with gaps, and a burst in all streams."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (n, 1)).astype(np.float32)
    burst = rng.integers(n // 2, 3 * n // 4)
    values[burst : burst + 60] *= 20
    time = np.arange(n) // STREAMS + rng.integers(0, 3, n)
    return readings(rng.integers(0, STREAMS, n).tolist(), time.tolist(), values)


def run(batch: Readings, edges: list[int], *, restart: bool) -> list[Outcome]:
    made, outcomes = pipeline(mixed()), []
    for begin, end in zip([0, *edges], [*edges, len(batch)], strict=True):
        outcomes.append(made.process(batch.take(np.arange(begin, end))))
        if restart:
            codes = np.arange(STREAMS, dtype=np.int32)
            states = made.dump(codes)
            made = pipeline(mixed())
            assert made.load(codes, states) == set()
    return outcomes


def components(outcomes: list[Outcome]) -> dict[object, dict[str, float]]:
    return {evidence.alert: dict(evidence.components) for outcome in outcomes for evidence in outcome.evidence}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 400), max_size=6), restart=st.booleans())
def test_cuts_and_restarts_change_no_bit_of_a_score_with_a_companion(seed: int, cuts: list[int], restart: bool) -> None:
    batch = plant(seed)

    whole = run(batch, [], restart=False)
    cut = run(batch, sorted(cuts), restart=restart)

    assert facts(whole) == facts(cut)
    assert components(whole) == components(cut)


def test_evidence_says_what_each_component_added() -> None:
    evidence = [found for outcome in run(plant(1, 1200), [], restart=False) for found in outcome.evidence]

    of_model = [found for found in evidence if found.components[MEAN] > 0]
    assert of_model
    assert {frozenset(found.components) for found in evidence} == {frozenset({DETECTOR, MEAN})}
    assert [sum(found.components.values()) for found in evidence] == pytest.approx([1.0] * len(evidence))


def test_a_companion_moves_the_score_of_streams_with_a_model_only() -> None:
    (plain,), (with_mean,) = [pipeline().process(plant(2))], run(plant(2), [], restart=False)

    moved = plain.scores.score != with_mean.scores.score
    assert moved[plain.scores.stream < STREAMS - 1].any()
    assert not moved[plain.scores.stream == STREAMS - 1].any()
    assert (with_mean.scores.score >= plain.scores.score).all()


def test_a_companion_of_no_weight_changes_no_bit() -> None:
    silent = pipeline(Mixture({MEAN: Calibrated(RunningMean(), RootMeanSquare())}, nothing))

    assert facts([silent.process(plant(3))]) == facts([pipeline().process(plant(3))])


def test_a_recipe_without_companions_says_nothing_of_components() -> None:
    evidence: list[Evidence] = pipeline().process(plant(4)).evidence

    assert evidence
    assert all(found.components == {} for found in evidence)


def test_a_companion_comes_to_saved_streams_and_leaves_them() -> None:
    """The other parts of a state are kept, whether the recipe gains or loses one."""
    codes, batch = np.arange(STREAMS, dtype=np.int32), plant(5)
    first, rest = batch.take(np.arange(200)), batch.take(np.arange(200, 400))
    before = pipeline()
    before.process(first)

    gained = pipeline(mixed())
    assert gained.load(codes, before.dump(codes)) == set()
    gained.process(rest)
    lost = pipeline()
    assert lost.load(codes, gained.dump(codes)) == set()

    assert gained.state_size > before.state_size
    assert lost.state_size == before.state_size
    assert lost.counters(codes)[:, 0].sum() == gained.counters(codes)[:, 0].sum() > 200


def test_a_stream_that_leaves_takes_the_state_of_companions_with_it() -> None:
    codes, made = np.arange(STREAMS, dtype=np.int32), pipeline(mixed())
    new = made.dump(codes)
    made.process(plant(6))
    assert made.dump(codes) != new

    for section in made.recipe.sections.values():
        section.part.clear(codes)
    companion = made.recipe.sections[f"companion.{MEAN}"].part

    assert companion.dump(codes).tobytes() == b"\0" * companion.dtype.itemsize * STREAMS


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 200), min_size=1, max_size=4), cuts=st.lists(st.integers(0, 300), max_size=4),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_calibrated_score_is_the_share_of_its_past_however_it_is_cut(
    sizes: list[int], cuts: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    stream = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    score = np.abs(rng.normal(0, 3, len(stream))).astype(np.float32)
    score[rng.random(len(score)) < 0.1] = np.nan

    expected = np.full(len(score), np.nan, np.float32)
    for one in range(len(sizes)):
        count, squares = 0, 0.0
        for row in np.flatnonzero(stream == one).tolist():
            value = float(score[row])
            if not np.isnan(value):
                if count >= FEWEST:
                    expected[row] = value / np.sqrt(squares / count)
                count, squares = count + 1, squares + value * value

    made = RootMeanSquare()
    made.grow(len(sizes))
    found = np.empty_like(score)
    turn = np.arange(len(stream)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # each stream is cut at the same places
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), 10**6], strict=True):
        rows = (turn >= begin) & (turn < end)
        found[rows] = made.apply(stream[rows], score[rows])

    assert found.tobytes() == expected.tobytes()


def test_shares_are_told_of_the_row_that_opened() -> None:
    """A window without a model has the whole of its score from cold start."""
    made = pipeline(mixed())
    batch = replace(plant(7), stream=np.full(400, STREAMS - 1, np.int32), time=np.arange(400) * 10**9)

    evidence = made.process(batch).evidence

    assert all(found.components == {DETECTOR: 1.0, MEAN: 0.0} for found in evidence)
