"""docs/quality.md, as `make bench-quality` makes it."""

from __future__ import annotations

import math

from monitor.cli.evaluation.measures import Measure, Result, Table
from tests.benchmarks.quality.page import page


def kept(version: int, seeds: int, *measures: Measure) -> dict[str, object]:
    table = Table("Beside it", ("detector", "standard"), (("HTM", "71.0"),))
    return Result("nab", "default", version, tuple(range(seeds)), measures, [table]).fields()


def test_each_version_has_a_column_and_each_measure_its_goals() -> None:
    standard, rows = Measure("standard", (70.0, 74.0), (70, 74)), Measure("rows", (9.0,), (10,), most=True, digits=0)
    written = page([kept(1, 2, standard), kept(2, 1, Measure("standard", (75.0,), (70, 74)), rows)]).splitlines()

    assert "| measure | default 1, 2 seeds | default 2, 1 seed |" in written
    assert "| standard (70, 74) | 72.0 ± 2.8, must | 75.0, target |" in written
    assert "| rows (≤ 10) |  | 9, must |" in written
    assert written.count("| HTM | 71.0 |") == 1
    assert "| nothing | " not in "".join(written)


def test_a_figure_that_is_not_there_is_empty() -> None:
    assert "| delay |  |" in page([kept(1, 1, Measure("delay", (math.nan,)))])
