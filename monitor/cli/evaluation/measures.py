"""What an evaluation found: measures with their goals, tables beside them, and how two versions differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any, Final

LEVELS: Final = ("must", "target", "stretch")


@dataclass(frozen=True)
class Measure:
    """A figure, once for each seed. `goals`: must, target, stretch; with `most` the figure is to stay below them."""

    name: str
    values: tuple[float, ...]
    goals: tuple[float, ...] = ()
    most: bool = False
    digits: int = 1

    @property
    def mean(self) -> float:
        """Over the seeds that have one; NaN where none has."""
        known = [value for value in self.values if not math.isnan(value)]
        return fmean(known) if known else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds; NaN of one."""
        known = [value for value in self.values if not math.isnan(value)]
        return stdev(known) if len(known) > 1 else math.nan

    @property
    def reached(self) -> str:
        """The highest goal that the mean meets, to the digits that are shown; empty where there is no mean or goal."""
        if math.isnan(self.mean):
            return ""
        shown = round(self.mean, self.digits)
        met = [
            level
            for level, goal in zip(LEVELS, self.goals, strict=False)
            if (shown <= goal if self.most else shown >= goal)
        ]
        return met[-1] if met else "missed" if self.goals else ""

    def text(self, value: float) -> str:
        """A value as it is shown."""
        return "" if math.isnan(value) else f"{value:.{self.digits}f}"


@dataclass(frozen=True)
class Table:
    """Figures beside the measures: a title, names of columns, rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Result:
    """What one recipe is worth on one corpus. `files` holds figures of each file, for the JSON twin only."""

    corpus: str
    recipe: str
    version: int
    seeds: tuple[int, ...]
    measures: Sequence[Measure]
    tables: Sequence[Table] = ()
    files: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def title(self) -> str:
        """Corpus, recipe and version."""
        return f"{self.corpus}: {self.recipe} {self.version}"

    def fields(self) -> dict[str, Any]:
        """The JSON twin: NaN is null."""
        return {
            "corpus": self.corpus,
            "recipe": self.recipe,
            "version": self.version,
            "seeds": list(self.seeds),
            "measures": [
                {
                    "name": each.name, "mean": finite(each.mean), "spread": finite(each.spread),
                    "values": [finite(value) for value in each.values], "goals": list(each.goals), "most": each.most,
                    "digits": each.digits, "reached": each.reached,
                }
                for each in self.measures
            ],
            "tables": [
                {"title": table.title, "columns": list(table.columns), "rows": [list(row) for row in table.rows]}
                for table in self.tables
            ],
            "files": [dict(file) for file in self.files],
        }  # fmt: skip


def finite(value: float) -> float | None:
    """A number that JSON can hold, in 6 digits."""
    return None if math.isnan(value) else float(f"{value:.6g}")
