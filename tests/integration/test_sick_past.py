"""A past that holds the same faults as the future does not hide them: limits start from what is clean."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor import bootstrap
from monitor.cli.app import build
from monitor.config.settings import parse
from monitor.ports.store import HistoryBlock
from monitor.records.batches import Bool, Float64, Int64, Readings, State
from monitor.training import fit

SPREAD, SPIKE, EVERY, SPIKES = 0.1, 4.0, 70, 85
LEARNED = 900
SECOND = 10**9


def sick(channels: int) -> tuple[Float64, Int64]:
    """Readings with a spike in one of 70, in turn in one of the channels, and where the spikes are."""
    values = np.random.default_rng(channels).normal(20, SPREAD, (SPIKES * EVERY, channels))
    at = np.arange(SPIKES) * EVERY + EVERY // 2
    values[at, np.arange(SPIKES) % channels] += SPIKE
    return values, at


def found(anomaly: Bool, at: Int64, window: int) -> tuple[int, int]:
    """How many spikes after the learned part are in a window that is an anomaly, and anomalies without a spike."""
    later = at[at >= LEARNED]
    none = np.ones(len(anomaly), np.bool_)
    for spike in at:
        none[spike : spike + window] = False
    return sum(bool(anomaly[spike : spike + window].any()) for spike in later), int((anomaly & none).sum())


def scored(values: Float64, folder: Path, *options: str) -> pd.DataFrame:
    names = [f"c{channel}" for channel in range(values.shape[1])]
    rows = pd.DataFrame(values, columns=names)
    rows.insert(0, "time", pd.date_range("2026-03-01", periods=len(rows), freq="10s"))
    rows.to_csv(folder / "rows.csv", index=False)
    command = ["score", str(folder / "rows.csv"), "--time", "time", "--values", ",".join(names), "--recipe", "plain"]
    with redirect_stdout(StringIO()) as out:
        build().main(args=[*command, "--train-rows", str(LEARNED), "--json", *options], standalone_mode=False)
    return pd.read_csv(json.loads(out.getvalue())["output"])


@pytest.mark.parametrize("window", [6, 12, 24, 48])
@pytest.mark.parametrize("channels", [1, 3])
def test_spikes_are_found_in_a_file_whose_training_part_holds_them(channels: int, window: int, tmp_path: Path) -> None:
    values, at = sick(channels)

    rows = scored(values, tmp_path, "--window", str(window))

    hits, false = found((rows.state == "anomaly").to_numpy(), at, window)
    assert hits >= 70
    assert false <= 2
    assert (rows.alert_opened == 1).sum() >= 65


@pytest.mark.parametrize("garbage", [4.3e9, -3.4e38])
def test_spikes_are_found_where_garbage_was_learned_once(garbage: float, tmp_path: Path) -> None:
    values, at = sick(3)
    values[333, 1] = garbage

    rows = scored(values, tmp_path)

    assert found((rows.state == "anomaly").to_numpy(), at, 12)[0] >= 70


@pytest.mark.parametrize("where", [6, 20, 100, 333])
@pytest.mark.parametrize("garbage", [4.3e9, -3.4e38])
def test_garbage_that_a_stream_begins_with_does_not_blind_the_recipe_default(
    garbage: float, where: int, tmp_path: Path
) -> None:
    values, at = sick(1)
    values[at[at < LEARNED]] -= SPIKE
    values[where] = garbage

    rows = scored(values, tmp_path, "--recipe", "default")

    assert found((rows.state == "anomaly").to_numpy(), at, 24)[0] >= 70


@pytest.mark.parametrize("kind", bootstrap.THRESHOLDS)
def test_spikes_are_found_live_by_every_kind_of_limit(kind: str) -> None:
    values, at = sick(3)
    raw = {"topic": "t", "interval": "1s", "channels": ["a", "b", "c"], "window": {"length": 12}, "recipe": "plain"}
    family = parse({"families": {"f": {**raw, "threshold": {"kind": kind}}}}).families["f"]
    time, rows = np.arange(len(values)) * SECOND, values.astype(np.float32)
    block = HistoryBlock(1, time[:LEARNED], rows[:LEARNED])
    detector, profiles = fit.train(
        family, [("m", block)], lambda: bootstrap.detector(family), bootstrap.normal_scores()
    )
    pipeline = bootstrap.pipeline("f", family)
    pipeline.index.intern(["m"])
    pipeline.adopt("0" * 64, detector, profiles)
    anomaly = np.zeros(len(rows), np.bool_)
    for part in np.array_split(np.arange(LEARNED, len(rows)), 9):
        stream = np.zeros(len(part), np.int32)
        scores = pipeline.process(Readings(stream, time[part], rows[part], stream, part)).scores
        anomaly[scores.end // SECOND] = scores.state == State.ANOMALY

    hits, false = found(anomaly, at, 12)

    assert hits >= 70
    assert false <= 0.002 * len(rows)
