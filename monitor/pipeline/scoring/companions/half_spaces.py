"""The trees of `half_space_trees`: which number each node looks at, and where it halves the space. The same everywhere.

Made as River makes them (`tree.padded`): a node takes a feature with a probability in proportion to the room that is
left of it, and a threshold in the middle 70 % of that room. What is drawn comes from a hash, not from a random number
generator: a saved state counts readings in these very nodes, whatever the version of a library.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from monitor.records.batches import Float64, Int32

TREES, HEIGHT = 10, 6
NODES = 2 ** (HEIGHT + 1) - 1  # of a tree; those that follow node n are 2n + 1 and 2n + 2
REACH = 6.0  # deviations from the mean: the space that is halved
PADDING = 0.15  # of a node's room at each end, in which it has no threshold


class Forest(NamedTuple):
    """(TREES, NODES) each, and 0 in leaves: the feature that a node looks at, and what goes left is below."""

    feature: Int32
    threshold: Float64


class Draws:
    """Numbers from 0 up to 1, evenly distributed, and always the same."""

    def __init__(self) -> None:
        self._count = 0

    def next(self) -> float:
        """The next one."""
        digest = blake2b(f"half-space trees {self._count}".encode(), digest_size=7).digest()
        self._count += 1
        return (int.from_bytes(digest, "little") >> 3) / 2**53


@lru_cache
def forest(features: int) -> Forest:
    """Of points with so many features."""
    made = Forest(np.zeros((TREES, NODES), np.int32), np.zeros((TREES, NODES)))
    draws, low, high = Draws(), np.full(features, -REACH), np.full(features, REACH)
    for tree in range(TREES):
        _halve(Forest(made.feature[tree], made.threshold[tree]), 0, (low, high), draws)
    return made


def _halve(tree: Forest, node: int, room: tuple[Float64, Float64], draws: Draws) -> None:
    """Choose what a node looks at, within a `room` from lowest to highest (features,), and all nodes that follow it."""
    if 2 * node + 1 >= NODES:
        return
    low, high = room
    reach = np.cumsum(high - low)
    feature = int(np.searchsorted(reach, draws.next() * reach[-1], side="right"))
    least, most = low[feature], high[feature]
    begin, end = least + PADDING * (most - least), most - PADDING * (most - least)
    threshold = begin + (end - begin) * draws.next()
    tree.feature[node], tree.threshold[node] = feature, threshold
    below, above = high.copy(), low.copy()
    below[feature] = above[feature] = threshold
    _halve(tree, 2 * node + 1, (low, below), draws)
    _halve(tree, 2 * node + 2, (above, high), draws)
