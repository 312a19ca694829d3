"""docs/quality.md: the kept results as tables, a column for each version of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.cli.evaluation.results import Kept

CORPORA = {
    "nab": "Numenta Anomaly Benchmark, one value a series",
    "ranking": "Numenta Anomaly Benchmark, scores beside simple detectors",
    "skab": "Skoltech Anomaly Benchmark, eight channels of a pump",
    "mitbih": "MIT-BIH Arrhythmia Database, continuous ECG",
    "ecg5000": "ECG5000, heartbeats one by one",
    "drift": "Simulated drift, with spikes",
    "demo": "The demo's plants, live",
    "files": "Files",
}
INTRODUCTION = """# Quality

`make bench-quality` measures all of this and writes this page from `docs/quality.json`, where results are kept by
recipe and version. [How it is measured](detection.md#how-it-is-measured) says what each figure means. Figures are means
over the seeds, ± their standard deviation; they come from the default settings and do not depend on the machine. In
brackets: must, target, stretch.
"""


def page(kept: Sequence[Kept]) -> str:
    """The whole page."""
    lines = [INTRODUCTION]
    for corpus, title in CORPORA.items():
        versions = [each for each in kept if each["corpus"] == corpus]
        if versions:
            lines += [f"## {title}", "", *_measures(versions), ""]
            lines += [line for table in versions[-1]["tables"] for line in _table(table)]
    return "\n".join(lines).rstrip() + "\n"


def _measures(versions: Sequence[Kept]) -> list[str]:
    heads = [
        f"{each['recipe']} {each['version']}, {count} seed{'s'[: count != 1]}"
        for each in versions
        for count in [len(each["seeds"])]
    ]
    lines = ["| measure | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    named: dict[str, list[dict[str, Any] | None]] = {}
    for place, each in enumerate(versions):
        for measure in each["measures"]:
            named.setdefault(measure["name"], [None] * len(versions))[place] = measure
    for name, found in named.items():
        newest = next(measure for measure in reversed(found) if measure is not None)
        bound = "≤ " if newest["most"] else ""
        goals = f" ({', '.join(f'{bound}{goal:g}' for goal in newest['goals'])})" if newest["goals"] else ""
        lines.append(f"| {name}{goals} | " + " | ".join(map(_value, found)) + " |")
    return lines


def _value(measure: dict[str, Any] | None) -> str:
    if measure is None or measure["mean"] is None:
        return ""
    digits = measure["digits"]
    spread = f" ± {measure['spread']:.{digits}f}" if measure["spread"] is not None else ""
    reached = f", {measure['reached']}" if measure["reached"] else ""
    return f"{measure['mean']:.{digits}f}{spread}{reached}"


def _table(table: dict[str, Any]) -> list[str]:
    columns = table["columns"]
    rows = ["| " + " | ".join(row) + " |" for row in table["rows"]]
    return [f"**{table['title']}**", "", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|", *rows, ""]
