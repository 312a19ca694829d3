"""What the detector of `vectors` sees and learns of heartbeats, and which part decides about their shape."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.config.families import Family
from monitor.pipeline.scoring.mixture import DETECTOR, Components
from monitor.pipeline.scoring.recipes.vectors import QRS_NAME, RHYTHM_NAME, Shapes, learned, shown
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.batches import Bool, Float64
from tests.ecg import LENGTH, find, lead

RATE = 250.0
DRAWN = -(-LENGTH // 20)


def family(kind: str) -> Family:
    window: dict[str, object] = {"kind": kind, "length": LENGTH} | ({"rate": RATE} if kind == "beat" else {})
    return Family.model_validate({"topic": "t", "interval": "none", "recipe": "vectors", "window": window})


def test_messages_are_seen_and_learned_as_they_are() -> None:
    windows = np.random.default_rng(1).normal(size=(30, LENGTH, 1)).astype(np.float32)

    assert shown(family("message"), windows) is windows
    assert learned(family("message"), windows) is windows


def test_beats_are_smoothed_and_without_their_rhythm() -> None:
    windows = np.zeros((2, LENGTH, 1), np.float32)
    windows[:, 60], windows[:, -DRAWN:] = 1, 0.4
    windows[1, 10] = 1

    seen = shown(family("beat"), windows)

    assert (seen[:, -DRAWN:] == 0).all()
    assert 0.1 < seen[0, 60, 0] < 0.3
    assert seen[0].sum() == pytest.approx(1, abs=1e-3)
    assert seen[1, 10, 0] == pytest.approx(0.3 * seen[0, 60, 0], rel=1e-3)  # before the QRS complex


def test_premature_beats_and_those_in_noise_are_not_learned() -> None:
    signal, _ = lead(120, RATE, 60, np.random.default_rng(2), premature=0.1)
    found = find(signal, RATE)
    windows = found.windows.values.copy()
    windows[40] = np.nan
    early = np.asarray((found.beats.interval < 0.8) & (found.windows.end > 6e9))

    left_out = np.asarray(np.isnan(learned(family("beat"), windows)).any(axis=(1, 2)))

    assert early.sum() >= 5
    assert left_out[early].all()
    assert left_out[40]
    assert not left_out[~early & (np.arange(len(windows)) != 40)].any()


def test_where_most_beats_are_premature_all_are_learned() -> None:
    windows = np.random.default_rng(3).normal(size=(40, LENGTH, 1)).astype(np.float32)
    windows[:30, -DRAWN:] = 2

    assert np.isfinite(learned(family("beat"), windows)).all()


def test_the_complex_decides_where_it_is_the_more_surprising() -> None:
    score, _ = judged(np.random.default_rng(4).lognormal(0, 0.3, 400))
    error, unlike = score[DETECTOR], score[QRS_NAME]
    alone = (error == 0) & (unlike > 0)

    assert alone.sum() >= 20
    assert not (unlike > error)[~alone].any()


def test_noise_beside_the_complex_makes_an_error_less_surprising() -> None:
    errors = np.full(400, 3.0)
    quiet, early = judged(errors)
    noisy, _ = judged(errors, beside=0.3)

    assert np.nanmedian(quiet[DETECTOR] + quiet[QRS_NAME]) > np.nanmedian(noisy[DETECTOR] + noisy[QRS_NAME])
    np.testing.assert_array_equal(noisy[RHYTHM_NAME], quiet[RHYTHM_NAME])
    assert np.nanmedian(quiet[RHYTHM_NAME][early]) > 2


def judged(errors: Float64, beside: float | None = None) -> tuple[Components, Bool]:
    """What each part adds for the beats of a lead, every other minute of it loud, by these errors of the detector.

    And which of them are premature. `beside`: the spread beside their complexes, in place of what it is.
    """
    signal, _ = lead(240, RATE, 70, np.random.default_rng(4), premature=0.1)
    windows, beats = (found := find(signal, RATE)).windows, found.beats
    facts = {**beats.facts, "noise": np.where(windows.end // 60_000_000_000 % 2, 4.0, 1.0)}
    if beside is not None:
        facts["beside"] = np.full(len(windows), beside)
    shapes = Shapes(family("beat"))
    for part in (*shapes.companions.values(), *shapes.calibration.values()):
        part.grow(1)
    one = np.ones(1, np.float32)
    shapes.enrol(0, Profile(one, one, 1.0, 0.3, 300))
    score = shapes.components(windows, errors[: len(windows)].astype(np.float32), facts)
    return score, beats.interval < 0.7
