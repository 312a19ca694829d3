"""The complexes around an early beat are alike where it is noise, and not where the next one is ectopic too."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.batches import Bool, Float64
from tests.ecg import Found, find, lead

RATE = 250.0


def around(signal: Float64, *, cuts: tuple[int, ...] = ()) -> Found:
    return find(signal, RATE, cuts)


def known(found: Found) -> Bool:
    return ~np.isnan(found.beats.alike)


def with_bumps(rng: np.random.Generator, share: float = 0.1) -> tuple[Float64, Float64]:
    """A lead of normal beats, some of them with a bump that looks like a beat halfway to the next; and where, s."""
    signal, peaks = lead(200, RATE, 60, rng)
    between = (peaks[:-1] + peaks[1:])[rng.random(len(peaks) - 1) < share] / 2
    at = np.arange(len(signal)) / RATE
    for moment in between.tolist():
        signal -= 1.2 * np.exp(-0.5 * np.square((at - moment) / 0.025))
    return signal, between


def test_beats_around_noise_are_alike() -> None:
    signal, between = with_bumps(np.random.default_rng(1))
    found = around(signal)
    seconds = found.windows.end / 1e9
    bumps = (np.abs(seconds[:, None] - between[None]).min(axis=1) < 0.05) & known(found)

    assert bumps.sum() >= 10
    assert (found.beats.alike[bumps] > 0.95).mean() > 0.9


def test_the_second_of_two_ectopic_beats_is_not_like_the_beat_before_the_first() -> None:
    rng = np.random.default_rng(2)
    signal, peaks = lead(200, RATE, 60, rng)
    at, first = np.arange(len(signal)) / RATE, peaks[10:-2:8]
    for peak in first.tolist():
        wide = np.exp(-0.5 * np.square((at - peak - 0.42) / 0.05)) + np.exp(-0.5 * np.square((at - peak - 0.8) / 0.05))
        signal = np.where((at > peak + 0.3) & (at < peak + 1.25), 0, signal) - 1.5 * wide
    found = around(signal)
    seconds = found.windows.end / 1e9
    early = (np.abs(seconds[:, None] - first[None] - 0.42).min(axis=1) < 0.1) & known(found)

    assert early.sum() >= 10
    assert (found.beats.alike[early] < 0.8).mean() > 0.9


def test_nothing_is_known_of_beats_in_time() -> None:
    signal, peaks = lead(60, RATE, 60, np.random.default_rng(3))

    assert not known(around(signal)).any()
    assert len(peaks) > 50


@pytest.mark.parametrize("gain", [1.0, -300.0, 1e30])
def test_neither_unit_nor_baseline_matters(gain: float) -> None:
    signal, _ = with_bumps(np.random.default_rng(4))

    plain, other = around(signal).beats.alike, around(gain * (signal + 3)).beats.alike

    np.testing.assert_allclose(other, plain, atol=1e-3)


def test_any_cut_gives_the_same_bits() -> None:
    signal, _ = with_bumps(np.random.default_rng(5), share=0.4)
    whole = around(signal)

    assert known(whole).sum() > 10
    for step in (7, 400, 5000):
        assert around(signal, cuts=tuple(range(step, len(signal), step))).facts == whole.facts
