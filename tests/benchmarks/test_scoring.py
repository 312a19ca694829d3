"""Scoring alone, on one thread: against the core's fp32 matrix multiplication, and the whole product against it.

The ceiling is the best of numpy and torch on two large matrices. Operations are two for each weight that a window
meets, as many as the architecture has; the rest of scoring (scaling, error, checks) is work that earns nothing. An LSTM
may pass the ceiling: its decoder is fed the same vector at every step, which counts at each and is multiplied once.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from models.networks.stacks import default_latent, default_units, readings_per_step
from tests.benchmarks import plant
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.rig import Rig, lane
from tests.benchmarks.scale import scaled
from tests.integration.broker import KafkaBroker

pytestmark = pytest.mark.timeout(3600)
ROUNDS = scaled(5)
DENSE_WINDOWS = scaled(32_768, 1024)
LSTM_WINDOWS = scaled(2048, 64)
STEPS = scaled(30_000, 400)
UNITS = 64  # of the LSTM measured, in its state and its latent vector
UNITS_BY_DEFAULT = default_units(plant.LENGTH)

DENSE_FLOP = 2 * 2 * (140 * 32 + 32 * 16 + 16 * 8)


def lstm_flop(hidden: int, latent: int) -> int:
    """Encoder, latent vector, decoder (fed the latent vector at each step), output."""
    width = readings_per_step(plant.LENGTH)
    encoder, decoder = 4 * hidden * (width + hidden), 4 * hidden * (latent + hidden)
    return 2 * (-(-plant.LENGTH // width) * (encoder + decoder + hidden * width) + 2 * hidden * latent)


LSTM = {"kind": "lstm", "options": {"epochs": 1, "hidden": UNITS, "latent": UNITS}}
DEFAULT_FLOP = lstm_flop(UNITS_BY_DEFAULT, default_latent(UNITS_BY_DEFAULT))
DEFAULT_LSTM = {"kind": "lstm", "options": {"epochs": 1}}


@pytest.mark.parametrize(
    ("name", "detector", "flop", "windows", "goals"),
    [
        ("dense", {"options": plant.EPOCHS}, DENSE_FLOP, DENSE_WINDOWS, (0.5, 0.6, 0.65)),
        (f"LSTM of {UNITS} units", LSTM, lstm_flop(UNITS, UNITS), LSTM_WINDOWS, (0.6, 0.7, 1.0)),
        (
            f"LSTM as it comes ({UNITS_BY_DEFAULT} units)",
            DEFAULT_LSTM,
            DEFAULT_FLOP,
            LSTM_WINDOWS,
            (0.6, 0.7, 1.0),
        ),
    ],
)
def test_against_the_core(
    tmp_path: Path, report: Report, name: str, detector: dict[str, object], flop: int, windows: int,
    goals: tuple[float, ...],
) -> None:  # fmt: skip
    model = plant.trained(tmp_path, plant.family(detector=detector), 1)
    found = lane("scoring.ceiling", model, windows, flop, ROUNDS)
    detail = {name: found[name] for name in ("windows_per_s", "gflop_per_s")}
    report.add(Figure(f"scoring, {name} / fp32 matmul", found["ratio"], goals, detail=detail))


@pytest.mark.kafka
def test_product_against_its_model(kafka: KafkaBroker, tmp_path: Path, report: Report) -> None:
    """Windows per second of the whole product with an LSTM, against those of its model alone.

    A quicker model lowers it, as the rest of the product is as quick as before: `windows_per_s` tells both apart.
    """
    options = f'kind = "lstm", options = {{ epochs = 1, hidden = {UNITS}, latent = {UNITS} }}'
    rig = Rig(tmp_path, kafka.bootstrap_servers, 16, detector=options)
    rig.fill(STEPS)
    found = []
    for _ in range(scaled(3)):
        whole = rig.product()
        assert rig.model is not None
        alone = lane("scoring.forward", rig.model, LSTM_WINDOWS)
        found.append((whole["rate"] * whole["windows"] / whole["records"], alone["rate"]))
    value = median(whole / alone for whole, alone in found)
    detail = {"windows_per_s": round(median(whole for whole, _ in found))}
    report.add(Figure("LSTM end to end / its model alone, windows", round(value, 3), (0.8, 0.9, 0.95), detail=detail))
