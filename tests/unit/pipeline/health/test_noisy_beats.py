"""Lasting noise and a lost lead are one alert about the data each; beats in noise open none."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from monitor import bootstrap
from monitor.config.families import Family
from monitor.records.alerts import Fact, FactKind
from monitor.records.batches import Float64, Readings, State
from tests.ecg import lead, times

RATE = 250.0
BEGIN, END = 60, 120  # s of noise, or without a lead


def watched(signal: Float64, recipe: str, batch: int = 250) -> tuple[list[Fact], list[tuple[float, State]]]:
    """What is said of alerts, and the state of each beat by its time, s."""
    family = Family.model_validate(
        {"topic": "ecg", "interval": "none", "recipe": recipe, "window": {"kind": "beat", "length": 64, "rate": RATE}}
    )
    pipeline = bootstrap.pipeline("ecg", family)
    pipeline.index.intern(["patient"])
    facts, states = [], []
    for begin in range(0, len(signal), batch):
        some = signal[begin : begin + batch].astype(np.float32)
        none, row = np.zeros(len(some), np.int32), np.arange(begin, begin + len(some))
        outcome = pipeline.process(Readings(none, times(row[-1] + 1, RATE)[row], some[:, None], none, row))
        facts += outcome.facts
        states += [(end / 1e9, State(s)) for end, s in zip(outcome.scores.end, outcome.scores.state, strict=True)]
    return facts, states


def heart(seed: int) -> tuple[Float64, Float64, slice]:
    """A lead of three minutes, noise of spread 1, and the part of it that is to be bad."""
    rng = np.random.default_rng(seed)
    signal = lead(180, RATE, 70, rng)[0]
    noise = gaussian_filter1d(rng.standard_normal(len(signal)), 3)
    return signal, noise / noise.std(), slice(int(BEGIN * RATE), int(END * RATE))


def opened(facts: list[Fact]) -> Counter[str]:
    return Counter(fact.alert_kind for fact in facts if fact.kind is FactKind.OPENED)


@pytest.mark.parametrize("recipe", ["plain", "vectors"])
def test_lasting_noise_is_one_alert_that_says_so(recipe: str) -> None:
    signal, noise, part = heart(0)
    signal[part] += 0.8 * noise[part]

    facts, states = watched(signal, recipe)
    alerts = opened(facts)
    of_data = [fact for fact in facts if fact.alert_kind == "unscored"]

    assert alerts["unscored"] == 1
    assert alerts["no-beat"] == 0
    assert "too noisy to judge" in of_data[0].cause
    assert of_data[-1].kind is FactKind.CLEARED
    inside = [state for second, state in states if BEGIN + 3 < second < END]
    assert Counter(inside)[State.INSUFFICIENT] > 0.8 * len(inside)


@pytest.mark.parametrize("recipe", ["plain", "vectors"])
@pytest.mark.parametrize("left", [0.0, 0.05])
def test_a_lost_lead_is_one_alert(recipe: str, left: float) -> None:
    """Also where faint noise is left, in which something like beats is found after a while."""
    signal, noise, part = heart(1)
    signal[part] = left * noise[part]

    facts, _ = watched(signal, recipe)
    alerts = opened(facts)
    (cleared,) = [fact for fact in facts if fact.alert_kind == "no-beat" and fact.kind is FactKind.CLEARED]

    assert alerts["no-beat"] == 1
    assert alerts["unscored"] == 0
    assert END < cleared.at / 1e9 < END + 5


def test_a_short_burst_is_no_alert_about_the_data() -> None:
    signal, noise, _ = heart(2)
    burst = slice(int(BEGIN * RATE), int((BEGIN + 5) * RATE))
    signal[burst] += 0.8 * noise[burst]

    alerts = opened(watched(signal, "vectors")[0])

    assert alerts["unscored"] == alerts["no-beat"] == 0


def test_the_same_is_said_however_the_samples_were_cut() -> None:
    signal, noise, part = heart(3)
    signal[part] = 0.05 * noise[part]
    signal[: part.start] += 0.5 * np.where(np.arange(part.start) > part.start // 2, noise[: part.start], 0)

    said = [watched(signal, "vectors", batch) for batch in (100, 1000, len(signal))]
    alerts = [[(f.kind, f.alert_kind, f.at) for f in facts if f.kind is not FactKind.CONTINUED] for facts, _ in said]

    assert said[0][1] == said[1][1] == said[2][1]
    assert sorted(alerts[0]) == sorted(alerts[1]) == sorted(alerts[2])
