"""Give a store a champion: of a row alone, of a model in a folder, or of a history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monitor import bootstrap
from monitor.config.settings import Settings
from monitor.ports.models import ModelRow
from monitor.ports.store import Store
from monitor.training.fit import Named
from monitor.training.model_library import ModelLibrary
from monitor.training.train_family import train_family


def make_champion(store: Store, row: ModelRow) -> None:
    """Record a model without an artefact, and promote it."""
    store.registry.add(row, None, "test")
    store.registry.promote(row.family, row.id, "test")


def install_champion(store: Store, family: str, folder: Path) -> ModelRow:
    """Record the model in a folder, as it travels to other machines, and promote it."""
    row = ModelLibrary(store.registry, folder.parent, bootstrap.load_detector).add(family, folder, "test")
    store.registry.promote(family, row.id, "test")
    return row


def train_champion(settings: Settings, store: Store, name: str, history: Sequence[Named]) -> ModelRow:
    """Train a model of the settings' family, as `watchkeeper train` does."""
    family, library = settings.families[name], bootstrap.library(settings, store)
    return train_family(library, name, family, history, lambda: bootstrap.detector(family), bootstrap.normal_scores())
