"""Normal QRS complexes are told from others in noise, which moves baseline and R-peak."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from monitor.pipeline.scoring.companions.qrs import CLEAN, FAST, SLOW, Qrs
from monitor.records.batches import Bool, Float32
from tests.ecg import find, lead

RATE = 250.0
POINTS = 121
STEP = 0.7 / (POINTS - 1)


def residuals(signal: Float32, learnable: Bool | None = None, cuts: tuple[int, ...] = ()) -> Float32:
    qrs, stream = Qrs(POINTS, 0.25 / STEP, STEP), np.zeros(len(signal), np.int32)
    qrs.grow(1)
    learn = np.ones(len(signal), bool) if learnable is None else learnable
    parts = [(0, *cuts), (*cuts, len(signal))]
    none = np.full(len(signal), np.nan)
    found = [qrs.compare(stream[a:b], signal[a:b], none[a:b], learn[a:b]) for a, b in zip(*parts, strict=True)]
    return np.concatenate([each.residual for each in found])


def beats(noise: float, gain: float = 1.0) -> tuple[Float32, Bool]:
    """Signals of beats under an electrode that moves from the 60th second on, and which of them are premature."""
    rng = np.random.default_rng(1)
    signal, _ = lead(240, RATE, 70, rng, premature=0.08)
    motion = gaussian_filter1d(rng.standard_normal(len(signal)), 0.06 * RATE)
    motion[: int(60 * RATE)] = 0
    found = find(gain * (signal + noise * motion / motion.std()), RATE)
    values = found.windows.values[:, :POINTS, 0]
    return values[np.isfinite(values[:, 0])], (found.beats.interval < 0.7)[np.isfinite(values[:, 0])]


@pytest.mark.parametrize("gain", [1.0, -300.0])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_premature_complexes_are_less_like_the_usual_one_than_any_other(noise: float, gain: float) -> None:
    signal, early = beats(noise, gain)

    found = residuals(signal, ~early)[20:]

    assert early[20:].sum() >= 10
    assert np.quantile(found[early[20:]], 0.1) > 1.5 * np.quantile(found[~early[20:]], 0.98)


def test_any_cut_gives_the_same_bits() -> None:
    signal, early = beats(0.3)

    assert residuals(signal, ~early).tobytes() == residuals(signal, ~early, (1, 2, 40, 41, 150)).tobytes()


def test_beats_without_values_are_left_out() -> None:
    signal, _ = beats(0.0)
    signal[10:20] = np.nan

    found = residuals(signal)

    assert np.isnan(found[[0, *range(10, 20)]]).all()
    assert np.isfinite(found[[*range(1, 10), *range(20, len(found))]]).all()


def test_numbers_of_any_size_are_compared_without_a_warning() -> None:
    signal, _ = beats(0.0)
    signal[30] *= 1e37
    signal[40] = 0

    assert np.isfinite(residuals(signal)[1:]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_single_value_that_is_none_leaves_its_beat_out_and_is_not_learned(value: float) -> None:
    signal, _ = beats(0.0)
    signal[3, POINTS // 2] = value

    found = residuals(signal)

    assert np.isnan(found[[0, 3]]).all()
    assert np.isfinite(np.delete(found, [0, 3])).all()


def test_noise_beside_a_complex_makes_its_residual_so_much_larger() -> None:
    """White noise of some sizes: the residual grows with it, and not when divided by what the noise adds."""
    rng = np.random.default_rng(3)
    clean, early = beats(0.0)
    clean = clean[~early]
    unit = rng.standard_normal(clean.shape)
    band = gaussian_filter1d(unit, FAST / STEP, axis=1) - gaussian_filter1d(unit, SLOW / STEP, axis=1)
    size = np.where(np.arange(len(clean)) < 60, 0.0, np.where(np.arange(len(clean)) % 2, 0.9, 0.3))
    qrs, stream = Qrs(POINTS, 0.25 / STEP, STEP), np.zeros(len(clean), np.int32)
    qrs.grow(1)

    signal = (clean + size[:, None] * unit).astype(np.float32)
    residual, noise = qrs.compare(stream, signal, size * float(band.std()), np.ones(len(clean), bool))
    quiet, some, loud = (np.median((residual / noise)[20:][size[20:] == each]) for each in (0.0, 0.3, 0.9))

    assert np.median(residual[size == 0.9]) > 2 * np.median(residual[size == 0.3])
    assert loud < 1.5 * some
    assert max(quiet, some, loud) < np.sqrt(CLEAN) * 1.3
    assert (noise[1:60] == 1).all()
