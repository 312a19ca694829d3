"""Which corpora there are: each a name, or files with labels, and what evaluates it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from monitor.cli.evaluation.asked import Asked
from monitor.cli.evaluation.measures import Result
from monitor.errors import SettingsError
from monitor.replay import labelled_series
from monitor.replay.labelled_windows import read_labelled


def _nab(asked: Asked) -> Result:
    from monitor.cli.evaluation import nab

    return nab.evaluate(asked, labelled_series.nab(_folder(asked, "nab")))


def _skab(asked: Asked) -> Result:
    from monitor.cli.evaluation import skab

    return skab.evaluate(asked, labelled_series.skab(_folder(asked, "skab")))


def _ecg5000(asked: Asked) -> Result:
    from monitor.cli.evaluation import ecg5000

    return ecg5000.evaluate(asked, read_labelled(_folder(asked, "ecg5000") / "beats.npz"))


def _mitbih(asked: Asked) -> Result:
    from monitor.cli.evaluation import mitbih

    return mitbih.evaluate(asked, mitbih.patients(_folder(asked, "mitbih")))


def _drift(asked: Asked) -> Result:
    from monitor.cli.evaluation import drift

    return drift.evaluate(asked)


CORPORA: Final[dict[str, Callable[[Asked], Result]]] = {
    "nab": _nab, "skab": _skab, "ecg5000": _ecg5000, "mitbih": _mitbih, "drift": _drift,
}  # fmt: skip


def evaluate(what: list[Path], asked: Asked, label: str) -> list[Result]:
    """What the recipe is worth on each of these corpora, and on the files among them, together."""
    from monitor.cli.evaluation import tables

    named = [str(each) for each in what if str(each) in CORPORA]
    files = [each for each in what if str(each) not in CORPORA]
    series = [labelled_series.table_series(each, label) for each in files]
    results = [CORPORA[name](asked) for name in named]
    return [*results, tables.evaluate(asked, series)] if series else results


def _folder(asked: Asked, name: str) -> Path:
    """Of a corpus. Raises SettingsError where it is not there."""
    if asked.folder is None:
        raise SettingsError(f"{name}: --data, or WATCHKEEPER_DATA, names the folder that holds {name}/")
    if not (asked.folder / name).is_dir():
        raise SettingsError(f"--data {asked.folder}: there is no folder {name}/ in it")
    return asked.folder / name
