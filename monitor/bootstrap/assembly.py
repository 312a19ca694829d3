"""A worker put together from its parts, live or bounded: the only place that does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from monitor.bootstrap.channels import alert_keeper, announce, dispatcher
from monitor.bootstrap.checks import check
from monitor.bootstrap.neighbours import refuse_shared_families
from monitor.bootstrap.parts import (
    broker,
    drifts,
    heartbeat,
    kafka_source,
    kafka_source_now,
    library,
    normal_scores,
    pipelines,
    store,
    upkeep,
)
from monitor.config.settings import Settings
from monitor.records.batches import LIVE

if TYPE_CHECKING:
    from monitor.notify.dispatcher import Dispatcher
    from monitor.replay.bounded_run import Replay
    from monitor.training.drift import Drifts
    from monitor.training.model_manager import Champions
    from monitor.worker.heartbeat import HeartbeatThread
    from monitor.worker.runner import Runner


class Worker(NamedTuple):
    """A worker that is ready to run. `dispatcher` is None without a channel to notify, `heartbeat` in a replay."""

    runner: Runner
    champions: Champions
    dispatcher: Dispatcher | None
    heartbeat: HeartbeatThread | None


@contextmanager
def worker(
    settings: Settings,
    config: Path | None = None,
    *,
    until_end: bool = False,
    replay: Replay | None = None,
    dispatch: bool = True,
) -> Iterator[Worker]:
    """A worker with its models and its dispatcher, live or bounded: the only place that puts one together.

    With `config`, the file that the settings come from, a family without a model is trained, in another process.
    `until_end` ends the live worker when it has read everything; `replay` makes it a bounded run of another name.
    Without `dispatch` it leaves notifications to other processes.
    """
    from monitor.replay.bounded_run import Pinned, begin, recorded
    from monitor.training import subprocesses
    from monitor.training.model_manager import Champions
    from monitor.worker.interpreter import tuned
    from monitor.worker.options import WorkerOptions
    from monitor.worker.runner import Runner

    settings = _as_notified(settings, replay)
    check(settings, replay=replay is not None)
    run = LIVE if replay is None else replay.name
    with ExitStack() as stack:
        settings = settings if replay is not None else stack.enter_context(broker(settings))
        results = stack.enter_context(closing(store(settings)))
        if replay is None:
            refuse_shared_families(settings)
            stack.enter_context(_keeping_alerts(settings))
        running = pipelines(settings, run)
        train = None if config is None else partial(subprocesses.start, config, stack)
        champions = Champions(results, library(settings, results), run, normal_scores(), train, train)
        looking = _looking_for_drifts(settings, champions) if replay is None else None
        pinned = champions if replay is None else begin(replay, results, running, Pinned(champions))
        models = upkeep(settings, results, pinned, live=replay is None)
        notifying = _delivering(settings, stack) if dispatch else None
        live = partial(kafka_source_now if until_end else kafka_source, settings)
        connect, render = live if replay is None else replay.connect, announce(settings)
        of_run = WorkerOptions.of(settings, run, render, until_end=until_end, drifts=looking, upkeep=models)
        options = replace(of_run, recorded=recorded(results, running, replay))
        runner = Runner(partial(connect, running), results, running, models, options)
        beats = _beating(settings, runner, champions, dispatch=dispatch)
        beating = None if replay is not None else stack.enter_context(beats)
        stack.enter_context(tuned())
        yield Worker(runner, champions, notifying, beating)


def _as_notified(settings: Settings, replay: Replay | None) -> Settings:
    """A replay has no channels, unless it is asked for them."""
    silent = replay is not None and not replay.notify
    return settings.model_copy(update={"notify": {}}) if silent else settings


@contextmanager
def _keeping_alerts(settings: Settings) -> Iterator[None]:
    """The timers of alerts are carried out meanwhile."""
    keeper = alert_keeper(settings)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()


def _delivering(settings: Settings, stack: ExitStack) -> Dispatcher | None:
    """Deliver from now on until the exit of the stack; None without a channel to notify."""
    notifying = dispatcher(settings)
    if notifying is not None:
        notifying.start()
        stack.callback(notifying.stop)
    return notifying


def _looking_for_drifts(settings: Settings, champions: Champions) -> Drifts | None:
    """What looks for drifts from now on, and has families trained again; None where no family asks for it."""
    looking = drifts(settings, LIVE)
    if looking is not None:
        looking.start()
        champions.drifted = looking.drifted
    return looking


@contextmanager
def _beating(settings: Settings, runner: Runner, champions: Champions, *, dispatch: bool) -> Iterator[HeartbeatThread]:
    """The heartbeats of a worker; the last one says why it ended."""
    beating = heartbeat(settings, runner.progress, champions, dispatch=dispatch)
    beating.start()
    error = ""
    try:
        yield beating
    except BaseException as failure:
        error = str(failure) or type(failure).__name__
        raise
    finally:
        beating.stop(error)
