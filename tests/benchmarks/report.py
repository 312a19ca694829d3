"""What the benchmarks found: figures with their goals, as JSON, a table on screen, and a page with its history."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from monitor.outputs.replacing import write_files

ROOT = Path(__file__).parents[2]
HISTORY = ROOT / "docs" / "benchmarks.json"
PAGE = ROOT / "docs" / "benchmarks.md"
Run = dict[str, Any]  # when, commit, machine, figures: as they stand in the JSON
LEVELS = ("must", "target", "stretch")


@dataclass(frozen=True)
class Figure:
    """One measured number. `goals`: must, target, stretch; with `most` the number is to stay below them."""

    measure: str
    value: float
    goals: tuple[float, ...] = ()
    unit: str = "ratio"
    most: bool = False
    detail: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def reached(self) -> str:
        """The highest goal that it meets."""
        met = [level for level, goal in zip(LEVELS, self.goals, strict=False)
               if (self.value <= goal if self.most else self.value >= goal)]  # fmt: skip
        return met[-1] if met else "missed" if self.goals else ""


def ratios(lanes: Sequence[Callable[[], float]], rounds: int) -> tuple[float, ...]:
    """Run all lanes in turn, `rounds` times; the median over the rounds of each one's result over the first one's."""
    found = [[lane() for lane in lanes] for _ in range(rounds)]
    return tuple(round(median(row[i] / row[0] for row in found), 3) for i in range(1, len(lanes)))


class Report:
    """Collects the figures of one run."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def add(self, figure: Figure) -> None:
        """Keep a figure and print it."""
        self.figures.append(figure)
        print("\nbenchmark " + json.dumps(asdict(figure) | {"reached": figure.reached}), flush=True)

    def show(self) -> None:
        """The table on screen."""
        table = Table(title="Benchmarks", title_justify="left")
        for name in ("measure", "value", *LEVELS, "reached"):
            table.add_column(name)
        for figure in self.figures:
            table.add_row(*_cells(figure))
        Console().print(table)

    def write(self) -> None:
        """Add this run to the history and make the page anew."""
        runs = json.loads(HISTORY.read_text()) if HISTORY.exists() else []
        runs.append({"when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), "commit": _commit(), "machine": machine(),
                     "figures": [asdict(figure) | {"reached": figure.reached} for figure in self.figures]})  # fmt: skip
        bodies = {HISTORY.name: json.dumps(runs, indent=1) + "\n", PAGE.name: page(runs)}
        write_files(PAGE.parent, {name: body.encode() for name, body in bodies.items()})


def machine() -> dict[str, str | int]:
    """What it ran on."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    vectors = ", 512-bit vectors" if " avx512f " in info else ""  # which decide what matrix products can be
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {"cpu": f"{names[0] if names else platform.processor()}{vectors}", "cores": os.cpu_count() or 1,
            "memory_gib": round(pages * size / 2**30), "python": platform.python_version(),
            "system": platform.system()}  # fmt: skip


def page(runs: Sequence[Run]) -> str:
    """docs/benchmarks.md."""
    newest = {figure["measure"]: (figure, run) for run in runs for figure in run["figures"]}
    lines = [
        INTRODUCTION,
        "| measure | value | must | target | stretch | reached | measured |",
        "|---|---|---|---|---|---|---|",
    ]
    for figure, run in newest.values():
        shown = Figure(figure["measure"], figure["value"], tuple(figure["goals"]), figure["unit"], most=figure["most"])
        lines.append("| " + " | ".join((*_cells(shown), f"{run['when']}, {run['commit']}")) + " |")
    lines += ["", "## History", "", "| run | machine | figures |", "|---|---|---|"]
    for run in reversed(runs):
        about = f"{run['machine']['cores']} cores, {run['machine']['cpu']}"
        values = "; ".join(f"{figure['measure']} {figure['value']:g}" for figure in run["figures"])
        lines.append(f"| {run['when']}, {run['commit']} | {about} | {values} |")
    return "\n".join(lines) + "\n"


INTRODUCTION = """# Benchmarks

`make bench` measures all of this on a real Apache Kafka and adds a run to `docs/benchmarks.json`, from which this page
is made. Machines differ and are noisy, so nearly every figure is a ratio: two things are measured in turn, several
rounds long, and the median of the rounds' ratios counts. The newest measurement of each figure is in the table.

`make bench-peers` adds other stream processors on the same topic, each in a separate venv under `.bench`, as their
documentation shows them; they keep windows and statistics only, while the product scores and commits every window.
`BENCH_SCALE=0.02 make bench` runs everything in miniature, to see that it works, and keeps nothing.
"""


def _cells(figure: Figure) -> tuple[str, ...]:
    unit = "" if figure.unit == "ratio" else f" {figure.unit}"
    goals = [f"{goal:g}{unit}" for goal in figure.goals] + [""] * (3 - len(figure.goals))
    return (figure.measure, f"{figure.value:g}{unit}", *goals, figure.reached)


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
