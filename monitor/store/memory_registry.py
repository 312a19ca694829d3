"""The model registry without a database: dictionaries under a lock. Part of `MemoryStore`."""

from __future__ import annotations

import threading
import time

from monitor.errors import ModelError
from monitor.ports.models import MONITOR, Life, LifeChange, ModelRow

Key = tuple[str, str]  # family, id


class MemoryModelRegistry:
    """Keeps everything in public dictionaries, for tests to look at; see `ModelRegistry`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rows: dict[Key, ModelRow] = {}
        self.states: dict[Key, Life] = {}
        self.bodies: dict[Key, bytes] = {}
        self.changes: list[tuple[str, LifeChange]] = []  # with their family

    def add(self, model: ModelRow, body: bytes | None, reason: str) -> None:
        """Record a trained model as candidate; see `ModelRegistry`."""
        key = (model.family, model.id)
        with self.lock:
            if key not in self.rows:
                self.rows[key] = model
                self._become(key, Life.CANDIDATE, reason)
            if body is not None:
                self.bodies[key] = body

    def promote(self, family: str, model: str, reason: str, by: str = MONITOR) -> None:
        """Make a model the champion and retire the one before; see `ModelRegistry`."""
        with self.lock:
            chosen = self._find(family, model)
            before = [key for key, state in self.states.items() if key[0] == family and state is Life.CHAMPION]
            if before == [chosen]:
                return
            for key in before:
                self._become(key, Life.RETIRED, f"replaced by {model[:16]}", by)
            self._become(chosen, Life.CHAMPION, reason, by)

    def retire(self, family: str, model: str, reason: str) -> None:
        """Take a model out of use; see `ModelRegistry`."""
        with self.lock:
            key = self._find(family, model)
            if self.states[key] is not Life.RETIRED:
                self._become(key, Life.RETIRED, reason)

    def note(self, family: str, model: str, reason: str, by: str = MONITOR) -> None:
        """Add a line to a model's life; see `ModelRegistry`."""
        with self.lock:
            key = self._find(family, model)
            self._become(key, self.states[key], reason, by)

    def models(self, family: str) -> list[ModelRow]:
        """All models of the family; see `ModelRegistry`."""
        with self.lock:
            return [row for key, row in self.rows.items() if key[0] == family]

    def champion(self, family: str) -> ModelRow | None:
        """The model that scores this family; see `ModelRegistry`."""
        with self.lock:
            champions = (key for key, state in self.states.items() if key[0] == family and state is Life.CHAMPION)
            return next((self.rows[key] for key in champions), None)

    def body(self, family: str, model: str) -> bytes | None:
        """The packed artefact, where it is kept; see `ModelRegistry`."""
        return self.bodies.get((family, model))

    def life(self, family: str) -> list[LifeChange]:
        """Every change of the family's models, oldest first; see `ModelRegistry`."""
        return [change for name, change in self.changes if name == family]

    def _find(self, family: str, model: str) -> Key:
        if (family, model) not in self.rows:
            raise ModelError(f"family {family} has no model {model[:16]}; train it, or choose one of those recorded")
        return family, model

    def _become(self, key: Key, state: Life, reason: str, by: str = MONITOR) -> None:
        self.states[key] = state
        self.changes.append((key[0], LifeChange(key[1], time.time_ns(), state, reason, by)))
