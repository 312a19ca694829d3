"""Real heartbeats by `watchkeeper score --recipe vectors`: learned from five unlabelled minutes, judged for 25."""

from __future__ import annotations

import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.signal import butter, sosfiltfilt

from monitor.cli.app import build
from monitor.records.batches import Float64
from tests.benchmarks.quality.noisy_ecg import noisy
from tests.ecg import matched

DATA = Path(os.environ.get("WATCHKEEPER_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "mitbih"
LEARNED = 300  # s
pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no MIT-BIH records in {DATA}; set WATCHKEEPER_DATA"),
    pytest.mark.timeout(900),
]


class Judged(NamedTuple):
    """Of ventricular beats after the learned part: how many there are, found, and anomalies that are none of them."""

    beats: int
    found: int
    false: int

    @property
    def recall(self) -> float:
        return self.found / self.beats

    @property
    def precision(self) -> float:
        return self.found / max(1, self.found + self.false)


def judged(name: str, folder: Path, noise: float | None = None, kind: str = "") -> Judged:
    """A record; with `noise`, at that ratio of the signal to it, dB: bursts, or of a kind of the noise stress test."""
    record = np.load(DATA / f"{name}.npz")
    signal, rate = record["ecg_mv"].astype(np.float64), float(record["rate_hz"])
    if noise is not None and kind:
        signal, _ = noisy(signal, record["beats"].astype(np.int64), int(rate), kind, noise, 0)
    elif noise is not None:
        signal = signal + bursts(len(signal), rate) * beat_size(signal, record["beats"], rate) / 10 ** (noise / 20)
    pd.DataFrame({"ecg": signal}).to_csv(folder / "lead.csv", index=False, float_format="%.4f")
    options = ["--values", "ecg", "--rate", str(rate), "--window", "beat", "--recipe", "vectors", "--quiet"]
    arguments = ["score", str(folder / "lead.csv"), *options, "--train-rows", str(int(LEARNED * rate))]
    with redirect_stdout(StringIO()):
        build().main(args=[*arguments, "--output", str(folder / "beats.csv")], standalone_mode=False)
    beats = pd.read_csv(folder / "beats.csv")
    anomalous = beats["sample"][(beats["ratio"] > 1) & (beats["sample"] >= LEARNED * rate)].to_numpy() / rate
    ectopic = record["pvc"][record["pvc"] >= LEARNED * rate] / rate
    hits = int((matched(ectopic, anomalous) >= 0).sum()) if len(anomalous) else 0
    return Judged(len(ectopic), hits, len(anomalous) - hits)


def bursts(count: int, rate: float) -> Float64:
    """Wander, moving electrodes and tremor for a third of the time, of spread 1 while they last."""
    rng = np.random.default_rng(0)
    kinds = [((0.05, 0.6), 1.0), ((0.8, 12), 0.8), ((10, 0.33 * rate), 0.6)]  # Hz, weight
    noise = np.zeros(count)
    for band, weight in kinds:
        part = sosfiltfilt(butter(2, band, "band", fs=rate, output="sos"), rng.standard_normal(count))
        noise += weight * part / part.std()
    on, at = np.zeros(count), 0
    while at < count:
        at += round((5 + rng.exponential(40)) * rate)
        length = round((4 + rng.exponential(18)) * rate)
        on[at : at + length] = rng.uniform(0.6, 1.4)
        at += length
    return np.asarray(noise / noise.std() * on)


def beat_size(signal: Float64, beats: Float64, rate: float) -> float:
    """Root of the power of QRS complexes, as the noise stress test of MIT-BIH has it: peak to peak, over root 8."""
    around = np.arange(-round(0.05 * rate), round(0.05 * rate))
    heights = np.ptp(signal[beats[1:300, None].astype(int) + around], axis=1)
    return float(np.median(heights) / np.sqrt(8))


@pytest.mark.parametrize("name", ["106", "119"])
def test_ventricular_beats_are_found_at_the_default_limit(name: str, tmp_path: Path) -> None:
    """Though the five minutes hold 60 and 80 of them."""
    found = judged(name, tmp_path)

    assert found.precision >= 0.98, found
    assert found.recall >= 0.95, found


@pytest.mark.parametrize("name", ["100", "123"])
def test_a_record_without_faults_has_at_most_one_false_beat_in_ten_minutes(name: str, tmp_path: Path) -> None:
    found = judged(name, tmp_path)

    assert found.false <= 2, found
    assert found.recall == 1, found


def test_ventricular_beats_are_found_between_bursts_of_noise(tmp_path: Path) -> None:
    found = judged("119", tmp_path, noise=6)

    assert found.precision >= 0.9, found
    assert found.recall >= 0.9, found


@pytest.mark.parametrize("kind", ["muscle", "electrode"])
def test_nine_in_ten_ventricular_beats_are_found_under_noise(kind: str, tmp_path: Path) -> None:
    found = judged("106", tmp_path, noise=6, kind=kind)

    assert found.precision >= 0.9, found
    assert found.recall >= 0.9, found


def test_bursts_of_noise_are_few_false_beats(tmp_path: Path) -> None:
    assert judged("100", tmp_path, noise=6).false <= 25
