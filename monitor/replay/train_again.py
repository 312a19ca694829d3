"""Training again while a file is scored: at reading counts, so that the same file always gives the same scores.

As in a worker, but here and now: the rows behind the one at which a training is due wait for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple
from uuid import UUID

import numpy as np

from monitor.alerts.learning import unusual_times
from monitor.alerts.lifecycle import merge_facts
from monitor.errors import ModelError
from monitor.pipeline import loop
from monitor.pipeline.family import Pipeline
from monitor.pipeline.loop import Step
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.scoring.recipe import Recipe
from monitor.pipeline.scoring.sampling import Sampling
from monitor.ports.source import Source
from monitor.ports.store import HistoryBlock
from monitor.records.alerts import Alert
from monitor.records.batches import Poll, Readings
from monitor.replay.learn_rows import MODEL, Learned, normal_scores
from monitor.training import fit
from monitor.training.challenger import decide
from monitor.training.schedule import Schedule
from monitor.training.trial import Model, Trial


class Making(NamedTuple):
    """An untrained detector, and the family's recipe without any history."""

    create: Callable[[], fit.Trainable]
    fresh: Callable[[], Recipe]


class Retrained(NamedTuple):
    """A training behind so many readings of the file; `refused` says why its model does not score, "" = it does."""

    readings: int
    refused: str


class TrainAgain:
    """Processes the polls of a file that has one stream, whose first `learned` readings trained the first model."""

    def __init__(self, pipeline: Pipeline, learned: Learned, making: Making) -> None:
        self._pipeline, self._making, family = pipeline, making, pipeline.family
        self._history: list[fit.Named] = [(pipeline.index.name(code), block) for code, block in learned.blocks]
        first = sum(len(block.time) for _, block in self._history)
        self._schedule = Schedule(first, family.train_every or sys.maxsize)
        self._seen = self._last = first
        self._alerts: dict[UUID, Alert] = {}
        pipeline.sampling = Sampling(first, max(1, min(self._schedule.every // first, 2**30)))
        self.trainings: list[Retrained] = []

    def run(self, source: Source) -> Iterator[tuple[Poll, Iterator[Step]]]:
        """Process the source to its end: each poll with its steps, the last one's ending with the flush."""
        for poll in loop.polls(source):
            flushed = loop.flush({self._pipeline.name: self._pipeline}) if poll.finished else ()
            yield poll, chain(self._process(poll), flushed)

    def _process(self, poll: Poll) -> Iterator[Step]:
        """Run a poll through the pipeline, up to each reading at which a training is due, and from there on."""
        for family, readings in poll.readings.items():
            begin = 0
            while begin < len(readings):
                room = (self._schedule.due_at(self._last) or sys.maxsize) - self._seen
                end = min(begin + min(room, self._pipeline.most), len(readings))
                batch = readings.take(np.arange(begin, end))
                yield Step(family, self._taken(batch), batch)
                begin = end

    def _taken(self, batch: Readings) -> Outcome:
        outcome = self._pipeline.process(batch)
        merged = merge_facts(outcome.facts, self._alerts, {})
        self._alerts |= {each.alert.id: each.alert for each in merged}
        if outcome.sample is not None:
            kept = HistoryBlock(-1, outcome.sample.time, outcome.sample.values)
            self._history.append((self._pipeline.index.name(int(outcome.sample.stream[0])), kept))
        self._seen += len(batch)
        if self._schedule.cause(self._last, self._seen):
            self._train()
        return outcome

    def _train(self) -> None:
        """Train on what was kept; adopt the model unless it does worse than the one that scores."""
        self._last = self._seen
        detector, family = self._pipeline.recipe.detector, self._pipeline.family
        history = list(fit.kept(self._history, family, unusual_times(self._alerts.values())))
        normal = normal_scores(family)
        assert detector.scorer is not None  # noqa: S101 (the first rows have trained one)
        try:
            scorer, profiles = fit.train(family, history, self._making.create, normal)
            champion = Model(MODEL, detector.scorer, detector.known)
            trial = Trial(family, self._making.fresh, history, champion.profiles)
            refused = decide(champion, Model(MODEL, scorer, profiles), trial).refused
        except ModelError as error:
            refused = str(error)
        if not refused:
            self._pipeline.adopt(MODEL, scorer, profiles)
        self.trainings.append(Retrained(self._seen, refused))
