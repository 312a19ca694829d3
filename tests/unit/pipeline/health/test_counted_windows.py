"""Which windows count as judged where companions judge parts of them."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.config.families import Family
from monitor.pipeline.health.counted_windows import counted
from monitor.records.batches import Bool, Scores, Windows

DEFAULT = Family.model_validate({"topic": "t", "interval": "10s", "recipe": "default"})
PLAIN = Family.model_validate({"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 24}})
READINGS = (1, 2, 3, 24, 24, 1)  # in each window, since the gap
FILLED = (0.0, 0.0, 0.0, 0.1, 0.5, 0.0)  # share


def batch() -> tuple[Windows, Scores]:
    count = len(READINGS)
    values = np.full((count, 24, 1), np.nan, np.float32)
    for row, readings in enumerate(READINGS):
        values[row, -readings:] = 1
    stream, end = np.zeros(count, np.int32), np.arange(count) * 10**10
    imputed, one = np.array(FILLED, np.float32), np.ones(count, np.float32)
    windows = Windows(stream, end, end, values, imputed)
    return windows, Scores(stream, end, end, one, one, one, imputed, np.zeros(count, np.uint8))


def judged(family: Family, *, model: bool = True, off: Bool | None = None) -> list[tuple[int, bool]]:
    """The windows that count, and whether each is judged or waits."""
    windows, scores = batch()
    found, waiting = counted(family, windows, scores, lambda codes: np.full(len(codes), model), off)
    return list(zip((found.end // 10**10).tolist(), (~np.isnan(found.ratio) | waiting).tolist(), strict=True))


@pytest.mark.parametrize("model", [True, False])
def test_runs_of_hardly_a_reading_and_windows_that_are_filled_in_do_not_count(model: bool) -> None:
    assert judged(DEFAULT, model=model) == [(2, True), (3, True), (4, False)]


def test_what_maintenance_switches_off_counts_as_waiting() -> None:
    off = np.array([True, False, False, False, True, False])
    assert judged(DEFAULT, off=off) == [(0, True), (2, True), (3, True), (4, True)]


def test_a_recipe_of_whole_windows_goes_by_its_scores() -> None:
    assert judged(PLAIN) == [(row, True) for row in range(6)]


def test_nothing_is_counted_of_nothing() -> None:
    windows, scores = batch()
    none = np.zeros(0, np.int64)
    found, waiting = counted(DEFAULT, windows.take(none), scores.take(none), lambda codes: codes > 0, None)
    assert len(found) == len(waiting) == 0
