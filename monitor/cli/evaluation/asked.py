"""What an evaluation is asked for, whatever the corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple, TypeVar

from monitor.cli.evaluation.workers import in_processes

Found = TypeVar("Found")


class Job(NamedTuple):
    """One thing to score: a series, a record, a kind of drift; by which recipe (None = the default), which seed."""

    what: object
    recipe: str | None
    seed: int


@dataclass(frozen=True)
class Asked:
    """The folder of the corpora, the recipe (None = the default), seeds from `seed` on, and processes at a time."""

    folder: Path | None
    recipe: str | None = None
    seed: int = 0
    count: int = 3
    jobs: int = 1
    quiet: bool = False

    @property
    def seeds(self) -> tuple[int, ...]:
        """All of them."""
        return tuple(range(self.seed, self.seed + self.count))

    def each(self, function: Callable[[Job], Found], things: Sequence[object], title: str) -> list[list[Found]]:
        """What `function` returns for each seed, in it for each thing."""
        jobs = [Job(thing, self.recipe, seed) for seed, thing in product(self.seeds, things)]
        found = in_processes(function, jobs, jobs=self.jobs, title=title, quiet=self.quiet)
        return [found[first : first + len(things)] for first in range(0, len(found), len(things))]
