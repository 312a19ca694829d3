"""Searches options by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), scored by injected faults.

The windows held out for limits take no part in it: the newest share of the windows to learn from is held out once more,
and a trial is judged by how well it ranks those with faults above the same without. The defaults are the first trial,
and stay where nothing beats them. The best options are then trained as any others are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import models
from models import registry
from models.artefacts.data import Float32, split
from models.contract import Estimator, Fitted
from models.detector import Detector
from models.errors import DependencyError, ModelsError
from models.search.injected import separation
from models.search.spaces import Choice, Space, Whole, space

JUDGED: Final = 1000  # windows, the newest, that a trial is judged by

Make = Callable[[Mapping[str, Any]], Estimator]
Advance = Callable[[int, float], None]


@dataclass(frozen=True)
class Budget:
    """No trial is begun after so many seconds, or trials."""

    seconds: float
    trials: int | None = None


@dataclass(frozen=True)
class Result:
    """What a search found: the `options` that differ from the default ones, {} where none was better.

    `default` and `best` are areas under the ROC curve of injected faults, 0 to 1.
    """

    options: Mapping[str, Any]
    default: float
    best: float
    trials: int


class Search:
    """An `Estimator` that chooses its options before it learns. `result` is None before `fit`."""

    def __init__(self, make: Make, where: Space, seed: int, budget: Budget) -> None:
        self._make, self._space, self._seed, self._budget = make, where, seed, budget
        self.result: Result | None = None

    @property
    def validation(self) -> float:
        """See `Estimator.validation`."""
        return self._make({}).validation

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> Fitted:
        """See `Estimator.fit`; the search comes first."""
        with _bar(progress, self._budget) as advance:
            self.result = self._search(*split(learn, self.validation), advance)
        return self._make(self.result.options).fit(learn, held_out, progress=progress)

    def _search(self, learn: Float32, judged: Float32, advance: Advance) -> Result:
        import optuna

        def value(options: Mapping[str, Any]) -> float:
            try:
                fitted = self._make(options).fit(learn, judged, progress=False)
            except ModelsError:  # these options cannot be trained: a result like any other
                return 0.0
            return separation(fitted.score, judged[-JUDGED:], self._seed)

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=self._seed))
        began, default = time.monotonic(), value({})
        advance(1, default)
        left = self._budget.seconds - (time.monotonic() - began)
        if left > 0 and self._budget.trials != 1:
            study.optimize(
                lambda trial: value(_suggested(trial, self._space)), timeout=left,
                n_trials=None if self._budget.trials is None else self._budget.trials - 1,
                callbacks=[lambda study, _: advance(len(study.trials) + 1, max(default, study.best_value))],
            )  # fmt: skip
        tried = len(study.trials) + 1
        if tried == 1 or study.best_value <= default:
            return Result({}, default, default, tried)
        best = _suggested(optuna.trial.FixedTrial(study.best_params), self._space)
        return Result(best, default, study.best_value, tried)


def detector(
    kind: str,
    shape: tuple[int, int],
    budget: Budget,
    *,
    seed: int = 0,
    scale: bool = True,
    device: str = "auto",
    **options: Any,
) -> tuple[Detector, Search]:
    """As `models.create`, for windows of `shape` (length, channels): a detector that searches when it is fitted.

    `options` that are given stay as they are. The search says what it found, after `fit`. Raises ConfigError where the
    kind has nothing to search, and DependencyError where Optuna is not installed.
    """
    try:
        import optuna  # noqa: F401 (said before the windows are read)
    except ModuleNotFoundError:
        raise DependencyError(
            "a search needs optuna, which is not installed; pip install 'watchkeeper[search]'"
        ) from None
    # what cannot be made is refused before the search
    models.create(kind, length=shape[0], channels=shape[1], seed=seed, device=device, **options)
    where = space(kind, shape[0] * shape[1], list(options))
    search = Search(lambda chosen: registry.estimator(kind, {**options, **chosen}, seed, device), where, seed, budget)
    capabilities = registry.capabilities(kind, options)
    return Detector(kind, capabilities, shape, search, seed=seed, scale=scale), search


def _suggested(trial: Any, where: Space) -> dict[str, Any]:
    """The options of a trial, each in its range."""
    found: dict[str, Any] = {}
    for name, values in where.items():
        if isinstance(values, Choice):
            found[name] = values.values[trial.suggest_categorical(name, list(range(len(values.values))))]
        elif isinstance(values, Whole):
            found[name] = trial.suggest_int(name, values.least, values.most, log=True)
        else:
            found[name] = trial.suggest_float(name, values.least, values.most, log=True)
    return found


@contextmanager
def _bar(progress: bool | None, budget: Budget) -> Iterator[Advance]:
    """Gives what is called after each trial with the number of trials and the best value; shown on a terminal only."""
    if not (sys.stderr.isatty() if progress is None else progress):
        yield lambda _trials, _best: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    text = "searching: {task.fields[trials]} trials, best AUC of injected faults {task.fields[best]:.4f}"
    with Progress(TextColumn(text), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task, began = bar.add_task("", total=budget.seconds, trials=0, best=0.0), time.monotonic()
        yield lambda trials, best: bar.update(task, completed=time.monotonic() - began, trials=trials, best=best)
