"""`plain`: one detector on windows scaled by stream, against a limit from its own normal scores.

The classic: limit = mean + n_std standard deviations. Judge, then learn; nothing is learned while an alert is open.
It is known to hold well for what a window's shape shows, and to be slow for drifts, which a rolling limit follows.
"""

from __future__ import annotations

from monitor.config.families import Family
from monitor.pipeline.scoring.recipe import Recipe
from monitor.pipeline.thresholds.base import Threshold


def plain(family: Family, threshold: Threshold) -> Recipe:
    """Version 1, without streams or model."""
    return Recipe("plain", 1, family, threshold)
