"""A family's history becomes its champion."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from monitor.config.families import Family
from monitor.ports.models import ModelRow
from monitor.training import fit
from monitor.training.model_library import ModelLibrary


def train_family(
    library: ModelLibrary,
    name: str,
    family: Family,
    history: Iterable[fit.Named],
    create: Callable[[], fit.Trainable],
    normal: fit.NormalScores,
) -> ModelRow:
    """Fit a detector to the history of family `name`, record it and make it the champion. Raises ModelError."""
    row = library.keep(name, family, *fit.train(family, history, create, normal))
    library.registry.promote(name, row.id, "trained")
    return row
