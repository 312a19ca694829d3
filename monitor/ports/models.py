"""The seam to the model registry: which models a family has had, which one scores it, and their artefacts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

MONITOR = "monitor"  # who does what no person did


class Life(StrEnum):
    """What a model is for its family: waiting, the one that scores, or no longer used. One champion at most."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """A trained model. `id` is the sha256 of its packed artefact, 64 hex digits; `manifest` JSON text.

    `path` is "" unless an earlier version of Watchkeeper recorded the model: then it is the absolute path of the
    artefact on the machine that trained it, and `id` is the sha256 of the weights.
    """

    id: str
    family: str
    manifest: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class LifeChange:
    """One line of a model's life: what it became at `at` (wall clock, ns), why, and by whom."""

    model: str
    at: int
    state: Life
    reason: str
    by: str = MONITOR


class ModelRegistry(Protocol):
    """Models of all families, with the life of each. Every method may block on SQL and may raise StoreError.

    It belongs to a store and is called on the thread of that store, never while a commit is in flight.
    """

    def add(self, model: ModelRow, body: bytes | None, reason: str) -> None:
        """Record a trained model as candidate, with its packed artefact; None where that is too large for SQL.

        A model that is recorded already keeps its state; a missing artefact is added.
        """
        ...

    def promote(self, family: str, model: str, reason: str, by: str = MONITOR) -> None:
        """Make a model of any state the champion; the one before is retired. Raises ModelError for an unknown id."""
        ...

    def retire(self, family: str, model: str, reason: str) -> None:
        """Take a model out of use. Raises ModelError for an unknown id."""
        ...

    def note(self, family: str, model: str, reason: str, by: str = MONITOR) -> None:
        """Add a line to a model's life that does not change its state. Raises ModelError for an unknown id."""
        ...

    def models(self, family: str) -> list[ModelRow]:
        """All models of the family, in the order in which they were recorded."""
        ...

    def champion(self, family: str) -> ModelRow | None:
        """The model that scores this family, or None before the first training. Asked every few seconds: cheap."""
        ...

    def body(self, family: str, model: str) -> bytes | None:
        """The packed artefact; None where it was too large for SQL, or the model is not known."""
        ...

    def life(self, family: str) -> list[LifeChange]:
        """Every change of the family's models, oldest first."""
        ...


def champions(life: list[LifeChange]) -> list[str]:
    """The family's champions (ids), each once, the present one last: what a roll back goes through from behind.

    A model that became champion once more takes the place that it had: those after it were rolled back.

    >>> [a, b] = (LifeChange(id_, 0, Life.CHAMPION, "") for id_ in "ab")
    >>> champions([a, b]), champions([a, b, a])
    (['a', 'b'], ['a'])
    """
    found: list[str] = []
    for change in life:
        if change.state is Life.CHAMPION and change.model != (found[-1] if found else ""):
            found = found[: found.index(change.model)] if change.model in found else found
            found.append(change.model)
    return found
