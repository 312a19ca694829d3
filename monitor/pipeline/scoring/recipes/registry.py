"""Which recipes there are. A version stays as long as a run with it may be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from monitor.config.families import Family
from monitor.config.references import resolve
from monitor.pipeline.scoring.recipe import Recipe
from monitor.pipeline.thresholds.base import Threshold
from monitor.records.batches import Float32, Int64

if TYPE_CHECKING:
    from monitor.pipeline.scoring.companions.levels import Levels

RECIPES: Final = {  # by name and version
    ("plain", 1): "monitor.pipeline.scoring.recipes.plain:plain",
    ("default", 2): "monitor.pipeline.scoring.recipes.default:default",
    ("multivariate", 3): "monitor.pipeline.scoring.recipes.multivariate:multivariate",
    ("vectors", 3): "monitor.pipeline.scoring.recipes.vectors:vectors",
}
NEWEST: Final = {"plain": 1, "default": 2, "multivariate": 3, "vectors": 3}
LEVELS: Final = {  # recipes whose score follows a new level while an alert is open, and what knows the one before
    "default": "monitor.pipeline.scoring.companions.levels:Levels",
}
HISTORY: Final = {  # recipes whose detector sees something else than readings, and what
    "default": "monitor.pipeline.scoring.recipes.default:history",
}
CONSTANTS: Final = {  # recipes whose companions learn constants of a stream from its training readings, and how
    "multivariate": "monitor.pipeline.scoring.recipes.multivariate:learn",
}

LEARNED: Final = {  # recipes whose detector learns windows otherwise than they are cut, and how
    "vectors": "monitor.pipeline.scoring.recipes.vectors:learned",
}


def recipe(family: Family, threshold: Threshold) -> Recipe:
    """The family's recipe, without streams or model."""
    name = family.judged_by
    return cast("Recipe", resolve(RECIPES[name, NEWEST[name]])(family, threshold))


def levels(name: str, channels: int, interval: int) -> Levels | None:
    """What knows the levels of streams of a recipe that follows them; None where its score stays high by itself."""
    reference = LEVELS.get(name)
    return None if reference is None else cast("Levels", resolve(reference)(channels, interval))


def learned_from(family: Family, time: Int64, values: Float32) -> Float32:
    """What the family's detector learns from a stream's readings (n, channels) on the grid, at times (n,) in ns."""
    reference = HISTORY.get(family.judged_by)
    if reference is None:
        return values
    return cast("Float32", resolve(reference)(time, values, family.grid.interval or 0))


def constants(family: Family, values: Float32) -> dict[str, Float32]:
    """What the family's recipe learns of a stream from its training readings (n, channels), by name."""
    reference = CONSTANTS.get(family.judged_by)
    return {} if reference is None else cast("dict[str, Float32]", resolve(reference)(values))


def learned_windows(family: Family, windows: Float32) -> Float32:
    """Windows (m, length, channels) of a stream's past as the family's detector learns them."""
    reference = LEARNED.get(family.judged_by)
    return windows if reference is None else cast("Float32", resolve(reference)(family, windows))
