"""Which families a worker is to train again: as their schedule says, or as was asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import structlog

from monitor.pipeline.family import Pipeline
from monitor.ports.trainings import Request, Training, Trainings
from monitor.training.drift import DRIFT
from monitor.training.schedule import DOUBLED, Schedule

log = structlog.get_logger()


class Retraining:
    """Asks for trainings that are due, and claims those that wait: one worker runs each."""

    def __init__(self, trainings: Trainings) -> None:
        self._trainings = trainings
        self._drifted: dict[str, str] = {}

    def note(self, drifted: Mapping[str, str]) -> None:
        """Drifts were found in these families: what was found, in words."""
        self._drifted |= drifted

    def claimed(self, pipelines: Mapping[str, Pipeline], busy: Collection[str]) -> dict[str, int]:
        """The families whose training this worker is to begin now, and the id of each; not of those that are `busy`.

        Called between commits; raises StoreError.
        """
        free = {name: pipeline for name, pipeline in pipelines.items() if name not in busy}
        found, newest = {}, self._trainings.newest(free) if free else {}
        for name, pipeline in free.items():
            training = self._due(pipeline, newest.get(name))
            if training is not None and self._trainings.claim(training.id, pipeline.history_length):
                found[name] = training.id
        return found

    def _due(self, pipeline: Pipeline, newest: Training | None) -> Training | None:
        """The training that is free or due now."""
        if newest is not None and (newest.free or newest.ended is None):
            return newest if newest.free else None
        schedule, seen = Schedule.of(pipeline.family), pipeline.history_length
        if pipeline.scorer is None or not seen:
            return None
        last = schedule.first if newest is None else newest.request.readings
        if newest is not None and last is None:  # by hand: from now on
            self._trainings.measured(newest.id, seen)
            last = seen
        last, drift = max(last or 0, schedule.first), self._drifted.get(pipeline.name, "")
        cause = schedule.cause(last, seen)
        if not cause and drift and seen - last >= schedule.first:  # there is enough that is new
            cause = DRIFT
        if not cause:
            return None
        self._drifted.pop(pipeline.name, None)
        why = "as many as twice the last time" if cause == DOUBLED else f"{schedule.every:,} since the last time"
        note = drift if cause == DRIFT else f"{seen:,} readings of a stream: {why}"
        log.info("training_due", family=pipeline.name, cause=cause, readings=seen)
        return self._trainings.ask(Request(family=pipeline.name, cause=cause, note=note, readings=seen))
