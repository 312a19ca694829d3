"""The seam to planned maintenance that people enter: read by workers, and what it withholds of alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.ports.store import Announce
from monitor.records.maintenance import Maintenance, Muting

ByEntered = Callable[[Sequence[Maintenance]], Muting]  # what is muted, by the maintenance that people have entered


@dataclass(frozen=True, slots=True)
class Entered:
    """A maintenance as it was entered: rows are never changed but by their removal. Times are wall clock, ns.

    `void`: it counts as if it had never been; else what was before its removal stands.
    """

    id: int
    maintenance: Maintenance
    created: int
    removed_at: int | None = None
    removed_by: str = ""
    removed_why: str = ""
    void: bool = False


def nothing_muted(_entered: Sequence[Maintenance]) -> Muting:
    """A `ByEntered` by which everything is announced."""
    return lambda _family, _stream, _at: None


class Maintenances(Protocol):
    """Each method may block on SQL and may raise StoreError. Belongs to a store and is called on its thread."""

    def windows(self) -> list[Maintenance]:
        """All that counts, also of the past, in the order in which it was entered. Asked every few seconds: cheap."""
        ...

    def entered(self, *, removed: bool = False) -> list[Entered]:
        """Every row that is in force, with `removed` also the others, in the order in which it was entered."""
        ...

    def add(self, some: Sequence[Maintenance]) -> list[Entered]:
        """Enter all of these, or none. Raises SettingsError where one in force has the name of one of them."""
        ...

    def remove(self, name: str, by: str, why: str, *, void: bool = False) -> Entered:
        """End one that is in force; what it withholds is announced. Raises SettingsError where there is none."""
        ...

    def review(self, run: str) -> None:
        """Have the next `release` look at everything that is withheld of a run: the maintenance has changed."""
        ...

    def release(self, run: str, now: int, muting: Muting, announce: Announce) -> int:
        """Announce what was withheld until `now` (ns) and is not muted any more; returns how many alerts that are.

        Called between commits, by workers that have read everything there is.
        """
        ...
