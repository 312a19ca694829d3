"""Which recipes there are. A version stays as long as a run with it may be repeated."""

from __future__ import annotations

from typing import Final, cast

from monitor.config.families import Family
from monitor.config.references import resolve
from monitor.pipeline.scoring.recipe import Recipe
from monitor.pipeline.thresholds.base import Threshold

RECIPES: Final = {  # by name and version
    ("plain", 1): "monitor.pipeline.scoring.recipes.plain:plain",
}
DEFAULT: Final = ("plain", 1)


def recipe(family: Family, threshold: Threshold) -> Recipe:
    """The family's recipe, without streams or model."""
    return cast("Recipe", resolve(RECIPES[DEFAULT])(family, threshold))
