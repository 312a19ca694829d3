"""`evaluate nab`: the Numenta Anomaly Benchmark, with alerts that opened as detections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final, cast

import numpy as np

from models.evaluation.nab import PROFILES, Labels, Tally, blind, tally, total
from monitor.cli.evaluation.asked import Asked, Job
from monitor.cli.evaluation.measures import Measure, Result, Table
from monitor.cli.evaluation.recorded import Ratio
from monitor.cli.evaluation.scored import Scored, score_series
from monitor.config.durations import Span
from monitor.pipeline.scoring.mixture import DETECTOR
from monitor.records.batches import Int64
from monitor.replay.labelled_series import Series

FACTORS: Final = (0.9, *(1.1**power for power in range(-12, 6)))  # of the limit; 1.0 and 1.1 are among them
AS_IS: Final = "nothing"
OURS: Final = 63  # windows of the part of the corpus that the goals of counts are meant for
MACHINE: Final = "machine_temperature_system_failure"
EVERY: Final = range(100, 1001, 100)  # rows from one blind alarm to the next
GOALS: Final = {"standard": (70, 74, 78), "low_fp": (63, 67, 72), "low_fn": (74, 78, 83)}
PUBLISHED: Final = (  # docs/detection.md says where from
    ("ARTime, 31 files, best limit for them", "73.1", "64.7", "78.4"),
    ("Numenta HTM, 31 files, best limit for them", "71.0", "64.4", "74.8"),
    ("ARTime, all 58 files", "74.9", "65.2", "80.4"),
    ("Numenta HTM, all 58 files", "70.1", "63.1", "74.3"),
    ("CAD-OSE, all 58 files", "69.9", "67.0", "73.2"),
    ("kNN-CAD, all 58 files", "58.0", "43.4", "64.8"),
    ("random cut forest, all 58 files", "51.7", "38.4", "59.7"),
    ("windowed Gaussian, all 58 files", "39.6", "20.9", "47.4"),
)


@dataclass(frozen=True)
class Found:
    """One series, one seed: alerts, and their tallies by what was left out and by the factor of the limit.

    `repeats`: the product's alerts are those that open again from what was recorded.
    """

    series: str
    group: str
    recipe: tuple[str, int]
    learned: int
    opened: Int64
    others: Mapping[str, int]
    tally: Tally
    varied: Mapping[str, Mapping[float, Tally]]
    repeats: bool


def judge(job: Job) -> Found:
    """Score one series and vary what was said of it."""
    series = cast("Series", job.what)
    scored, labels = score_series(series, job.recipe, job.seed), Labels(series.rows, series.windows)
    ratio = scored.verdicts.ratio
    ways: dict[str, Callable[[float], Int64]] = {AS_IS: lambda factor: scored.reopened(ratio / factor)}
    for part in scored.verdicts.components:
        ways[part] = _by(scored, scored.verdicts.without(part))
    if DETECTOR in scored.verdicts.components:
        ways[f"all but the {DETECTOR}"] = _by(scored, scored.verdicts.alone(DETECTOR))
    ways["refractory period"] = lambda factor: scored.reopened(ratio / factor, quiet_after=Span(count=0))
    ways["alert budget"] = lambda factor: scored.reopened(ratio / factor, rise=0.0, budget=None)
    varied = {way: {factor: tally(labels, again(factor)) for factor in FACTORS} for way, again in ways.items()}
    return Found(
        series.name, series.group, (scored.recipe, scored.version), scored.learned, scored.opened, scored.others,
        tally(labels, scored.opened), varied, np.array_equal(scored.opened, scored.reopened(ratio)),
    )  # fmt: skip


def _by(scored: Scored, ratio: Ratio) -> Callable[[float], Int64]:
    return lambda factor: scored.reopened(ratio / factor)


def evaluate(asked: Asked, series: Sequence[Series]) -> Result:
    """Score every series with every seed."""
    runs = asked.each(judge, series, "NAB")
    name, version = runs[0][0].recipe
    labels = [Labels(each.rows, each.windows) for each in series]
    tables = [_categories(runs), _ablations(runs), _limits(runs), _beside(labels)]
    return Result("nab", name, version, asked.seeds, _measures(runs), tables, _files(runs))


def _measures(runs: Sequence[Sequence[Found]]) -> list[Measure]:
    sums = [total(each.tally for each in run) for run in runs]
    ours = sums[0].labelled == OURS
    scores = {profile: tuple(found.score(profile) for found in sums) for profile in PROFILES}
    measures = [Measure(profile, scores[profile], GOALS[profile]) for profile in PROFILES]
    alone = f"all but the {DETECTOR}"
    if alone in runs[0][0].varied:
        best = _best([_varied(run, alone) for run in runs])
        measures.append(Measure("standard, detector alone, best limit", best[1], (60, 64, 68)))
    quiet = [[len(each.opened) for each in run if not each.tally.labelled] for run in runs]
    machine = [total(each.tally for each in run if MACHINE in each.series) for run in runs]
    by_factor = [_varied(run, AS_IS) for run in runs]
    lost = [found[1.0] - min(found[0.9], found[1.1]) for found in by_factor]
    measures += [
        Measure("false-positive rows", tuple(found.false for found in sums), (90, 60, 45) if ours else (), most=True),
        Measure(f"windows hit of {sums[0].windows}", tuple(found.hits for found in sums), (51, 54, 57) if ours else ()),
        Measure("alerts in files without anomaly", tuple(map(sum, quiet)), (0, 0, 0), most=True, digits=0),
        Measure("standard lost with the limit 10 % off", tuple(lost), (6, 3, 2), most=True),
        Measure("standard, spread over seeds", (Measure("", scores["standard"]).spread,), (1, 0.7, 0.5), most=True),
        Measure("standard, limit of the other categories", tuple(map(_left_out, runs))),
        Measure("alerts of stream health", tuple(sum(sum(f.others.values()) for f in run) for run in runs), digits=0),
    ]
    if machine[0].labelled:
        measures.append(
            Measure("machine_temperature, standard", tuple(m.score("standard") for m in machine), (65, 80, 90))
        )
        measures.append(Measure("machine_temperature, windows", tuple(float(m.hits) for m in machine), (3, 4, 4)))
    return measures


def _varied(run: Sequence[Found], way: str) -> dict[float, float]:
    """Standard score by factor of the limit; series that lack a part are taken as they are."""
    return {
        factor: total(each.varied.get(way, each.varied[AS_IS])[factor] for each in run).score("standard")
        for factor in FACTORS
    }


def _best(by_factor: Sequence[Mapping[float, float]]) -> tuple[float, tuple[float, ...]]:
    """The factor that is best for the mean of all seeds, and each seed's score with it."""
    best = max(FACTORS, key=lambda factor: sum(found[factor] for found in by_factor))
    return best, tuple(found[best] for found in by_factor)


