"""A simulated ECG whose electrode moves in every other two minutes, by `watchkeeper score --recipe vectors`."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter1d

from monitor.cli.app import build
from monitor.records.batches import Float64
from monitor.simulator.signals import ecg
from tests.ecg import matched

RATE, LEARNED, SECONDS = 250.0, 300, 780
pytestmark = pytest.mark.timeout(900)


def moving_electrode(rng: np.random.Generator) -> Float64:
    """Wander, and about one jump or bump a second, some as wide as a beat; of spread 1 in minutes 5, 6, 9 and 10."""
    count = int(SECONDS * RATE)
    wander = gaussian_filter1d(rng.standard_normal(count), 0.08 * RATE)
    jumps = np.zeros(count)
    for at in np.flatnonzero(rng.random(count) < 1 / RATE).tolist():
        wide, decay = rng.uniform(0.02, 0.08) * RATE, rng.uniform(0.05, 0.4) * RATE
        length = np.arange(min(int(2 * RATE), count - at))
        bump = np.exp(-0.5 * np.square(length / wide - 3)) if rng.random() < 0.5 else np.exp(-length / decay)
        jumps[at : at + len(length)] += rng.normal() * bump
    noise = wander / wander.std() + gaussian_filter1d(jumps, 0.012 * RATE) / jumps.std()
    second = np.arange(count) / RATE
    return np.asarray(noise / noise.std() * ((second >= LEARNED) & ((second - LEARNED) % 240 < 120)))


def lead(rng: np.random.Generator) -> tuple[Float64, Float64]:
    """Signal in mV and the R-peaks of ventricular beats, s, one of twelve, each with a pause behind it."""
    gaps = 0.85 * (1 + 0.03 * rng.standard_normal(1000))
    early = np.arange(20, 980, 12) + rng.integers(0, 6, 80)
    gaps[early] *= 0.62
    gaps[early + 1] *= 1.38
    peaks = 0.4 + np.cumsum(gaps)
    wide = np.zeros(len(peaks), bool)
    wide[early] = True
    at = np.arange(int(SECONDS * RATE)) / RATE
    return ecg(at, peaks, wide, rng), peaks[wide & (peaks < SECONDS - 2)]


def test_ventricular_beats_are_found_and_little_else_though_the_electrode_moves(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    signal, ectopic = lead(rng)
    signal += 0.2 * moving_electrode(rng)
    pd.DataFrame({"ecg": signal}).to_csv(tmp_path / "lead.csv", index=False, float_format="%.4f")
    options = ["--values", "ecg", "--rate", str(RATE), "--window", "beat", "--recipe", "vectors", "--quiet"]
    arguments = ["score", str(tmp_path / "lead.csv"), *options, "--train-rows", str(int(LEARNED * RATE))]

    with redirect_stdout(StringIO()):
        build().main(args=[*arguments, "--output", str(tmp_path / "beats.csv")], standalone_mode=False)

    beats = pd.read_csv(tmp_path / "beats.csv")
    anomalous = beats["sample"][(beats["ratio"] > 1) & (beats["sample"] >= LEARNED * RATE)].to_numpy() / RATE
    ectopic = ectopic[ectopic >= LEARNED]
    hits = int((matched(ectopic, anomalous) >= 0).sum())
    assert hits >= 0.9 * len(ectopic), (hits, len(ectopic), len(anomalous))
    assert hits >= 0.8 * len(anomalous), (hits, len(ectopic), len(anomalous))
