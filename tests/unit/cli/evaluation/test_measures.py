"""Figures with goals, and results that are kept by version."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from monitor.cli.evaluation import results
from monitor.cli.evaluation.measures import Measure, Result, Table
from monitor.errors import RecordError


@pytest.mark.parametrize(
    ("mean", "most", "reached"),
    [(69.9, False, "missed"), (70.0, False, "must"), (69.96, False, "must"), (76.0, False, "target"),
     (90.0, False, "stretch"), (71.0, True, "must"), (80.0, True, "missed"), (math.nan, False, "")],
)  # fmt: skip
def test_the_highest_goal_that_is_met_counts_by_the_digits_shown(mean: float, most: bool, reached: str) -> None:
    goals = (72, 68, 60) if most else (70, 74, 78)

    assert Measure("it", (mean,), goals, most=most).reached == reached


def test_without_goals_nothing_is_reached() -> None:
    assert Measure("it", (1.0,)).reached == ""


def test_mean_and_spread_are_over_the_seeds_that_have_a_figure() -> None:
    assert Measure("it", (1.0, 2.0, math.nan, 3.0)).mean == 2.0
    assert Measure("it", (1.0, 2.0, math.nan, 3.0)).spread == 1.0
    assert math.isnan(Measure("it", (5.0,)).spread)
    assert math.isnan(Measure("it", (math.nan,)).mean)


def result(version: int, *values: float, recipe: str = "default") -> Result:
    table = Table("Beside it", ("a", "b"), (("x", "1"),))
    return Result("nab", recipe, version, (0, 1), [Measure("standard", values, (70.0,))], [table])


def test_results_of_other_versions_are_kept_and_of_the_same_one_replaced(tmp_path: Path) -> None:
    path = tmp_path / "quality.json"
    results.keep(path, results.read(path), [result(1, 60.0, 62.0)])
    results.keep(path, results.read(path), [result(2, 70.0, 72.0)])
    results.keep(path, results.read(path), [result(1, 64.0, math.nan)])
    kept = results.read(path)

    assert [(each["version"], each["measures"][0]["mean"]) for each in kept] == [(1, 64.0), (2, 71.0)]
    assert kept[0]["measures"][0]["values"] == [64.0, None]
    assert "NaN" not in path.read_text(encoding="utf-8")


def test_a_result_is_compared_with_the_version_before_or_else_with_another_recipe(tmp_path: Path) -> None:
    path = tmp_path / "quality.json"
    kept = [result(version, 60.0 + version).fields() for version in (1, 2, 4)]
    kept.append(result(9, 50.0, recipe="plain").fields())
    path.write_text(json.dumps(kept), encoding="utf-8")

    def nearest(found: Result) -> tuple[str, int] | None:
        before = results.earlier(found, results.read(path))
        return None if before is None else (before["recipe"], before["version"])

    assert nearest(result(3, 0.0)) == ("default", 2)
    assert nearest(result(4, 0.0)) == ("default", 2)
    assert nearest(result(1, 0.0)) == ("plain", 9)
    assert results.earlier(result(1, 0.0), []) is None


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    for body in ("{}", "[1]", '[{"corpus": "nab"}]', "not json"):
        (tmp_path / "r.json").write_text(body, encoding="utf-8")
        with pytest.raises(RecordError, match="--results"):
            results.read(tmp_path / "r.json")


def test_what_is_shown_has_goals_the_goal_reached_and_the_change(capsys: pytest.CaptureFixture[str]) -> None:
    results.show(result(2, 70.0, 74.0), result(1, 60.0).fields())
    shown = capsys.readouterr().out

    for text in ("nab: default 2", "2 seeds", "72.0", "2.8", "must", "+12.0", "Beside it"):
        assert text in shown
