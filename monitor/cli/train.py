"""`watchkeeper train`: a family's model from history, made its champion."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from monitor import bootstrap
from monitor.cli.parameters.times import time_option
from monitor.config.settings import Settings, load
from monitor.errors import ModelError, SettingsError
from monitor.ports.store import ModelRow, Store
from monitor.records.batches import LIVE
from monitor.training import fit


def train(
    config: Annotated[Path, typer.Argument(help="The TOML file; WATCHKEEPER__* variables are laid over it.")],
    *,
    family: Annotated[str | None, typer.Option(help="Only this family; all of them by default.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Read Kafka from this time (ISO 8601) on ...")] = None,
    end: Annotated[str | None, typer.Option("--to", help="... up to this time.")] = None,
    run: Annotated[str, typer.Option(help="The run whose collected history is used without --from.")] = LIVE,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the new models as JSON.")] = False,
) -> None:
    """Train on what a run has collected so far, or on a time range of the Kafka topics; the new model takes over."""
    settings = load(config)
    bootstrap.check_detectors(settings)
    names = [family] if family is not None else list(settings.families)
    for name in names:
        if name not in settings.families:
            raise SettingsError(f"--family {name}: {config} has only {', '.join(settings.families)}")
    store = bootstrap.store(settings)
    try:
        for name in names:
            if start is None and end is None:
                after = fit.span(settings.families[name])
                history: Iterable[fit.Named] = fit.first(store.history(run, name), after)
            else:
                history = _kafka_history(settings, name, time_option(start, "--from"), time_option(end, "--to"))
            model = train_family(settings, name, history, store)
            _report(model, quiet=quiet, as_json=as_json)
    finally:
        store.close()


def train_family(settings: Settings, name: str, history: Iterable[fit.Named], store: Store) -> ModelRow:
    """Fit, save and promote the model of one family."""
    import models

    family = settings.families[name]
    try:
        detector, profiles = fit.train(family, history, lambda: bootstrap.detector(family), bootstrap.summary)
        model = fit.save(settings.models, name, detector, profiles)
    except models.ModelsError as error:
        raise ModelError(f"families.{name}: {error}") from error
    store.add_model(model)
    return model


def _kafka_history(settings: Settings, name: str, start: int | None, end: int | None) -> Iterator[fit.Named]:
    """Gridded readings of a family from a time range of its topic, ns."""
    pipeline = bootstrap.pipeline(name, settings.families[name])
    source = bootstrap.kafka_range(settings, {name: pipeline}, start, end)
    try:
        yield from fit.gridded(pipeline, source)
    finally:
        source.close()


def _report(model: ModelRow, *, quiet: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"family": model.family, "id": model.id, "path": model.path}))
    elif not quiet:
        Console().print(f"{model.family}: model {model.id[:16]} is champion, saved in {model.path}", soft_wrap=True)
