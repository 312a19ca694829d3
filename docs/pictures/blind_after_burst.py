"""Draws docs/pictures/blind_after_burst.svg: one file by `plain` and by `default`, with a burst in the learned part.

    python docs/pictures/blind_after_burst.py docs/pictures/blind_after_burst.svg

Everything is computed by `watchkeeper score`; the readings are noise with two shifts of the same height.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd

from monitor.cli.app import build

ROWS, LEARNED = 2400, 900
BURST, SURGE, HEIGHT = slice(500, 560), slice(1300, 1320), 8.0
STEP = 4  # rows in a column of the picture
WIDTH, PANEL, GAP, LEFT, TOP = ROWS // STEP, 110, 46, 60, 30
BLUE, RED, GREY = "#2563ab", "#c0392b", "#667"


class Panel(NamedTuple):
    """A curve over all rows, with the title above it, a limit, and which rows are anomalies: marks below,
    only where both recipes judge."""

    title: str
    values: np.ndarray
    limit: np.ndarray | None = None
    anomalies: tuple[int, ...] = ()


def readings() -> np.ndarray:
    """(ROWS,): spread 1, with the burst and the surge."""
    values = np.random.default_rng(1).normal(0, 1, ROWS)
    values[BURST] += HEIGHT
    values[SURGE] += HEIGHT
    return values


def scored(values: np.ndarray, recipe: str) -> pd.DataFrame:
    """The rows as `watchkeeper score` writes them, with a detector that trains in no time."""
    with TemporaryDirectory() as folder:
        file, output = Path(folder) / "rows.csv", Path(folder) / "scored.csv"
        time = pd.date_range("2026-03-01", periods=ROWS, freq="10s")
        pd.DataFrame({"time": time, "value": values}).to_csv(file, index=False)
        options = ["--time", "time", "--train-rows", str(LEARNED), "--detector", "mahalanobis", "--recipe", recipe]
        with redirect_stdout(StringIO()):
            build().main(args=["score", str(file), *options, "--output", str(output), "--quiet"], standalone_mode=False)
        return pd.read_csv(output)


def panels() -> list[Panel]:
    """What is shown: the readings, and score and limit by each recipe."""
    values = readings()
    found = [
        Panel("readings: learned from up to the line; a burst, and later a shorter one of the same height", values)
    ]
    says = {
        "plain": "score and limit: the burst counts in mean and standard deviation, and its like stays below",
        "default": "surprise and limit: the second burst is still far from usual, and the limit stays",
    }
    for recipe, title in says.items():
        rows = scored(values, recipe)
        found.append(
            Panel(
                title=f"{recipe}: {title}",
                values=rows["score"].to_numpy(),
                limit=rows["limit"].to_numpy(),
                anomalies=tuple(np.flatnonzero((rows["ratio"] > 1) & (np.arange(ROWS) >= LEARNED)).tolist()),
            )
        )
    return found


def svg(shown: list[Panel]) -> str:
    """The picture; coordinates are whole pixels."""
    height = TOP + len(shown) * (PANEL + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {height}" font-family="sans-serif" '
        'font-size="11">',
        f'<rect width="{LEFT + WIDTH + 20}" height="{height}" fill="#fff"/>',
    ]
    for number, panel in enumerate(shown):
        parts += _panel(panel, TOP + number * (PANEL + GAP))
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: int) -> Iterator[str]:
    curves = [panel.values] if panel.limit is None else [panel.values, panel.limit]
    low = min(float(np.nanmin(curve)) for curve in curves)
    high = max(float(np.nanmax(curve)) for curve in curves)
    yield f'<text x="{LEFT}" y="{top - 8}" fill="{GREY}">{panel.title}</text>'
    yield f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{PANEL}" fill="none" stroke="#ccd"/>'
    yield f'<path d="M{LEFT + LEARNED // STEP} {top}v{PANEL}" stroke="{GREY}" stroke-dasharray="3 3"/>'
    for label, y in ((high, top + 10), (low, top + PANEL)):
        yield f'<text x="{LEFT - 6}" y="{y}" text-anchor="end" fill="{GREY}">{label:.0f}</text>'
    for curve, colour in zip(curves, (BLUE, RED), strict=False):
        yield f'<path d="{_line(curve, low, high, top)}" fill="none" stroke="{colour}"/>'
    for column in sorted({row // STEP for row in panel.anomalies}):
        yield f'<path d="M{LEFT + column} {top + PANEL + 3}v8" stroke="{RED}"/>'
    if panel.anomalies:
        yield f'<text x="{LEFT + panel.anomalies[-1] // STEP + 6}" y="{top + PANEL + 12}" fill="{RED}">anomaly</text>'


def _line(curve: np.ndarray, low: float, high: float, top: int) -> str:
    """Through the smallest and the largest value of each column; columns without values are left out."""
    points = []
    for column, values in enumerate(curve.reshape(-1, STEP)):
        known = values[~np.isnan(values)]
        for value in (known.min(), known.max()) if len(known) else ():
            points.append(f"{LEFT + column} {round(top + PANEL * (high - value) / (high - low))}")
    return "M" + "L".join(points)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(svg(panels()), encoding="utf-8")
