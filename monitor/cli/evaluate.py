"""`watchkeeper evaluate`: what a recipe is worth on labelled series, or a detector on labelled windows."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from monitor.cli.evaluation.asked import Asked
from monitor.cli.parameters import bounds
from monitor.cli.parameters.detectors import detector_kind
from monitor.cli.rendering.output import echo, echo_json, terminal
from monitor.errors import RecordError, SettingsError
from monitor.outputs.replacing import refuse_inputs, write_files
from monitor.pipeline.scoring import false_alarms
from monitor.replay.labelled_windows import LabelledWindows, read_labelled

if TYPE_CHECKING:
    from models.evaluation.report import Evaluation

WINDOWS_ONLY = ("normal", "detector", "train_share", "n_std", "classic", "report")
CORPORA_ONLY = ("recipe", "seeds", "jobs", "results", "label")
CLASSIC_N_STD = 1.0
CLASSIC_OPTIONS: dict[str, Any] = {"keep": 1.0}  # learn from every window alike


@dataclass(frozen=True)
class Split:
    """Normal windows to train on, and the test windows with whether each is normal."""

    train: NDArray[np.float32]
    test: NDArray[np.float32]
    normal: NDArray[np.bool_]


def evaluate(  # noqa: PLR0913, PLR0917 (one argument per option)
    context: typer.Context,
    what: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=bounds.path, help="nab, skab, ecg5000, mitbih or drift; or tables with a column of labels (--label)."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            parser=bounds.path,
            envvar="WATCHKEEPER_DATA",
            help="Folder of the corpora; with --normal, windows: .npz (windows or beats, label), .csv, .parquet.",
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(parser=bounds.name, help="How scores become verdicts  [default: as in `score`].")
    ] = None,
    seeds: Annotated[int, typer.Option(parser=bounds.whole(1, 1000), help="How many, from --seed on.")] = 3,
    jobs: Annotated[
        int, typer.Option(parser=bounds.whole(1, 1000), show_default="one a core", help="Processes at a time.")
    ] = os.cpu_count() or 1,
    results: Annotated[
        Path | None,
        typer.Option(parser=bounds.path, help="JSON file: compare with its results of other versions, add these."),
    ] = None,
    label: Annotated[
        str, typer.Option(parser=bounds.name, help="Column of a table: not 0 where a row is anomalous.")
    ] = "anomaly",
    normal: Annotated[
        int | None,
        typer.Option(
            parser=bounds.whole(-(2**63), 2**63 - 1),
            help="Labelled windows: the label of normal ones; every other label is anomalous.",
        ),
    ] = None,
    detector: Annotated[
        str, typer.Option(parser=bounds.name, help="Of labelled windows: kind of detector, such as dense.")
    ] = "dense",
    train_share: Annotated[
        float, typer.Option(parser=bounds.number(0.05, 0.95), help="Share of normal windows to train on.")
    ] = 0.8,
    n_std: Annotated[
        float | None,
        typer.Option(
            parser=bounds.N_STD,
            help="Limit = mean + n_std standard deviations, classic 1  [default: 1 clean window in 500 is above it].",
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
    """Measure the default settings on a public benchmark or labelled files, or a detector on labelled windows.

    A benchmark, or tables of readings with a column of labels: every file is scored from a cold start as `score` does,
    alerts that open are the detections, and figures are means over the seeds, beside published ones.

    Labelled windows (--data FILE --normal LABEL): train on a share of the normal windows, test on the others and on
    every anomalous one. An anomaly is the positive class: recall is the share of the anomalous windows that are found,
    precision the share of anomalous ones among those above the limit. Which normal windows are trained on is a seeded
    shuffle; nothing else is looked at, and training stops by windows held out from its share, not by the test windows.
    """
    _refuse_unused(context, WINDOWS_ONLY if what else CORPORA_ONLY, corpora=bool(what))
    if what:
        asked = Asked(data, recipe, seed, seeds, jobs, quiet=as_json)
        _corpora(what, asked, label, results, as_json=as_json)
        return
    if data is None or normal is None:
        raise SettingsError(
            "name what to evaluate: nab, skab, ecg5000, mitbih, drift or tables; "
            "or labelled windows, with --data FILE and --normal LABEL"
        )
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
        "held_out_above": _above(evaluation, split),
        **asdict(evaluation.metrics),
    }
    if as_json:
        echo_json({**result, "files": [str(file) for file in files]}, indent=2)
    else:
        _show(result, files)


def _refuse_unused(context: typer.Context, names: Collection[str], *, corpora: bool) -> None:
    """Raise SettingsError for an option on the command line that would change nothing."""
    given = [name for name in names if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"]
    if not given:
        return
    option = "--" + given[0].replace("_", "-")
    if corpora:
        raise SettingsError(
            f"{option} goes with labelled windows (--data FILE --normal LABEL); series and tables are judged by the "
            "default detectors: leave it out"
        )
    raise SettingsError(
        f"{option} goes with corpora and tables (nab, skab, ecg5000, mitbih, drift, FILE), not with labelled windows: "
        "leave it out"
    )


def _corpora(what: list[Path], asked: Asked, label: str, kept: Path | None, *, as_json: bool) -> None:
    from monitor.cli.evaluation import corpora, results

    before = [] if kept is None else results.read(kept)
    found = corpora.evaluate(what, asked, label)
    if kept is not None:
        results.keep(kept, before, found)
    if as_json:
        echo_json([result.fields() for result in found], indent=1)
        return
    for result in found:
        results.show(result, results.earlier(result, before))


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
    """Train, score and judge. By default so few clean windows lie above the limit as `false_alarms` says.

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
        clean = detector.training_scores
        limit = false_alarms.limit(clean.mean, clean.std) if n_std is None else clean.limit(n_std)
    scores = detector.score(split.test)
    return Evaluation(detector, split.test, split.normal, scores, limit, judge(scores, split.normal, limit))


def _above(evaluation: Evaluation, split: Split) -> float:
    """Share of the windows held out from the training that lie above the limit: false alarms, as measured."""
    from models.contract import HELD_OUT

    newest = split.train[-max(1, round(HELD_OUT * len(split.train))) :]
    return float((evaluation.detector.score(newest) > evaluation.limit).mean())


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
