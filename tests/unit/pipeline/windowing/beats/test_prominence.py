"""Beats stand out of clean signals, whatever their shape and rate; noise does not stand out of itself."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.windowing.beats.prominence import buried, spreads
from monitor.pipeline.windowing.beats.quality import LEARNED
from monitor.records.batches import Bool, Float64

AT = np.linspace(-0.25, 0.45, 121)
NONE = float("nan")


def train(peaks: Float64, width: float) -> Float64:
    """A window (1, points) in a row of bell-shaped beats, mV, each with a T wave."""
    waves = [np.exp(-0.5 * np.square((AT - peak) / width)) for peak in peaks]
    waves += [0.25 * np.exp(-0.5 * np.square((AT - peak - 0.28) / 0.05)) for peak in peaks]
    return np.asarray(np.sum(waves, axis=0)[None])


def judged(signal: Float64, before: float = NONE, after: float = NONE, share: float = 2 * LEARNED) -> Bool:
    columns = (np.full(len(signal), column) for column in (before, after))
    return ~buried(spreads(signal.astype(np.float32), AT, *columns), np.full(len(signal), share))


@pytest.mark.parametrize("width", [0.012, 0.03, 0.045])
@pytest.mark.parametrize("interval", [1.0, 0.6, 0.5, 0.4, 0.33, 0.27])
def test_narrow_and_wide_beats_stand_out_at_rest_and_when_the_heart_races(width: float, interval: float) -> None:
    assert judged(train(np.linspace(-5 * interval, 5 * interval, 11), width), interval).all()


@pytest.mark.parametrize("width", [0.012, 0.03, 0.045])
@pytest.mark.parametrize("interval", [0.85, 0.6, 0.43, 0.35])
def test_a_beat_before_a_premature_one_stands_out_though_that_one_is_not_known_yet(
    width: float, interval: float
) -> None:
    assert judged(train(np.array([-interval, 0, 0.65 * interval]), width), interval).all()


def test_the_first_of_two_ectopic_beats_stands_out() -> None:
    assert judged(train(np.array([-0.5, 0, 0.33]), 0.04), 0.5, 0.33).all()


def test_tremor_and_white_noise_rarely_do() -> None:
    noise = np.random.default_rng(5).standard_normal((400, len(AT)))

    assert judged(noise).mean() < 0.1
    assert judged(noise, 0.5).mean() < 0.25
    assert judged(noise, 0.4, 0.5).mean() < 0.2


def test_in_a_quiet_signal_every_beat_is_one() -> None:
    noise = np.random.default_rng(5).standard_normal((100, len(AT)))

    assert judged(noise, 0.8, share=LEARNED).all()
    assert judged(noise, 0.8, share=NONE).all()


def test_a_beat_is_buried_by_noise_and_neither_by_wander_nor_by_its_unit() -> None:
    beat = train(np.array([0.0]), 0.015)
    wander = 5 * np.sin(2 * np.pi * 0.4 * AT)[None]
    noise = np.random.default_rng(6).standard_normal((200, len(AT)))

    assert judged((beat + wander) * 200, 0.9).all()
    assert judged(beat + 0.1 * noise, 0.9).all()
    assert judged(beat + 3 * noise, 0.9).mean() < 0.3


def test_a_beat_is_judged_alone_as_among_others() -> None:
    noise = np.random.default_rng(7).standard_normal((300, len(AT)))

    each = np.concatenate([judged(row[None], 0.6) for row in noise])

    np.testing.assert_array_equal(each, judged(noise, 0.6))


def test_no_beat_is_hidden_by_values_that_are_none_or_absurd() -> None:
    signal = np.concatenate([train(np.array([0.0]), 0.015)] * 3)
    signal[0, 5], signal[1] = np.nan, 0.0
    signal[2] *= 1e37

    assert judged(signal, 0.9).all()


def test_the_spread_beside_a_beat_is_that_of_the_noise_and_grows_with_the_unit() -> None:
    noise = np.random.default_rng(8).standard_normal((300, len(AT)))
    beat, none = train(np.array([0.0]), 0.015), np.full(300, NONE)

    quiet, some, loud = (
        float(np.median(spreads((beat + size * noise).astype(np.float32), AT, none, none).beside))
        for size in (0.0, 0.5, 5.0)
    )

    assert quiet < 0.3 * some
    assert 9 < loud / some < 11


def test_nothing_is_beside_a_beat_of_a_heart_that_races() -> None:
    signal, interval = train(np.linspace(-1, 1, 11), 0.012).astype(np.float32), np.full(1, 0.2)

    assert np.isnan(spreads(signal, AT, interval, interval).beside).all()
