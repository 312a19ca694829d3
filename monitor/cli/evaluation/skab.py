"""`evaluate skab`: the Skoltech Anomaly Benchmark: rows above the limit as outliers, alerts as changepoints.

Alerts of anomalies count as detected changepoints, and those of change points where a recipe has them: either is what
a person would see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from models.evaluation import skab
from models.evaluation.skab import Changepoints, Outliers
from monitor.cli.evaluation.asked import Asked, Job
from monitor.cli.evaluation.measures import Measure, Result, Table
from monitor.cli.evaluation.scored import score_series
from monitor.records.batches import Int64
from monitor.replay.labelled_series import SKAB_LEARNED, Series

BLIND_FROM: Final = 200  # test row from which a blind detector alarms to the end
BLIND_EVERY: Final = 60  # rows from one blind changepoint to the next
PUBLISHED: Final = (  # all 34 files; docs/detection.md says where from
    ("Conv-AE, all 34 files", ".78", "13.6", "28.0", "23.6", "23"),
    ("MSET, all 34 files", ".78", "39.7", "14.1", "", ""),
    ("T-squared+Q, all 34 files", ".76", "26.6", "24.9", "25.4", "232"),
    ("LSTM-AE, all 34 files", ".74", "30.0", "25.9", "", ""),
    ("Isolation forest, all 34 files", ".29", "2.6", "82.9", "26.2", "135"),
    ("MSCRED, all 34 files", "", "", "", "32.4", "342"),
)


@dataclass(frozen=True)
class Found:
    """One file, one seed: rows above the limit, rows of open alerts, and alerts that opened as changepoints."""

    series: str
    recipe: tuple[str, int]
    above: Outliers
    alarmed: Outliers
    points: Changepoints
    opened: Int64
    varied: dict[str, Outliers]  # by what was left out, or by how the limit differs


def judge(job: Job) -> Found:
    """Score one file and compare the rows behind those that were learned from."""
    series = cast("Series", job.what)
    scored = score_series(series, job.recipe, job.seed)
    test = slice(scored.learned, None)
    truth, changes = series.anomalous, np.array(series.changes, np.int64)
    opened = np.union1d(scored.opened, scored.changes)
    opened = opened[opened >= scored.learned]
    verdicts, varied = scored.verdicts, {}
    at = scored.rows_of(verdicts.windows.end)
    ways = {f"{part} removed": verdicts.without(part) for part in verdicts.components}
    ways |= {f"limit × {factor:g}": verdicts.ratio / factor for factor in (0.9, 1.1)}  # noqa: RUF001
    for way, ratio in ways.items():
        flags = np.zeros(series.rows, bool)
        flags[at[ratio > 1]] = True
        varied[way] = skab.outliers(truth[test], flags[test])
    return Found(
        series.name, (scored.recipe, scored.version),
        skab.outliers(truth[test], scored.ratio[test] > 1), skab.outliers(truth[test], scored.alarmed[test]),
        skab.changepoints(series.stamps[changes[changes >= scored.learned]], series.stamps[opened]), opened, varied,
    )  # fmt: skip


def evaluate(asked: Asked, series: Sequence[Series]) -> Result:
    """Score every file with every seed."""
    runs = asked.each(judge, series, "SKAB")
    name, version = runs[0][0].recipe
    tables = [_varied(runs), _beside(series)]
    return Result("skab", name, version, asked.seeds, _measures(runs), tables, _files(runs))


def _measures(runs: Sequence[Sequence[Found]]) -> list[Measure]:
    above = [skab.total_outliers(each.above for each in run) for run in runs]
    alarmed = [skab.total_outliers(each.alarmed for each in run) for run in runs]
    points = [skab.total_changepoints(each.points for each in run) for run in runs]
    measures = [
        Measure("F1, rows above the limit", tuple(each.f1 for each in above), (0.80, 0.84, 0.87), digits=3),
        Measure("false-alarm rate, %", tuple(each.false_alarms for each in above), (20, 20, 20), most=True),
        Measure("missing-alarm rate, %", tuple(each.misses for each in above), (25, 25, 25), most=True),
        Measure("F1, rows of open alerts", tuple(each.f1 for each in alarmed), digits=3),
        Measure("their false-alarm rate, %", tuple(each.false_alarms for each in alarmed)),
        Measure("their missing-alarm rate, %", tuple(each.misses for each in alarmed)),
    ]
    goals = {"standard": (55.0, 70.0, 76.0)}
    measures += [
        Measure(f"changepoints, {profile}", tuple(each.score(profile) for each in points), goals.get(profile, ()))
        for profile in skab.PROFILES
    ]
    files = len(runs[0])
    return [
        *measures,
        Measure("false changepoints a file", tuple(p.false / files for p in points), (1.8, 1.8, 1.8), most=True),
        Measure(f"changepoints missed of {points[0].found + points[0].missed}", tuple(float(p.missed) for p in points)),
        Measure("mean delay of those found, s", tuple(each.mean_delay for each in points)),
    ]


def _varied(runs: Sequence[Sequence[Found]]) -> Table:
    rows = []
    for way in dict.fromkeys(way for run in runs for each in run for way in each.varied):
        sums = [skab.total_outliers(each.varied.get(way, each.above) for each in run) for run in runs]
        f1 = Measure("", tuple(found.f1 for found in sums)).mean
        whole = Measure("", tuple(skab.total_outliers(each.above for each in run).f1 for run in runs)).mean
        far, mar = (np.mean([getattr(found, name) for found in sums]) for name in ("false_alarms", "misses"))
        rows.append((way, f"{f1:.3f}", f"{f1 - whole:+.3f}", f"{far:.1f}", f"{mar:.1f}"))
    return Table(
        "Changed (a part removed: what it added to the score)",
        ("what", "F1", "change", "false alarms, %", "misses, %"),
        tuple(rows),
    )


def _beside(series: Sequence[Series]) -> Table:
    """Published rows, and what alarms are worth that look at nothing: on these files."""
    flags, points = Outliers(), Changepoints()
    for each in series:
        test, changes = np.arange(SKAB_LEARNED, each.rows), np.array(each.changes, np.int64)
        flags += skab.outliers(each.anomalous[test], test >= SKAB_LEARNED + BLIND_FROM)
        points += skab.changepoints(each.stamps[changes[changes >= SKAB_LEARNED]], each.stamps[test[::BLIND_EVERY]])
    blind = (
        (f"blind alarm from test row {BLIND_FROM} on, these files", f"{flags.f1:.2f}", f"{flags.false_alarms:.1f}",
         f"{flags.misses:.1f}", "", ""),
        (f"blind changepoint every {BLIND_EVERY} rows, these files", "", "", "", f"{points.score('standard'):.1f}",
         str(points.false)),
    )  # fmt: skip
    columns = ("detector", "F1", "false alarms, %", "misses, %", "changepoints, standard", "false changepoints")
    return Table("Beside it", columns, (*PUBLISHED, *blind))


def _files(runs: Sequence[Sequence[Found]]) -> list[dict[str, Any]]:
    return [
        {
            "name": seeds[0].series, "opened": [each.opened.tolist() for each in seeds],
            "f1": [round(each.above.f1, 4) for each in seeds], "found": [each.points.found for each in seeds],
            "false": [each.points.false for each in seeds],
        }
        for seeds in zip(*runs, strict=True)
    ]  # fmt: skip
