"""`watchkeeper evaluate`: train a detector on normal windows of a labelled file and measure it on the rest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from monitor.cli.parameters import bounds
from monitor.cli.parameters.detectors import detector_kind
from monitor.cli.rendering.output import echo, echo_json, terminal
from monitor.config.families import Threshold
from monitor.errors import RecordError
from monitor.outputs.replacing import refuse_inputs, write_files
from monitor.replay.labelled_windows import LabelledWindows, read_labelled

if TYPE_CHECKING:
    from models.evaluation.report import Evaluation

CLASSIC_N_STD = 1.0
CLASSIC_OPTIONS: dict[str, Any] = {"keep": 1.0}  # learn from every window alike


@dataclass(frozen=True)
class Split:
    """Normal windows to train on, and the test windows with whether each is normal."""

    train: NDArray[np.float32]
    test: NDArray[np.float32]
    normal: NDArray[np.bool_]


def evaluate(  # noqa: PLR0913, PLR0917 (one argument per option)
    data: Annotated[
        Path, typer.Option(parser=bounds.path, help="Labelled windows: .npz (windows or beats, label), .csv, .parquet.")
    ],
    normal: Annotated[
        int,
        typer.Option(
            parser=bounds.whole(-(2**63), 2**63 - 1),
            help="The label of normal windows; every other label is anomalous.",
        ),
    ],
    detector: Annotated[str, typer.Option(parser=bounds.name, help="Kind of detector, such as dense.")] = "dense",
    train_share: Annotated[
        float, typer.Option(parser=bounds.number(0.05, 0.95), help="Share of normal windows to train on.")
    ] = 0.8,
    n_std: Annotated[
        float | None,
        typer.Option(
            parser=bounds.N_STD, help=f"Limit = mean + n_std standard deviations ({Threshold().n_std:g}, classic 1)."
        ),
    ] = None,
    classic: Annotated[
        bool, typer.Option("--classic", help="Plain training; limit = mean + 1 std of the training errors.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(parser=bounds.path, help="Folder for PNG pictures and an HTML page.")
    ] = None,
    seed: Annotated[int, typer.Option(parser=bounds.SEED, help="Seed of the split and of the training.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Train on a share of the normal windows, test on the others and on every anomalous one.

    An anomaly is the positive class: recall is the share of the anomalous windows that are found, precision the share
    of anomalous ones among those above the limit. Which normal windows are trained on is a seeded shuffle; nothing else
    is looked at, and training stops by windows held out from its own share, never by the test windows.
    """
    import models

    kind = detector_kind(detector)
    split = split_normal(read_labelled(data), normal, train_share, seed)
    try:
        evaluation = measure(split, kind, n_std, classic=classic, seed=seed)
    except (models.DataError, models.ShapeError) as error:
        raise RecordError(f"{data}: {error}") from error
    files = _report(evaluation, report, data) if report else []
    result = {
        "detector": detector,
        "recipe": "classic" if classic else "default",
        "positive": "anomaly",
        "train_windows": len(split.train),
        "test_normal": int(split.normal.sum()),
        "test_anomalous": int((~split.normal).sum()),
        "limit": evaluation.limit,
        **asdict(evaluation.metrics),
    }
    if as_json:
        echo_json({**result, "files": [str(file) for file in files]}, indent=2)
    else:
        _show(result, files)


def split_normal(labelled: LabelledWindows, normal: int, train_share: float, seed: int) -> Split:
    """Shuffle the normal windows (seeded) and train on the first `train_share` of them."""
    is_normal = labelled.label == normal
    if not is_normal.any() or is_normal.all():
        found = ", ".join(map(str, np.unique(labelled.label)[:10]))
        raise RecordError(f"--normal {normal}: normal and other windows are both needed; the labels are {found}")
    shuffled = np.random.default_rng(seed).permutation(np.flatnonzero(is_normal))
    cut = round(train_share * len(shuffled))
    test = np.concatenate([shuffled[cut:], np.flatnonzero(~is_normal)])
    return Split(labelled.windows[shuffled[:cut]], labelled.windows[test], is_normal[test])


def measure(split: Split, kind: str, n_std: float | None, *, classic: bool, seed: int) -> Evaluation:
    """Train, score and judge. The default limit comes from the clean mode of held-out scores.

    The classic one is mean + n_std standard deviations of the mean squared error of everything trained on; a score is
    the root of that error.
    """
    import models
    from models.evaluation.metrics import evaluate as judge
    from models.evaluation.report import Evaluation

    _, length, channels = split.train.shape
    options = CLASSIC_OPTIONS if classic else {}
    detector = models.create(kind, length=length, channels=channels, seed=seed, **options).fit(split.train)
    if classic:
        errors = detector.score(split.train).astype(np.float64) ** 2
        limit = float(np.sqrt(errors.mean() + (CLASSIC_N_STD if n_std is None else n_std) * errors.std()))
    else:
        limit = detector.training_scores.limit(Threshold().n_std if n_std is None else n_std)
    scores = detector.score(split.test)
    return Evaluation(detector, split.test, split.normal, scores, limit, judge(scores, split.normal, limit))


def _report(evaluation: Evaluation, folder: Path, data: Path) -> list[Path]:
    from models.evaluation.report import files

    bodies = files(evaluation)
    for name in bodies:
        refuse_inputs("--report", folder / name, [data])
    return write_files(folder, bodies)


def _show(result: dict[str, Any], files: list[Path]) -> None:
    table = Table()
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name, value in result.items():
        if isinstance(value, float):
            table.add_row(name, f"{value:.4f}")
    echo(f"{result['detector']}, {result['recipe']} recipe; anomaly is the positive class")
    terminal().print(table)
    echo(
        f"trained on {result['train_windows']} normal windows, tested on {result['test_normal']} normal and "
        f"{result['test_anomalous']} anomalous ones"
    )
    for file in files:
        echo(f"wrote {file}")
