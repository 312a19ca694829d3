"""Results on the terminal, and in a file by corpus, recipe and version, so that two versions can be compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monitor.cli.evaluation.measures import LEVELS, Measure, Result, Table
from monitor.cli.rendering.output import terminal
from monitor.errors import RecordError
from monitor.outputs.replacing import write_files
from monitor.records.escapes import dumps

Kept = dict[str, Any]  # the fields of a result, as they stand in the file
STYLES = {"missed": "red", "must": "yellow", "target": "green", "stretch": "bold green"}


def read(path: Path) -> list[Kept]:
    """The results of a file; none where it is missing. Raises RecordError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RecordError(f"--results: {path} cannot be read: {error}") from None
    wanted = {*_KEY, "measures"}
    if not isinstance(found, list) or not all(isinstance(each, dict) and wanted <= {*each} for each in found):
        raise RecordError(f"--results: {path} holds no results of `watchkeeper evaluate`; name another file")
    return found


def keep(path: Path, kept: Sequence[Kept], results: Sequence[Result]) -> None:
    """Write what was kept and these results; one of the same corpus, recipe and version is replaced."""
    fresh = [result.fields() for result in results]
    named = {_key(each): each for each in [*kept, *fresh]}
    write_files(path.parent, {path.name: dumps([named[key] for key in sorted(named)], indent=1).encode() + b"\n"})


def earlier(result: Result, kept: Sequence[Kept]) -> Kept | None:
    """The kept result that is nearest to this one: an earlier version of the recipe, or else another recipe."""
    same = [each for each in kept if each["corpus"] == result.corpus and _key(each) != _key(result.fields())]
    of_recipe = [each for each in same if each["recipe"] == result.recipe and each["version"] < result.version]
    return max(of_recipe or same, key=lambda each: int(each["version"]), default=None)


def show(result: Result, before: Kept | None = None) -> None:
    """Tables on the terminal; with the change since `before`."""
    from rich import table as drawn
    from rich.text import Text

    console = terminal()
    seeds = f"{len(result.seeds)} seeds" if len(result.seeds) > 1 else f"seed {result.seeds[0]}"
    table = drawn.Table(title=f"{result.title} ({seeds})", title_justify="left")
    names = ("measure", "value", "spread", *LEVELS, "reached")
    changed = () if before is None else (f"since {before['recipe']} {before['version']}",)
    for name in (*names, *changed):
        table.add_column(name, justify="left" if name == "measure" else "right")
    for measure in result.measures:
        change = () if before is None else (_change(measure, before),)
        table.add_row(*cells(measure)[:-1], Text(measure.reached, STYLES.get(measure.reached, "")), *change)
    console.print(table)
    for beside in result.tables:
        console.print(_drawn(beside))


def cells(measure: Measure) -> tuple[str, ...]:
    """Name, mean, spread, goals and the goal reached, as text."""
    goals = [f"{'≤ ' if measure.most else ''}{goal:g}" for goal in measure.goals]
    goals += [""] * (len(LEVELS) - len(goals))
    return (measure.name, measure.text(measure.mean), measure.text(measure.spread), *goals, measure.reached)


def _drawn(beside: Table) -> Any:
    from rich import table as drawn

    table = drawn.Table(title=beside.title, title_justify="left", style="dim")
    for place, name in enumerate(beside.columns):
        table.add_column(name, justify="right" if place else "left")
    for row in beside.rows:
        table.add_row(*row)
    return table


def _change(measure: Measure, before: Kept) -> str:
    """How much the mean has changed, where it was measured then."""
    for each in before["measures"]:
        if each["name"] == measure.name and each["mean"] is not None:
            return f"{measure.mean - each['mean']:+.{measure.digits}f}"
    return ""


_KEY = ("corpus", "recipe", "version")


def _key(kept: Kept) -> tuple[Any, ...]:
    return tuple(kept[name] for name in _KEY)
