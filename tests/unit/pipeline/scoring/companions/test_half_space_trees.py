"""The companion `half_space_trees` is River's, on points in standard deviations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from monitor.pipeline.scoring.companions.half_space_trees import LAGS, WINDOW, HalfSpaceTrees
from monitor.pipeline.scoring.companions.half_spaces import HEIGHT, PADDING, REACH, TREES, Draws, forest
from monitor.records.batches import Float32, Float64, Windows

Point = Mapping[int, float]


class Drawn:
    """What River asks of `random.Random`, with the numbers that our trees are made of."""

    def __init__(self) -> None:
        self._draws = Draws()

    def choices(self, population: list[int], weights: list[float]) -> list[int]:
        reach = np.cumsum(weights)
        return [population[int(np.searchsorted(reach, self._draws.next() * reach[-1], side="right"))]]

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._draws.next()


def scores(values: Float32) -> Float32:
    """Of readings (n, channels) of one stream, in windows of `LAGS`."""
    count, channels = values.shape
    companion = HalfSpaceTrees(LAGS, channels)
    companion.grow(1)
    padded = np.concatenate([np.full((LAGS - 1, channels), np.nan, np.float32), values])
    cut = np.lib.stride_tricks.sliding_window_view(padded, LAGS, axis=0).transpose(0, 2, 1)
    none, time = np.zeros(count, np.int32), np.arange(count)
    return companion.score(Windows(none, time, time, cut, none.astype(np.float32)))


def rivers(features: int, drawn: Any) -> Any:
    """River's object, its trees made at once: it would leave out what is missing in the first point."""
    anomaly, padded = pytest.importorskip("river.anomaly"), pytest.importorskip("river.tree.padded")
    limits = dict.fromkeys(range(features), (-REACH, REACH))
    found = anomaly.HalfSpaceTrees(n_trees=TREES, height=HEIGHT, window_size=WINDOW, limits=limits, seed=1)
    found.trees = [
        padded.make_padded_tree(dict(limits), HEIGHT, PADDING, rng=drawn or found.rng, r_mass=0, l_mass=0)
        for _ in range(TREES)
    ]
    found._tree_nodes = [list(tree.iter_dfs()) for tree in found.trees]
    return found


def by_river(values: Float32, drawn: Any) -> Float64:
    """Score, learn, reading by reading; River's scaler knows the newest reading of each channel."""
    preprocessing = pytest.importorskip("river.preprocessing")
    channels = values.shape[1]
    trees, scaler, found = rivers(LAGS * channels, drawn), preprocessing.StandardScaler(), []

    def reading(row: int) -> dict[int, float]:
        return {c: float(values[row, c]) for c in range(channels) if row >= 0 and np.isfinite(values[row, c])}

    def point(row: int) -> Point:
        lags = (scaler.transform_one(reading(row - lag)) for lag in range(LAGS))
        return {lag * channels + c: away for lag, scaled in enumerate(lags) for c, away in scaled.items()}

    for row in range(len(values)):
        if not reading(row):
            found.append(np.nan)
            continue
        found.append(trees.score_one(point(row)))
        scaler.learn_one(reading(row))
        trees.learn_one(point(row))
    return np.array(found)


def plant(count: int = 1500) -> Float32:
    """Two channels, with faults and missing readings."""
    rng = np.random.default_rng(0)
    values = rng.normal([5, -40], [2, 9], (count, 2)).astype(np.float32)
    values[400::97] += 30
    values[rng.random(values.shape) < 0.03] = np.nan
    return values


def test_it_is_rivers_object() -> None:
    values = plant()
    found, theirs = scores(values).astype(np.float64), by_river(values, Drawn())

    known = ~np.isnan(found)
    assert known.sum() > 1200
    assert (theirs[~known & ~np.isnan(theirs)] == 0).all()
    assert 1 - np.exp(-found[known]) == pytest.approx(theirs[known], abs=1e-6)


def test_other_trees_of_river_have_nearly_the_same_order() -> None:
    """A point is in other leaves there."""
    values = plant()
    found, theirs = scores(values), by_river(values, None)

    known = ~np.isnan(found)
    faults = np.zeros(len(values), bool)
    faults[400::97] = True
    assert spearmanr(found[known], theirs[known])[0] > 0.5
    for score in (found, theirs):
        assert np.nanmean(score[faults & known]) > np.nanmean(score[~faults & known])


def test_the_trees_stay_what_they_are() -> None:
    """Saved states count points in these very nodes."""
    trees = forest(6)

    assert trees.feature[:, 0].tolist() == [2, 1, 4, 3, 2, 0, 2, 3, 0, 5]
    assert trees.threshold[0, :3].tolist() == pytest.approx([0.113151, -1.380936, 1.652607])


def test_each_node_but_a_leaf_halves_the_space() -> None:
    trees, leaves = forest(3), 2**HEIGHT - 1

    assert set(np.unique(trees.feature)) == {0, 1, 2}
    assert (np.abs(trees.threshold) < REACH).all()
    assert (trees.threshold[:, :leaves] != 0).all()
    assert (trees.threshold[:, leaves:] == 0).all()
