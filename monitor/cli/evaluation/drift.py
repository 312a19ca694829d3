"""`evaluate drift`: simulated series whose normal state drifts, with spikes in what is learned and after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

import numpy as np

from monitor.cli.evaluation.asked import Asked, Job
from monitor.cli.evaluation.measures import Measure, Result
from monitor.cli.evaluation.scored import score_series
from monitor.records.batches import Int64
from monitor.replay.labelled_series import Series
from monitor.simulator.drifting import KINDS, drifting

ROWS: Final = 5300  # of which `score` judges about 4,500
INTERVAL: Final = 300 * 10**9  # ns
FIRST: Final = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
WITHIN: Final = 5  # rows from a spike to the alert that has found it
STEADY: Final = ("stationary", "periodic")


@dataclass(frozen=True)
class Found:
    """One series: the shares of its spikes behind the learned part that were above the limit, and that opened an alert.

    `false` alerts opened elsewhere.
    """

    kind: str
    recipe: tuple[str, int]
    above: float
    share: float
    false: int
    opened: Int64


def judge(job: Job) -> Found:
    """Make a series, score it and compare."""
    import pandas as pd

    kind = cast("str", job.what)
    made = drifting(kind, ROWS, np.random.default_rng([list(KINDS).index(kind), job.seed]))
    stamps = FIRST + INTERVAL * np.arange(ROWS)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "drift.csv"
        pd.DataFrame({"time": pd.to_datetime(stamps), "value": made.values}).to_csv(path, index=False)
        scored = score_series(Series(kind, path, "time", ("value",), stamps, ()), job.recipe, job.seed)
    judged = made.spikes >= scored.learned
    found, false = made.found(scored.opened, WITHIN)
    above, _ = made.found(np.flatnonzero(scored.ratio > 1), WITHIN)
    share = float(found[judged].mean())
    return Found(kind, (scored.recipe, scored.version), float(above[judged].mean()), share, false, scored.opened)


def evaluate(asked: Asked) -> Result:
    """Make and score a series of each kind with every seed."""
    runs = asked.each(judge, list(KINDS), "drift")
    name, version = runs[0][0].recipe
    measures = []
    for place, kind in enumerate(KINDS):
        goal = 3 if kind in STEADY else 8
        found = [run[place] for run in runs]
        share = tuple(each.share for each in found)
        measures.append(Measure(f"{kind}, share of spikes found", share, (0.8,), digits=2))
        above = tuple(each.above for each in found)
        measures.append(Measure(f"{kind}, share of spikes above the limit", above, digits=2))
        false = tuple(float(each.false) for each in found)
        measures.append(Measure(f"{kind}, false alerts", false, (goal,), most=True))
    files = [{"name": kind, "opened": [run[place].opened.tolist() for run in runs]} for place, kind in enumerate(KINDS)]
    return Result("drift", name, version, asked.seeds, measures, files=files)
