"""A recipe with a companion: calibrated, combined with the detector, explained, and saved with its stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.scoring.mixture import DETECTOR, Components, Facts, Mixture
from monitor.pipeline.scoring.recipe import Recipe
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.scoring.surprise import Deviations, Surprise
from monitor.pipeline.state.codec import StreamPart
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import running, segment_starts
from monitor.pipeline.thresholds.fixed import FixedThreshold
from monitor.records.alerts import Evidence
from monitor.records.batches import Float32, Readings, State, Windows
from monitor.records.streams import StreamIndex
from monitor.testing.in_memory import DistanceScorer
from tests import cuts
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


class WithMean:
    """The detector's surprise, and `weight` times that of the mean."""

    limit = 6.0

    def __init__(self, weight: float) -> None:
        self._weight = np.float32(weight)
        self._mean, self._of_mean = RunningMean(), Deviations()
        self._of_detector, self._last = Deviations(), Surprise(3)

    @property
    def companions(self) -> Mapping[str, StreamPart]:
        return {MEAN: self._mean, f"{MEAN}.deviations": self._of_mean.columns}

    @property
    def calibration(self) -> Mapping[str, StreamPart]:
        return {"deviations": self._of_detector.columns, "surprise": self._last.columns}

    def shown(self, windows: Windows) -> Windows:
        return windows

    def components(self, windows: Windows, detector: Float32, facts: Facts) -> Components:
        mean = self._of_mean.apply(windows.stream, windows.end, self._mean.score(windows))
        found = self._last.apply(windows.stream, self._of_detector.apply(windows.stream, windows.end, detector))
        return {DETECTOR: found, MEAN: mean * self._weight}

    def enrol(self, code: int, profile: Profile) -> None:
        self._of_detector.seed(code, profile.score_mean, profile.score_std, profile.score_count)

    def facts(self, row: int) -> Mapping[str, float]:
        return {}

    def accept(self, code: int, usual: Float32) -> None:
        pass


def family(**changes: object) -> Family:
    wanted = {
        "topic": "t",
        "interval": "1s",
        "recipe": "plain",
        "window": {"length": 8},
        "threshold": {"history": "60s"},
    }
    return Family.model_validate(wanted | changes)


def pipeline(mixture: Mixture | None = None) -> Pipeline:
    """Three streams, of which the last has no model; the recipe `plain` without a mixture."""
    of, index = family(), StreamIndex()
    index.intern([f"m-{i}" for i in range(STREAMS)])
    made = bootstrap.pipeline("f", of, index=index)
    if mixture is not None:
        made = Pipeline("f", of, index, Recipe("with-mean", 1, of, FixedThreshold(4.0), mixture), "live")
    one = np.ones(1, np.float32)
    profiles = {f"m-{i}": Profile(one * 0, one, 1.0, 0.2, 50) for i in range(STREAMS - 1)}
    made.adopt("0123456789abcdef", DistanceScorer(), profiles)
    return made


def mixed() -> Mixture:
    return WithMean(0.5)


def plant(seed: int, n: int = 400) -> Readings:
    """Out of order and with gaps, and a burst in all streams."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (n, 1)).astype(np.float32)
    burst = rng.integers(n // 2, 3 * n // 4)
    values[burst : burst + 60] *= 20
    time = np.arange(n) // STREAMS + rng.integers(0, 3, n)
    return readings(rng.integers(0, STREAMS, n).tolist(), time.tolist(), values)


def run(batch: Readings, edges: list[int], *, restart: bool) -> list[Outcome]:
    return cuts.run(lambda: pipeline(mixed()), batch, edges, restart=restart)


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

    assert any(found.components[MEAN] > 0 for found in evidence)
    assert {frozenset(found.components) for found in evidence} >= {frozenset({DETECTOR, MEAN})}
    assert [sum(found.components.values()) for found in evidence] == pytest.approx([1.0] * len(evidence))


def test_a_companion_scores_streams_without_a_model_too() -> None:
    (found,) = run(plant(2), [], restart=False)

    young = found.scores.stream == STREAMS - 1
    assert (found.scores.state[young] == State.BOOTSTRAP).all()
    known = young & ~np.isnan(found.scores.score)
    assert known.sum() > 50
    assert set(found.scores.limit[known].tolist()) == {6.0}
    assert set(found.scores.limit[~young].tolist()) == {4.0, 6.0}  # the first 30 scores of a detector have no scale


def test_a_companion_of_no_weight_changes_no_score_of_the_detector() -> None:
    (silent,), (heard,) = [pipeline(WithMean(0)).process(plant(3))], [pipeline(WithMean(0.5)).process(plant(3))]

    of_model = silent.scores.stream < STREAMS - 1
    assert (np.nan_to_num(silent.scores.score) <= np.nan_to_num(heard.scores.score))[of_model].all()
    assert (silent.scores.score[of_model] < heard.scores.score[of_model]).any()


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


def test_a_window_without_a_model_has_the_whole_of_its_score_from_companions() -> None:
    made = pipeline(mixed())
    batch = replace(plant(7), stream=np.full(400, STREAMS - 1, np.int32), time=np.arange(400) * 10**9)

    evidence = made.process(batch).evidence

    assert evidence
    assert all(found.components == {MEAN: 1.0} for found in evidence)
