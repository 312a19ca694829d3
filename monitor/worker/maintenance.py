"""Which maintenance a worker goes by: that of the settings, and what people have entered in the database meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from monitor.maintenance.calendar import Calendar
from monitor.pipeline.family import Pipeline
from monitor.ports.maintenance import Maintenances
from monitor.ports.store import Announce
from monitor.records.maintenance import Maintenance, Muting
from monitor.worker.model_provider import Models

log = structlog.get_logger()

LOOK_S = 5.0  # how often the database is asked


class Upkeep:
    """Gives pipelines their maintenance whenever they are given models: it stands before `models`, as one of those.

    `announces`: the run notifies, so that there is something to withhold. A replay goes by what there was when it began
    (`every`: infinite), so that it can be repeated.
    """

    def __init__(
        self,
        models: Models,
        entered: Maintenances,
        planned: Sequence[Maintenance],
        *,
        announces: bool,
        every: float = LOOK_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models, self._entered, self._planned = models, entered, list(planned)
        self._announces, self._every, self._clock = announces, every, clock
        self._calendar: Calendar | None = None
        self._look = self._release = 0.0
        self._reviewed = False  # what is withheld, by this calendar

    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Have the pipelines go by the newest maintenance, then by the newest models; see `Models`."""
        if self._calendar is None or self._clock() >= self._look:
            self._look = self._clock() + self._every
            self._follow(pipelines, [*self._planned, *self._entered.windows()])
        self._models.refresh(pipelines)

    def request(self, pipeline: Pipeline, stream_ids: Mapping[str, int]) -> None:
        """See `Models`."""
        self._models.request(pipeline, stream_ids)

    def trains(self, family: str) -> bool:
        """See `Models`."""
        return self._models.trains(family)

    @property
    def holding(self) -> bool:
        """See `Models`."""
        return self._models.holding

    @property
    def muting(self) -> Muting | None:
        """What is withheld of alerts; None where that is nothing at any time."""
        calendar = self._calendar
        return calendar.muted if self._announces and calendar is not None and calendar.mutes else None

    @property
    def release_due(self) -> bool:
        """Whether to ask for what was withheld: every few seconds, where the run notifies."""
        return self._announces and self._clock() >= self._release

    def release(self, run: str, announce: Announce, now: int) -> None:
        """Announce what is no longer withheld at `now`, ns. Called between commits; raises StoreError."""
        self._release = self._clock() + LOOK_S
        calendar = self._calendar or Calendar()
        if not self._reviewed:  # the maintenance by which it was withheld may not be planned any more
            self._entered.review(run)
            self._reviewed = True
        if released := self._entered.release(run, now, calendar.muted, announce):
            log.info("withheld_alerts_announced", alerts=released, reason="their maintenance is over")

    def _follow(self, pipelines: Mapping[str, Pipeline], maintenance: list[Maintenance]) -> None:
        if self._calendar is not None and list(self._calendar.of) == maintenance:
            return
        if maintenance or self._calendar is not None:
            log.info("maintenance_changed", in_force=len([each for each in maintenance if each.over is None]))
        self._calendar, self._reviewed = Calendar(maintenance), False
        for pipeline in pipelines.values():
            pipeline.maintenance.follow(self._calendar)
