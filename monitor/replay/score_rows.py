"""Score a file of readings row by row: train on its first rows, run the others through the live pipeline.

The result of a row depends on the rows before it only, and not on how many are read at a time. A row *ends* the
windows that its reading completes; where it brings filled slots with it, an alert that opens on one of them counts as
opened at the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import numpy as np

from monitor.alerts.lifecycle import merge_facts
from monitor.config.families import Family
from monitor.config.resolved import Grid
from monitor.pipeline import loop
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.recipe import Recipe
from monitor.ports.source import Source
from monitor.records.alerts import Alert, Fact
from monitor.records.batches import Int64, Poll
from monitor.replay.learn_rows import Learned, growing_in, learn_rows, learn_steps, prime
from monitor.replay.not_judged import NotJudged
from monitor.replay.row_judge import Columns, Judge
from monitor.replay.train_again import Making, Retrained, TrainAgain
from monitor.training import fit

Steps = Iterator[tuple[Poll, Iterator[loop.Step]]]
TAKEN = 0.01  # share of the training rows that may fall into a slot already taken, on a grid that fits


class RowSource(Source, Protocol):
    """A source over a file: after each poll, `rows` is the table of the rows it read, the unreadable ones too."""

    @property
    def rows(self) -> Any:
        """One row per record of the poll."""
        ...


@dataclass(slots=True)
class Summary:
    """What was found in a file; `states` counts its rows, `alerts` are in the order in which they opened."""

    rows: int = 0
    training_rows: int = 0
    growing: list[str] = field(default_factory=list)  # a sentence for each channel that only grows where it is learned
    garbage: int = 0  # training rows that were left out: they lie absurdly far from the others
    unlearned: tuple[str, ...] = ()  # channels that hardly ever have a value in the training rows: nothing judges them
    states: dict[str, int] = field(default_factory=dict)
    alerts: dict[UUID, Alert] = field(default_factory=dict)
    trainings: list[Retrained] = field(default_factory=list)  # behind the first one
    not_judged: NotJudged = field(default_factory=NotJudged)  # of rows; beats are found, and none is left out
    first: int | None = None  # ns: the first and the last time that was read
    last: int | None = None

    def learned(self, learned: Learned, pipeline: Pipeline) -> None:
        """Note what is to be said of the file's one stream: what was left out, and what only grows."""
        self.growing = growing_in(pipeline, learned.blocks)
        for profile in learned.profiles.values():
            self.garbage += profile.garbage
            names = zip(pipeline.family.channels, profile.learned.tolist(), strict=True)
            self.unlearned += tuple(name for name, known in names if not known)

    def add(self, columns: Columns, facts: list[Fact]) -> None:
        """Count a poll's rows and merge the facts about its alerts."""
        names, counts = np.unique(columns["state"].astype(str), return_counts=True)
        for name, count in zip(names.tolist(), counts.tolist(), strict=True):
            self.states[name] = self.states.get(name, 0) + count
        self.rows += len(columns["state"])
        self.alerts |= {each.alert.id: each.alert for each in merge_facts(facts, self.alerts, {})}


