"""Which model scores a family: found in the registry, loaded, and trained where there is none yet."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from monitor.errors import MisfitError, ModelError, MonitorError
from monitor.pipeline.family import Pipeline
from monitor.ports.models import ModelRow
from monitor.ports.scorer import Scorer
from monitor.ports.store import Store
from monitor.ports.trainings import Progress
from monitor.training import fit
from monitor.training.left_out_log import log_left_out
from monitor.training.model_library import ModelLibrary, other_detector
from monitor.training.retraining import Retraining

log = structlog.get_logger()

LOOK_S = 5.0  # how often the registry is asked for another champion
AGAIN_S = 300.0  # after a training, a model or an enrolment that failed
PACKED_AT_ONCE = 20  # streams in one transaction: a fraction of a second, for which workers wait
LOG_S = 15.0  # how often a running training is logged


class Job(Protocol):
    """A running training, as `subprocess.Popen` is one."""

    def poll(self) -> int | None:
        """Exit code, or None while it is running."""
        ...


@dataclass(slots=True)
class _Family:
    job: Job | None = None
    began: float = 0.0
    next_log: float = 0.0  # when to log again that it is running
    not_before: float = 0.0
    training: int | None = None  # the id of the one that was asked for
    waiting: dict[str, int] = field(default_factory=dict)  # streams that asked for a model: name to store id


@dataclass(frozen=True, slots=True)
class Refused:
    """A champion that could not be loaded: why, and when to try it again (monotonic)."""

    model: str
    error: str
    again: float


class Champions:
    """Serves the runner with models. `start` begins to train a family from the history in the store; `again`, where
    that is asked for by a training of this id, a challenger of its champion.

    A champion that cannot be loaded changes nothing: the family is scored as before, by its old model or by the
    cold-start statistic. That is logged and noted in the model's life once, and tried again every few minutes.
    One that was trained for other windows, as the settings have changed since, is replaced: cold start covers the
    family until a new one is trained. A worker that still scores by a model that fits leaves that to the others. One
    of another detector than the settings ask for scores until its replacement is trained.
    """

    def __init__(
        self,
        store: Store,
        library: ModelLibrary,
        run: str,
        normal: fit.NormalScores,
        start: Callable[[str], Job] | None = None,
        again: Callable[[str, int], Job] | None = None,
    ) -> None:
        self._store, self._library, self._run, self._normal = store, library, run, normal
        self._start, self._again = start, again
        self._retraining = Retraining(store.trainings)
        self._families: dict[str, _Family] = {}
        self._look = 0.0
        self._unpacked: list[tuple[int, int]] = []  # streams (ids) to pack, and how many readings to keep of each
        self.holding = False
        self.drifted: Callable[[], Mapping[str, str]] = dict  # families with a drift since the last call, and which
        self.failed: dict[str, int] = {}  # families without a model as training failed: the exit code of the last try
        self.refused: dict[str, Refused] = {}  # by family
        self._misfits: dict[str, str] = {}  # by family: the champion (id) that a new training is to replace

    def known(self, families: Iterable[str]) -> list[str]:
        """Those that have a champion. Raises StoreError."""
        return [name for name in families if self._library.registry.champion(name) is not None]

    @property
    def training(self) -> list[str]:
        """Families for which a training runs. Any thread may ask."""
        return sorted(name for name, family in list(self._families.items()) if family.job is not None)

    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Adopt what has been promoted since, here or by another process; at most every few seconds."""
        finished = self._finished(pipelines)
        if not finished and time.monotonic() < self._look:
            return
        self._look = time.monotonic() + LOOK_S
        for name, pipeline in pipelines.items():
            row = self._library.registry.champion(name)
            if row is None or row.id == pipeline.model:
                self.refused.pop(name, None)
                self._replace(pipeline, row)
            elif not self._rests(row) and self._misfits.get(name) != row.id:
                self._adopt(pipeline, row)
        self._train_again(pipelines)
        self._pack_some()

    def _train_again(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Begin the trainings that are due or were asked for; of families that are not trained already."""
        if self._again is None:
            return
        self._retraining.note(self.drifted())
        for name, id_ in self._retraining.claimed(pipelines, self.training).items():
            self._begin(pipelines[name], partial(self._again, name, id_), id_)

    def _rests(self, row: ModelRow) -> bool:
        """Whether this model was refused a short time ago."""
        refused = self.refused.get(row.family)
        return refused is not None and refused.model == row.id and time.monotonic() < refused.again

    def _adopt(self, pipeline: Pipeline, row: ModelRow) -> None:
        name = row.family
        try:
            scorer, profiles = self._library.load(row, pipeline.family)
        except ModelError as error:
            if isinstance(error, MisfitError) and self._start is not None and pipeline.scorer is None:
                self._misfits[name] = row.id
                log.warning("model_no_longer_fits", family=name, scored_by="cold start until trained", error=str(error))
                return
            before = self.refused.get(name)
            self.refused[name] = Refused(row.id, str(error), time.monotonic() + AGAIN_S)
            if before is None or before.model != row.id:
                scored_by = pipeline.model[:16] or "cold start"
                log.error(  # noqa: TRY400 (the message says it all)
                    "model_refused", family=name, model=row.id[:16], scored_by=scored_by, error=str(error)
                )
                self._note(row, str(error))
            return
        pipeline.adopt(row.id, scorer, profiles)
        self.failed.pop(name, None)
        self.refused.pop(name, None)
        self._served(name, set(profiles))  # the training packs what it has read
        log.info("model_adopted", family=name, model=row.id[:16], streams=len(profiles))
        log_left_out(pipeline, profiles)

    def _note(self, row: ModelRow, error: str) -> None:
        """Add to the model's life that it was not loaded; the log has said so already."""
        try:
            self._library.registry.note(row.family, row.id, f"not loaded on {platform.node()}: {error}")
        except MonitorError as trouble:
            log.warning("model_note_not_written", family=row.family, model=row.id[:16], error=str(trouble))

    def request(self, pipeline: Pipeline, stream_ids: Mapping[str, int]) -> None:
        """Train the family's first model, or profile these streams for the one it has."""
        family = self._families.setdefault(pipeline.name, _Family())
        family.waiting.update(stream_ids)
        if pipeline.scorer is not None:
            self._enrol(pipeline, pipeline.scorer, family)
        else:
            self._train(pipeline, family)

    def _train(self, pipeline: Pipeline, family: _Family) -> None:
        """Start a training, unless one is running or has failed a short time ago."""
        if self._start is not None and self.trains(pipeline.name):
            self._begin(pipeline, partial(self._start, pipeline.name), streams=len(family.waiting))

    def _begin(self, pipeline: Pipeline, start: Callable[[], Job], id_: int | None = None, **more: int) -> None:
        family = self._families.setdefault(pipeline.name, _Family())
        family.began = time.monotonic()
        try:
            family.job, family.training = start(), id_
        except OSError as error:  # no memory, or no process is left for it
            family.not_before = family.began + AGAIN_S
            log.warning("training_not_started", family=pipeline.name, error=str(error), again_in_s=AGAIN_S)
            if id_ is not None:
                self._store.trainings.end(id_, Progress.FAILED, outcome=str(error))
            return
        log.info("training_started", family=pipeline.name, **more)
        family.next_log = family.began + LOG_S
        self.holding = pipeline.family.train.wait and pipeline.scorer is None

    def _replace(self, pipeline: Pipeline, row: ModelRow | None) -> None:
        """Train again where the settings ask for another detector than the champion is; it scores meanwhile."""
        other = "" if row is None else other_detector(row, pipeline.family)
        if other and self._start is not None and self.trains(pipeline.name):
            log.warning("model_of_another_detector", family=pipeline.name, model=pipeline.model[:16], error=other)
            self._train(pipeline, self._families.setdefault(pipeline.name, _Family()))

    def trains(self, family: str) -> bool:
        """See `monitor.worker.model_provider.Models`; not for a while after a training that failed, nor in a replay."""
        if family in self.refused:  # it has a champion, which may serve other machines well
            return False
        known = self._families.get(family)
        free = known is None or (known.job is None and time.monotonic() >= known.not_before)
        return self._start is not None and free

    def _finished(self, pipelines: Mapping[str, Pipeline]) -> bool:
        """Whether a training has ended since the last look."""
        ended = False
        for name, family in self._families.items():
            code = family.job.poll() if family.job is not None else None
            if code is None:
                self._still_running(name, family)
                continue
            ended, family.job = True, None
            if family.training is not None:
                self._ended(name, family.training, code)
                family.training = None
            if code:
                family.not_before = time.monotonic() + AGAIN_S
            if code and pipelines[name].scorer is None:  # else the champion scores on
                self.failed[name] = code
                log.error("training_failed", family=name, exit_code=code, again_in_s=AGAIN_S)
        busy = [pipelines[name] for name, family in self._families.items() if family.job is not None]
        self.holding = any(pipeline.family.train.wait and pipeline.scorer is None for pipeline in busy)
        return ended

    def _still_running(self, name: str, family: _Family) -> None:
        """Log now and then that a training is running, and say so to other workers."""
        now = time.monotonic()
        if family.job is not None and now >= family.next_log:
            family.next_log = now + LOG_S
            log.info("training_running", family=name, seconds=round(now - family.began))
            if family.training is not None:
                self._store.trainings.renew(family.training)

    def _ended(self, name: str, id_: int, code: int) -> None:
        """Log what became of a training; one that could not say so has failed."""
        if code:
            self._store.trainings.end(id_, Progress.FAILED, outcome=f"the training ended with exit code {code}")
        training = self._store.trainings.newest([name])[name]
        say = log.info if training.progress is Progress.PROMOTED else log.warning
        say("training_ended", family=name, progress=training.progress.value, model=training.model[:16],
            outcome=training.outcome)  # fmt: skip

    def _enrol(self, pipeline: Pipeline, scorer: Scorer, family: _Family) -> None:
        if time.monotonic() < family.not_before:
            return
        for name in family.waiting.keys() - pipeline.index.codes.keys():
            del family.waiting[name]  # its partition has left: another worker needs what was kept of it
        kept = self._store.history(self._run, pipeline.name, list(family.waiting.values()))
        history = fit.first(kept, pipeline.family)
        try:
            profiles = fit.enrol(pipeline.family, history, scorer, self._normal)
        except ModelError as error:
            family.not_before = time.monotonic() + AGAIN_S
            log.warning("enrolment_failed", family=pipeline.name, error=str(error), again_in_s=AGAIN_S)
            return
        for name, profile in profiles.items():
            pipeline.enrol(pipeline.index.codes[name], profile)
        log.info("streams_enrolled", family=pipeline.name, streams=len(profiles))
        log_left_out(pipeline, profiles)
        served = self._served(pipeline.name, set(profiles))
        self._unpacked += [(id_, fit.span(pipeline.family)) for id_ in served]
        if family.waiting:  # too few whole windows in what was kept of them
            family.not_before = time.monotonic() + AGAIN_S
            self._collect_again(pipeline, family)

    def _served(self, name: str, streams: set[str]) -> list[int]:
        """These streams have a model now; returns the ids of those that were waiting for it."""
        waiting = self._families.setdefault(name, _Family()).waiting
        return [waiting.pop(stream) for stream in sorted(streams & waiting.keys())]

    def _pack_some(self) -> None:
        """Pack what was kept of streams that have joined, a few at a time: reading waits meanwhile."""
        some, self._unpacked = self._unpacked[:PACKED_AT_ONCE], self._unpacked[PACKED_AT_ONCE:]
        for most in {most for _, most in some}:
            self._store.pack_history([id_ for id_, bound in some if bound == most], most)

    def _collect_again(self, pipeline: Pipeline, family: _Family) -> None:
        """What was kept of these streams is complete and of no use: drop it, and let them collect other readings."""
        useless = pipeline.collect_again(sorted(family.waiting))
        if useless:
            self._store.drop_history([family.waiting[name] for name in useless])
            log.warning("history_dropped", family=pipeline.name, streams=len(useless), reason="too few whole windows")
        for name in useless:
            del family.waiting[name]
