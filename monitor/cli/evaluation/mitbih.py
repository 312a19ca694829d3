"""`evaluate mitbih`: premature beats of continuous ECGs, after five unlabelled minutes of each patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from models.evaluation.beats import Beats, Record, compare
from monitor.cli.evaluation.asked import Asked, Job
from monitor.cli.evaluation.measures import Measure, Result
from monitor.cli.score_family import family_for
from monitor.errors import RecordError
from monitor.records.batches import Float64, Int64
from monitor.replay.row_judge import ANOMALY

if TYPE_CHECKING:
    from monitor.records.alerts import Alert
    from monitor.replay.row_judge import Columns

LEARNED: Final = 300  # s
SICK: Final = 50  # premature beats from which precision and recall mean something
NEAR: Final = 0.15  # s from an alert's opening to the mark of the beat that it is about


@dataclass(frozen=True)
class Found:
    """One record, one seed: all its beats, those judged after the learned part, and the alerts that opened there."""

    record: str
    recipe: tuple[str, int]
    peaks: Beats
    beats: Beats
    alerts: int
    false_alerts: int
    minutes: float
    others: dict[str, int]


@dataclass(frozen=True)
class Patient:
    """A record of the MIT-BIH Arrhythmia Database: `ecg_mv`, and what cardiologists marked."""

    path: Path

    def read(self) -> tuple[Float64, Record]:
        """The lead in mV and the marks. Raises RecordError."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                marks = Record(file["beats"], file["pvc"], int(file["rate_hz"]))
                return np.asarray(file["ecg_mv"], np.float64), marks
        except (OSError, ValueError, KeyError) as error:
            raise RecordError(f"{self.path} cannot be read as an ECG with marks: {error}") from None


def patients(folder: Path) -> list[Patient]:
    """The records of a folder. Raises RecordError where there is none."""
    found = [Patient(path) for path in sorted(folder.glob("*.npz"))]
    if not found:
        raise RecordError(f"{folder} holds no .npz records; --data names the folder that holds mitbih/")
    return found


def judge(job: Job) -> Found:
    """Score one record beat by beat."""
    patient = cast("Patient", job.what)
    lead, record = patient.read()
    recipe, rows, alerts = _score(lead, record.rate, job)
    sample, ratio = (np.concatenate([each[name] for each in rows]) for name in ("sample", "ratio"))
    start = LEARNED * 10**9
    opened = np.array([a.opened_at for a in alerts if a.kind == ANOMALY and a.opened_at >= start], np.int64)
    premature = np.asarray(record.premature, np.int64) / record.rate
    near = [bool((np.abs(premature - at / 1e9) <= NEAR).any()) for at in opened.tolist()]
    return Found(
        patient.path.stem, recipe, compare(record, sample, ratio), compare(record, sample, ratio, LEARNED),
        len(near), near.count(False), (len(lead) / record.rate - LEARNED) / 60,
        dict(Counter(alert.kind for alert in alerts if alert.kind != ANOMALY)),
    )  # fmt: skip


def _score(lead: Float64, rate: int, job: Job) -> tuple[tuple[str, int], list[dict[str, Any]], list[Alert]]:
    """Recipe, the samples and ratios of beats, and the alerts: as `score --window beat --rate` finds them."""
    import pandas as pd

    from monitor import bootstrap
    from monitor.records.streams import StreamIndex
    from monitor.replay.score_beats import score_beats
    from monitor.sources.files.source import FileColumns, FileSource

    rows: list[dict[str, Any]] = []

    def write(row: Int64, _time: Int64, columns: Columns) -> None:
        rows.append({"sample": row, "ratio": columns["ratio"]})

    with TemporaryDirectory() as folder:
        path = Path(folder) / "ecg.parquet"
        pd.DataFrame({"ecg": lead}).to_parquet(path)
        columns, index = FileColumns(values=("ecg",), rate=float(rate), stream="file"), StreamIndex()
        source = FileSource(path, columns, index, first_rows=LEARNED * rate)
        try:
            first = source.poll(0.0)
            tuned: dict[str, Any] = dict.fromkeys(("interval", "detector", "n-std"))
            tuned |= {"window": "beat", "seed": job.seed, "recipe": job.recipe}
            family = family_for(columns, next(iter(first.readings.values())).time, tuned)
            pipeline = bootstrap.pipeline("file", family, "file", index)
            create = partial(bootstrap.detector, family)
            summary = score_beats(source, first, pipeline, create, bootstrap.normal_scores(), write)
        finally:
            source.close()
    return (pipeline.recipe.name, pipeline.recipe.version), rows, list(summary.alerts.values())


def evaluate(asked: Asked, records: Sequence[Patient]) -> Result:
    """Score every record with every seed."""
    runs = asked.each(judge, records, "MIT-BIH")
    name, version = runs[0][0].recipe
    measures = [measure for seeds in zip(*runs, strict=True) for measure in _measures(seeds)]
    pooled = [_pooled(run) for run in runs]
    measures += [
        Measure("R-peaks, sensitivity", tuple(each[0] for each in pooled), (0.9985,), digits=4),
        Measure("R-peaks, positive predictivity", tuple(each[1] for each in pooled), (0.9985,), digits=4),
    ]
    files = [{"name": each.record, "health": each.others, "alerts": each.alerts} for each in runs[0]]
    return Result("mitbih", name, version, asked.seeds, measures, files=files)


def _measures(seeds: Sequence[Found]) -> list[Measure]:
    def of(value: Callable[[Found], float]) -> tuple[float, ...]:
        return tuple(value(each) for each in seeds)

    name, goals = seeds[0].record, (0.95, 0.98, 0.99)
    if seeds[0].beats.premature < SICK:
        return [
            Measure(
                f"{name}, false beat alerts in 10 min",
                of(lambda f: 10 * f.false_alerts / f.minutes),
                (1, 0.5, 0),
                most=True,
                digits=2,
            ),
            Measure(
                f"{name}, beats falsely above the limit in 10 min",
                of(lambda f: 10 * (f.beats.alarms - f.beats.true_alarms) / f.minutes),
                most=True,
                digits=2,
            ),
        ]
    return [
        Measure(f"{name}, precision of premature beats", of(lambda f: f.beats.precision), goals, digits=3),
        Measure(f"{name}, recall of premature beats", of(lambda f: f.beats.recall), goals, digits=3),
        Measure(f"{name}, area under the ROC curve", of(lambda f: f.beats.auc), (0.995,), digits=4),
    ]


def _pooled(run: Sequence[Found]) -> tuple[float, float]:
    """Sensitivity and positive predictivity of R-peaks over all records."""
    marks, found, matched = (sum(getattr(each.peaks, name) for each in run) for name in ("marks", "found", "matched"))
    return matched / max(marks, 1), matched / max(found, 1)