def common_interval(time: Int64) -> int | None:
    """The step between most of the times (ns, in order of arrival), or None where they come irregularly.

    It is the median step, if more than half of the steps equal it and a grid of it has a slot for every time.
    """
    steps = np.diff(time)
    if not len(steps):
        return None
    step = int(np.sort(steps)[len(steps) // 2])
    if step <= 0 or 2 * np.count_nonzero(steps == step) <= len(steps):
        return None
    distinct = np.unique(time)
    taken = len(distinct) - len(np.unique(Grid(step).slots(distinct)))
    return step if taken <= TAKEN * len(distinct) else None


def score_rows(
    source: RowSource,
    first: Poll,
    fresh: Callable[[], Pipeline],
    create: Callable[[], fit.Trainable],
    write: Callable[[Any, Columns], None],
    recipe: Callable[[], Recipe] | None = None,
) -> Summary:
    """Train on the rows of `first`, then judge every other row of `source`.

    A recipe whose companions need no model judges the rows of `first` too. `fresh` makes a pipeline over the source's
    streams, whose family has `lateness` 0; `create` an untrained detector.
    `write` is called with the rows of each poll and their columns, as `Judge` gives them.
    With `recipe`, the family's without any history, it trains again as the family's schedule says.
    Raises ModelError when there is too little to learn from.
    """
    gridding, pipeline = fresh(), fresh()
    judge, summary = Judge(pipeline.family.grid), _summary(pipeline.family, first)
    if pipeline.family.judges_parts:
        making = None if recipe is None else Making(create, recipe)
        return _judge_rows(judge, _covered(pipeline, source, first, create, summary, making), source, summary, write)
    columns = judge.learned(first)
    summary.not_judged.learned(first)
    summary.add(columns, [])
    write(source.rows, columns)
    learned = learn_rows(pipeline, gridding, first, create)
    summary.learned(learned, pipeline)
    judge.follow(prime(pipeline, gridding, learned.blocks))
    summary.alerts |= judge.begin(learned.facts)
    if recipe is None:
        return _judge_rows(judge, loop.run(source, {pipeline.name: pipeline}), source, summary, write)
    again = TrainAgain(pipeline, learned, Making(create, recipe))
    _judge_rows(judge, again.run(source), source, summary, write)
    summary.trainings = again.trainings
    return summary


def score_other_rows(
    source: RowSource,
    learned: Poll,
    fresh: Callable[[], Pipeline],
    create: Callable[[], fit.Trainable],
    write: Callable[[Any, Columns], None],
) -> Summary:
    """Train on the rows of `learned`, which are from another file, then judge every row of `source`.

    As `score_rows` otherwise, but that no window reaches back into the training rows.
    """
    pipeline = fresh()
    family = pipeline.family
    warm_up = family.shape.length - 1 if family.window.rules.consecutive and not family.judges_parts else 0
    judge, summary = Judge(family.grid, warm_up), _summary(family, learned)
    summary.learned(learn_rows(pipeline, fresh(), learned, create), pipeline)
    return _judge_rows(judge, loop.run(source, {pipeline.name: pipeline}), source, summary, write)


def _summary(family: Family, learned: Poll) -> Summary:
    missed = NotJudged(family.shape.length if family.window.rules.consecutive else 1, family.grid.interval)
    return Summary(training_rows=learned.records, not_judged=missed)


def _covered(
    pipeline: Pipeline,
    source: RowSource,
    first: Poll,
    create: Callable[[], fit.Trainable],
    summary: Summary,
    making: Making | None,
) -> Steps:
    """Every poll with its steps, from the training rows on; after those, the pipeline has its model."""
    steps = list(loop.process(first, {pipeline.name: pipeline}))
    learned = learn_steps(pipeline, steps, first, create)
    summary.learned(learned, pipeline)
    yield first, iter(steps)
    if making is None:
        yield from loop.run(source, {pipeline.name: pipeline})
    else:
        again = TrainAgain(pipeline, learned, making)
        summary.trainings = again.trainings
        yield from again.run(source)


def _judge_rows(
    judge: Judge, polls: Steps, source: RowSource, summary: Summary, write: Callable[[Any, Columns], None]
) -> Summary:
    waiting: list[tuple[Poll, Any, Columns, list[Fact]]] = []  # from the poll on that has an open row
    for poll, steps in polls:
        columns, alerts = judge.judge(poll, [step.outcome for step in steps])
        waiting.append((poll, source.rows, columns, alerts))
        if judge.decided:
            for read, rows, found, facts in waiting:
                summary.not_judged.add(read, found["state"])
                summary.add(found, facts)
                write(rows, found)
            waiting.clear()
    return summary
