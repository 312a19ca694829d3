"""Which model scores a family: found in the store, loaded, and trained where there is none yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog

from monitor.pipeline.family import Pipeline
from monitor.ports.scorer import Scorer
from monitor.ports.store import Store
from monitor.training import fit
from monitor.training.fit import Summarise

log = structlog.get_logger()

LOOK_S = 5.0  # how often the store is asked for another champion
AGAIN_S = 300.0  # after a training that failed
TELL_S = 15.0  # how often a training under way is logged


class Job(Protocol):
    """A training under way, as `subprocess.Popen` is one."""

    def poll(self) -> int | None:
        """Exit code, or None while it is running."""
        ...


@dataclass(slots=True)
class _Family:
    job: Job | None = None
    began: float = 0.0
    tell: float = 0.0  # when to log next that it is under way
    not_before: float = 0.0
    waiting: dict[str, int] = field(default_factory=dict)  # streams that asked for a model: name to store id


class Champions:
    """Serves the runner with models. `start` begins to train a family from the history in the store."""

    def __init__(
        self,
        store: Store,
        run: str,
        load: Callable[[Path], Scorer],
        summarise: Summarise,
        start: Callable[[str], Job] | None = None,
    ) -> None:
        self._store, self._run, self._load, self._summarise, self._start = store, run, load, summarise, start
        self._families: dict[str, _Family] = {}
        self._look = 0.0
        self.holding = False
        self.failed: dict[str, int] = {}  # families without a model as training failed: the exit code of the last try

    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Adopt what has been trained since, here or by another worker; at most every few seconds."""
        finished = self._finished(pipelines)
        if not finished and time.monotonic() < self._look:
            return
        self._look = time.monotonic() + LOOK_S
        for name, pipeline in pipelines.items():
            row = self._store.champion(name)
            if row is not None and row.id != pipeline.model:
                folder = Path(row.path)
                profiles = fit.load_profiles(folder)
                pipeline.adopt(row.id, self._load(folder / "detector"), profiles)
                self.failed.pop(name, None)
                self._forget(name, set(profiles))
                log.info("model_adopted", family=name, model=row.id[:16], streams=len(profiles))

    def request(self, pipeline: Pipeline, stream_ids: Mapping[str, int]) -> None:
        """Train the family's first model, or profile these streams for the one it has."""
        family = self._families.setdefault(pipeline.name, _Family())
        family.waiting.update(stream_ids)
        if pipeline.scorer is not None:
            self._enrol(pipeline, pipeline.scorer, family)
        elif self._start is not None and self.trains(pipeline.name):
            log.info("training_started", family=pipeline.name, streams=len(family.waiting))
            family.job, family.began = self._start(pipeline.name), time.monotonic()
            family.tell = family.began + TELL_S
            self.holding = pipeline.family.train.wait

    def trains(self, family: str) -> bool:
        """See `monitor.worker.options.Models`; not for a while after a training that failed, nor in a replay."""
        known = self._families.get(family)
        free = known is None or (known.job is None and time.monotonic() >= known.not_before)
        return self._start is not None and free

    def _finished(self, pipelines: Mapping[str, Pipeline]) -> bool:
        """Whether a training has ended since the last look."""
        ended = False
        for name, family in self._families.items():
            code = family.job.poll() if family.job is not None else None
            if code is None:
                _tell(name, family)
                continue
            ended, family.job = True, None
            if code:
                self.failed[name] = code
                family.not_before = time.monotonic() + AGAIN_S
                log.error("training_failed", family=name, exit_code=code, again_in_s=AGAIN_S)
        busy = [name for name, family in self._families.items() if family.job is not None]
        self.holding = any(pipelines[name].family.train.wait for name in busy)
        return ended

    def _enrol(self, pipeline: Pipeline, scorer: Scorer, family: _Family) -> None:
        if time.monotonic() < family.not_before:
            return
        for name in family.waiting.keys() - pipeline.index.codes.keys():
            del family.waiting[name]  # its partition has left: another worker needs what was kept of it
        kept = self._store.history(self._run, pipeline.name, list(family.waiting.values()))
        history = fit.first(kept, fit.span(pipeline.family))
        profiles = fit.enrol(pipeline.family, history, scorer, self._summarise)
        if len(profiles) < len(family.waiting):  # too few whole windows yet
            family.not_before = time.monotonic() + AGAIN_S
        for name, profile in profiles.items():
            code = pipeline.index.codes.get(name)
            if code is not None:
                pipeline.enrol(code, profile)
        log.info("streams_enrolled", family=pipeline.name, streams=len(profiles))
        self._forget(pipeline.name, set(profiles))

    def _forget(self, name: str, enrolled: set[str]) -> None:
        """The training blocks of enrolled streams have done their work."""
        family = self._families.setdefault(name, _Family())
        done = sorted(enrolled & family.waiting.keys())
        if done:
            self._store.drop_history([family.waiting[stream] for stream in done])
            for stream in done:
                del family.waiting[stream]


def _tell(name: str, family: _Family) -> None:
    """Log now and then that a training is still under way."""
    now = time.monotonic()
    if family.job is not None and now >= family.tell:
        family.tell = now + TELL_S
        log.info("training_running", family=name, seconds=round(now - family.began))
