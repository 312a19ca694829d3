"""`evaluate ecg5000`: heartbeats one by one, trained on a share of the normal ones, with two kinds of detectors."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from monitor.cli.evaluation.asked import Asked, Job
from monitor.cli.evaluation.measures import Measure, Result, Table
from monitor.replay.labelled_windows import LabelledWindows

NORMAL: Final = 1  # the label of normal beats
TRAIN_SHARE: Final = 0.8
GOALS: Final = {
    ("dense", "accuracy"): (0.98, 0.985, 0.99), ("dense", "f1"): (0.982, 0.987, 0.991),
    ("dense", "roc_auc"): (0.99, 0.995, 0.998),
    ("lstm", "accuracy"): (0.97, 0.98, 0.985), ("lstm", "roc_auc"): (0.985, 0.99, 0.995),
}  # fmt: skip
PUBLISHED: Final = (
    ("best published accuracy, limit searched on the test set", ".987", ""),
    ("the same, honestly", ".977", ".997"),
)


class Trial(NamedTuple):
    """A kind of detector, and the windows."""

    kind: str
    labelled: LabelledWindows


def judge(job: Job) -> dict[str, Any]:
    """Train one detector and measure it at its default limit."""
    from dataclasses import asdict

    from monitor.cli.evaluate import measure, split_normal

    trial = job.what
    assert isinstance(trial, Trial)  # noqa: S101 (what `evaluate` gives)
    split = split_normal(trial.labelled, NORMAL, TRAIN_SHARE, job.seed)
    return asdict(measure(split, trial.kind, None, classic=False, seed=job.seed).metrics)


def evaluate(asked: Asked, labelled: LabelledWindows) -> Result:
    """Measure both detectors with every seed."""
    kinds = ("dense", "lstm")
    runs = asked.each(judge, [Trial(kind, labelled) for kind in kinds], "ECG5000")
    measures = [
        Measure(f"{kind}, {name}", tuple(run[place][name] for run in runs), GOALS.get((kind, name), ()), digits=4)
        for place, kind in enumerate(kinds)
        for name in ("accuracy", "f1", "precision", "recall", "roc_auc")
    ]
    beside = Table("Beside it", ("detector", "accuracy", "area under the ROC curve"), PUBLISHED)
    return Result("ecg5000", "labelled windows", 1, asked.seeds, measures, [beside])
