"""`evaluate FILE ...`: tables of readings with a column that says which rows are anomalous."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from models.evaluation.nab import PROFILES, Labels, Tally, tally, total
from models.evaluation.skab import Outliers, outliers, total_outliers
from monitor.cli.evaluation.asked import Asked, Job
from monitor.cli.evaluation.measures import Measure, Result, Table
from monitor.cli.evaluation.scored import score_series
from monitor.records.batches import Int64
from monitor.replay.labelled_series import Series


@dataclass(frozen=True)
class Found:
    """One file, one seed: alerts as detections of windows, and rows above the limit as outliers."""

    series: str
    recipe: tuple[str, int]
    learned: int
    opened: Int64
    tally: Tally
    rows: Outliers
    others: dict[str, int]


def judge(job: Job) -> Found:
    """Score one file."""
    series = cast("Series", job.what)
    scored = score_series(series, job.recipe, job.seed)
    test = slice(scored.learned, None)
    return Found(
        series.name, (scored.recipe, scored.version), scored.learned, scored.opened,
        tally(Labels(series.rows, series.windows), scored.opened),
        outliers(series.anomalous[test], scored.ratio[test] > 1), scored.others,
    )  # fmt: skip


def evaluate(asked: Asked, series: Sequence[Series]) -> Result:
    """Score every file with every seed."""
    runs = asked.each(judge, series, "files")
    name, version = runs[0][0].recipe
    sums = [total(each.tally for each in run) for run in runs]
    rows = [total_outliers(each.rows for each in run) for run in runs]
    measures = [
        Measure(f"windows hit of {sums[0].windows}", tuple(float(each.hits) for each in sums)),
        Measure("false alerts", tuple(float(each.false) for each in sums)),
        *(Measure(f"NAB, {profile}", tuple(each.score(profile) for each in sums)) for profile in PROFILES),
        Measure("F1, rows above the limit", tuple(each.f1 for each in rows), digits=3),
        Measure("false-alarm rate, %", tuple(each.false_alarms for each in rows)),
        Measure("missing-alarm rate, %", tuple(each.misses for each in rows)),
    ]
    files = [_file(seeds) for seeds in zip(*runs, strict=True)]
    lines = tuple(
        (file["name"], f"{file['learned']:,}", str(file["windows"]), str(file["hits"][0]), str(file["false"][0]))
        for file in files
    )
    table = Table("By file, first seed", ("file", "rows learned from", "windows", "hit", "false alerts"), lines)
    return Result("files", name, version, asked.seeds, measures, [table], files)


def _file(seeds: Sequence[Found]) -> dict[str, Any]:
    return {
        "name": seeds[0].series, "learned": seeds[0].learned, "windows": seeds[0].tally.windows,
        "opened": [each.opened.tolist() for each in seeds], "hits": [each.tally.hits for each in seeds],
        "false": [each.tally.false for each in seeds], "health": dict(seeds[0].others),
    }  # fmt: skip
