"""`watchkeeper train`: a family's model from history, made its champion."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from monitor import bootstrap
from monitor.cli.other_detector import Asked, Other, with_detector
from monitor.cli.parameters import bounds, event_times
from monitor.cli.parameters.common import ConfigFile
from monitor.cli.recorded_training import Made, recorded
from monitor.cli.rendering.output import echo, echo_json
from monitor.cli.rendering.times_read import TimeSpan, time_fields, time_lines
from monitor.config.families import Family
from monitor.config.maintenance import planned
from monitor.config.settings import Settings, load
from monitor.config.unknown_names import unknown
from monitor.errors import ModelError
from monitor.maintenance.calendar import Calendar
from monitor.ports.store import Store
from monitor.records.batches import LIVE
from monitor.replay.time_range import TimeRange
from monitor.training import fit
from monitor.training.growth import growing_streams
from monitor.training.labels import Labelled
from monitor.training.maintained import without
from monitor.training.model_manager import PACKED_AT_ONCE
from monitor.training.train_family import Making, train_family
from monitor.training.train_family import challenge as try_family

Device = Literal["auto", "cpu", "cuda"]

BACKGROUND = 10  # niceness of a training that a worker has begun: the worker scores on


def train(  # noqa: PLR0913 (an argument is an option)
    config: ConfigFile,
    *,
    family: Annotated[
        str | None, typer.Option(parser=bounds.name, help="Only this family; all of them by default.")
    ] = None,
    start: Annotated[
        int | None,
        typer.Option("--from", **bounds.TIME, help=f"Read Kafka. {event_times.FROM}"),
    ] = None,
    end: Annotated[int | None, typer.Option("--to", **bounds.TIME, help=event_times.TO)] = None,
    run: Annotated[
        str, typer.Option(parser=bounds.name, help="The run whose collected history is used without --from.")
    ] = LIVE,
    challenge: Annotated[
        bool, typer.Option("--challenge", help="Take over only where the new model does no worse than the present one.")
    ] = False,
    detector: Annotated[
        str | None,
        typer.Option(parser=bounds.name, help="Train this kind instead of the settings' one; see `detectors`."),
    ] = None,
    search: Annotated[
        int | None,
        typer.Option(
            **bounds.DURATION,
            help="Search for better options first, for as long as this: 10m.",
        ),
    ] = None,
    device: Annotated[
        Device | None,
        typer.Option(help="Where nets are trained; `auto` takes a GPU for large batches. Of the settings by default."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the new models as JSON.")] = False,
    request: Annotated[
        int | None, typer.Option(hidden=True, parser=bounds.COUNT, help="The training that this is, by its id.")
    ] = None,
    background: Annotated[bool, typer.Option("--background", hidden=True, help="Let all else go first.")] = False,
) -> None:
    """Train on what a run has collected so far, or on a range of event times of the Kafka topics.

    The new model takes over.
    """
    if background:
        os.nice(BACKGROUND)
    written = load(config)
    names = [family] if family is not None else list(written.families)
    for name in names:
        if name not in written.families:
            raise unknown("family", name, written.families, f" in {config}")
    settings = with_detector(written, names, detector, device)
    bootstrap.check_detectors(settings)
    asked = Asked(challenge, None if search is None else search / 10**9)
    store = bootstrap.store(settings)
    try:
        for name in names:
            seen: list[int] = []
            span = event_times.time_range(start, end)
            with recorded(store, name, request) as training:
                if start is None and end is None:
                    made = _train_on_kept(settings, name, run, store, seen, asked)
                else:
                    history = list(_noted(_kafka_history(settings, name, span), seen))
                    labelled = Labelled.of(store.labels(run, name), history)
                    made = _train(settings, name, history, store, asked, labelled)
                training.became(made)
            folder = bootstrap.library(settings, store).folder(made.model)
            other = Other.of(settings.families[name], written.families[name], asked.found(name))
            _report(made, folder.resolve(), (seen, span), other, quiet=quiet, as_json=as_json)
    finally:
        store.close()


def _train(
    settings: Settings,
    name: str,
    history: list[fit.Named],
    store: Store,
    asked: Asked,
    labelled: Labelled | None = None,
) -> Made:
    import models

    family, library = settings.families[name], bootstrap.library(settings, store)
    for sentence in growing_streams(family, history):
        echo(f"{name}: {sentence}: a counter? format.counters = [...] judges its rise", err=True)
    try:
        create, normal = partial(asked.create, name, family), bootstrap.normal_scores()
        if not asked.challenging:
            return Made(train_family(library, name, family, history, create, normal))
        making = Making(create, normal, partial(bootstrap.recipe, family))
        model, decision = try_family(library, name, family, history, making, labelled)
        return Made(model, decision.refused)
    except models.ModelsError as error:
        raise ModelError(f"families.{name}: {error}") from error


def _noted(history: Iterable[fit.Named], seen: list[int]) -> Iterator[fit.Named]:
    """The same blocks, with the first and the last time of each, ns, added to `seen`."""
    for stream, block in history:
        seen += block.time[[0, -1]].tolist() if len(block.time) else []
        yield stream, block


def _train_on_kept(settings: Settings, name: str, run: str, store: Store, seen: list[int], asked: Asked) -> Made:
    """Train on what the store has kept, and pack it for the next time.

    That is the oldest readings of each stream for the first model of a family, and for another one all that is kept of
    usual times.
    """
    family, calendar = settings.families[name], Calendar([*planned(settings.maintenance), *store.maintenance.windows()])
    whole = without(store.history(run, name), name, calendar)
    first = store.registry.champion(name) is None
    chosen = list(fit.first(whole, family) if first else fit.kept(whole, family, {}))
    streams = sorted({block.id for _, block in chosen})
    labelled = None
    if not first:
        labelled = Labelled.of(store.labels(run, name), chosen)
        chosen = _usual(chosen, family, store.unusual_times(run, name), challenging=asked.challenging)
    history = list(_noted(chosen, seen))
    try:
        return _train(settings, name, history, store, asked, labelled)
    finally:
        _pack(store, streams, family, first=first)


def _usual(
    history: list[fit.Named], family: Family, unusual: Mapping[str, Sequence[tuple[int, int]]], *, challenging: bool
) -> list[fit.Named]:
    """Without the times of alerts. Where most of it would be lost, a person who asks for a champion gets all of it.

    Raises ModelError where nothing is left for a challenger.
    """
    kept = list(fit.kept(history, family, unusual))
    before, after = (sum(len(block.time) for _, block in some) for some in (history, kept))
    share = f"{before - after:,} of {before:,} readings that are kept lie in times of alerts"
    if challenging and before and not after:
        raise ModelError(f"topic {family.topic}: {share}; resolve what they are about, or train without --challenge")
    if challenging or 2 * after >= before:
        return kept
    echo(f"{share}: all of them are learned from", err=True)
    return history


def _pack(store: Store, streams: list[int], family: Family, *, first: bool) -> None:
    """Bound what is kept of these streams, a few at a time: workers commit in between."""
    for i in range(0, len(streams), PACKED_AT_ONCE):
        began = time.monotonic()
        pack = store.pack_history if first else store.thin_history
        pack(streams[i : i + PACKED_AT_ONCE], fit.span(family))
        time.sleep(time.monotonic() - began)


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


def _report(
    made: Made, folder: Path, read: tuple[list[int], TimeRange], other: Other, *, quiet: bool, as_json: bool
) -> None:
    (seen, span), (model, refused) = read, made
    times = TimeSpan(min(seen, default=None), max(seen, default=None))
    if as_json:
        fields = {"family": model.family, "id": model.id, "path": str(folder), "outside": span.outside}
        fields |= {"detector_to_write": other.table, "search": other.found}
        echo_json(fields | {"champion": not refused, "refused": refused} | time_fields(times))
    elif not quiet:
        outside = [event_times.outside(span)] if span.outside else []
        became = f"is refused: {refused}" if refused else "is champion"
        echo(
            *time_lines(times),
            f"{model.family}: model {model.id[:16]} {became}, saved in {folder}",
            *outside,
            *other.lines(model.family),
        )
