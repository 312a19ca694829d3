"""`watchkeeper train`: a family's model from history, made its champion."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from monitor import bootstrap
from monitor.cli.parameters import bounds, event_times
from monitor.cli.parameters.common import ConfigFile
from monitor.cli.rendering.output import echo, echo_json
from monitor.cli.rendering.times_read import TimeSpan, time_fields, time_lines
from monitor.config.settings import Settings, load
from monitor.errors import ModelError, SettingsError
from monitor.ports.models import ModelRow
from monitor.ports.store import Store
from monitor.records.batches import LIVE
from monitor.replay.time_range import TimeRange
from monitor.training import fit
from monitor.training.growth import growing_streams
from monitor.training.model_manager import PACKED_AT_ONCE
from monitor.training.train_family import train_family


def train(
    config: ConfigFile,
    *,
    family: Annotated[
        str | None, typer.Option(parser=bounds.name, help="Only this family; all of them by default.")
    ] = None,
    start: Annotated[
        int | None, typer.Option("--from", parser=bounds.moment, help=f"Read Kafka. {event_times.FROM}")
    ] = None,
    end: Annotated[int | None, typer.Option("--to", parser=bounds.moment, help=event_times.TO)] = None,
    run: Annotated[
        str, typer.Option(parser=bounds.name, help="The run whose collected history is used without --from.")
    ] = LIVE,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the new models as JSON.")] = False,
) -> None:
    """Train on what a run has collected so far, or on a range of event times of the Kafka topics.

    The new model takes over.
    """
    settings = load(config)
    bootstrap.check_detectors(settings)
    names = [family] if family is not None else list(settings.families)
    for name in names:
        if name not in settings.families:
            raise SettingsError(f"--family {name}: {config} has only {', '.join(settings.families)}")
    store = bootstrap.store(settings)
    try:
        for name in names:
            seen: list[int] = []
            span = event_times.time_range(start, end)
            if start is None and end is None:
                model = _train_on_kept(settings, name, run, store, seen)
            else:
                model = _train(settings, name, _noted(_kafka_history(settings, name, span), seen), store)
            folder = bootstrap.library(settings, store).folder(model)
            _report(model, folder.resolve(), (seen, span), quiet=quiet, as_json=as_json)
    finally:
        store.close()


def _train(settings: Settings, name: str, history: Iterable[fit.Named], store: Store) -> ModelRow:
    import models

    family, library, history = settings.families[name], bootstrap.library(settings, store), list(history)
    for sentence in growing_streams(family, history):
        echo(f"{name}: {sentence}: a counter? format.counters = [...] judges its rise", err=True)
    try:
        create, normal = partial(bootstrap.detector, family), bootstrap.normal_scores()
        return train_family(library, name, family, history, create, normal)
    except models.ModelsError as error:
        raise ModelError(f"families.{name}: {error}") from error


def _noted(history: Iterable[fit.Named], seen: list[int]) -> Iterator[fit.Named]:
    """The same blocks, with the first and the last time of each, ns, added to `seen`."""
    for stream, block in history:
        seen += block.time[[0, -1]].tolist() if len(block.time) else []
        yield stream, block


def _train_on_kept(settings: Settings, name: str, run: str, store: Store, seen: list[int]) -> ModelRow:
    """Train on what the store has kept, and pack it for the next time."""
    family, ids = settings.families[name], set[int]()

    def history() -> Iterator[fit.Named]:
        for stream, block in fit.first(store.history(run, name), family):
            ids.add(block.id)
            yield stream, block

    model = _train(settings, name, _noted(history(), seen), store)
    kept = sorted(ids)
    for i in range(0, len(kept), PACKED_AT_ONCE):
        began = time.monotonic()
        store.pack_history(kept[i : i + PACKED_AT_ONCE], fit.span(family))
        time.sleep(time.monotonic() - began)  # for the workers: they commit in between
    return model


def _kafka_history(settings: Settings, name: str, span: TimeRange) -> Iterator[fit.Named]:
    """Gridded readings of a family from a range of event times of its topic. Raises SettingsError where it is empty."""
    pipeline = bootstrap.pipeline(name, settings.families[name])
    source = event_times.from_kafka(settings, {name: pipeline}, span)
    try:
        yield from fit.gridded(pipeline, source)
    finally:
        source.close()
    chosen = settings.model_copy(update={"families": {name: settings.families[name]}})
    event_times.refuse_empty(span, f"topic {settings.families[name].topic}", chosen)


def _report(model: ModelRow, folder: Path, read: tuple[list[int], TimeRange], *, quiet: bool, as_json: bool) -> None:
    seen, span = read
    times = TimeSpan(min(seen, default=None), max(seen, default=None))
    if as_json:
        fields = {"family": model.family, "id": model.id, "path": str(folder), "outside": span.outside}
        echo_json(fields | time_fields(times))
    elif not quiet:
        outside = [event_times.outside(span)] if span.outside else []
        echo(*time_lines(times), f"{model.family}: model {model.id[:16]} is champion, saved in {folder}", *outside)