def _left_out(run: Sequence[Found]) -> float:
    """Standard score with the limit of each category chosen by all others."""
    whole = Tally()
    for group in dict.fromkeys(each.group for each in run):
        others = _varied([each for each in run if each.group != group], AS_IS)
        factor = max(FACTORS, key=others.__getitem__)
        whole += total(each.varied[AS_IS][factor] for each in run if each.group == group)
    return whole.score("standard")


def _categories(runs: Sequence[Sequence[Found]]) -> Table:
    rows = []
    for group in dict.fromkeys(each.group for each in runs[0]):
        sums = [total(each.tally for each in run if each.group == group) for run in runs]
        score = Measure("", tuple(found.score("standard") for found in sums))
        hits, false = (Measure("", tuple(float(getattr(found, name)) for found in sums)) for name in ("hits", "false"))
        rows.append((group, score.text(score.mean), f"{hits.mean:.1f} of {sums[0].windows}", f"{false.mean:.1f}"))
    return Table("By category", ("category", "standard", "windows hit", "false-positive rows"), tuple(rows))


def _ablations(runs: Sequence[Sequence[Found]]) -> Table:
    """Each part removed: the standard score at the same limit, and at the best one for what is left."""
    whole = _best([_varied(run, AS_IS) for run in runs])
    at_1 = Measure("", tuple(_varied(run, AS_IS)[1.0] for run in runs))
    rows = []
    for way in dict.fromkeys(way for run in runs for each in run for way in each.varied):
        varied = [_varied(run, way) for run in runs]
        same, (factor, best) = Measure("", tuple(found[1.0] for found in varied)), _best(varied)
        at_best = Measure("", best).mean
        rows.append((
            way, f"{same.mean:.1f}", f"{same.mean - at_1.mean:+.1f}", f"{at_best:.1f}",
            f"{at_best - Measure('', whole[1]).mean:+.1f}", f"{factor:.2f}",
        ))  # fmt: skip
    exact, count = sum(each.repeats for run in runs for each in run), sum(map(len, runs))
    title = f"Removed (standard score; the recorded parts repeat the alerts of {exact} of {count} scorings exactly)"
    columns = ("removed", "same limit", "change", "best limit", "change", "limit times")
    return Table(title, columns, tuple(rows))


def _limits(runs: Sequence[Sequence[Found]]) -> Table:
    """What other limits would have given."""
    rows = []
    for factor in sorted(FACTORS):
        sums = [total(each.varied[AS_IS][factor] for each in run) for run in runs]
        scores = (fmean(found.score(profile) for found in sums) for profile in PROFILES)
        counts = (fmean(found.hits for found in sums), fmean(found.false for found in sums))
        rows.append((f"{factor:.2f}", *(f"{figure:.1f}" for figure in (*scores, *counts))))
    return Table("Limit moved", ("limit times", *PROFILES, "windows hit", "false-positive rows"), tuple(rows))


def _beside(labels: Sequence[Labels]) -> Table:
    every = max(EVERY, key=lambda rows: blind(labels, rows).score("standard"))
    alarms = blind(labels, every)
    row = (f"blind alarm every {every} rows, these files", *(f"{alarms.score(profile):.1f}" for profile in PROFILES))
    return Table("Beside it", ("detector", *PROFILES), (*PUBLISHED, row))


def _files(runs: Sequence[Sequence[Found]]) -> list[dict[str, Any]]:
    return [
        {
            "name": seeds[0].series, "learned": seeds[0].learned, "windows": seeds[0].tally.windows,
            "opened": [each.opened.tolist() for each in seeds], "hits": [each.tally.hits for each in seeds],
            "false": [each.tally.false for each in seeds], "health": dict(seeds[0].others),
        }
        for seeds in zip(*runs, strict=True)
    ]  # fmt: skip
