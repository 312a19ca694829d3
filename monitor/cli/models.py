"""`watchkeeper models`: which models a family has had, which one scores it, and putting another one in its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import By, Limit, person
from monitor.cli.parameters.database import CONFIG_FILE, utc
from monitor.cli.rendering.output import echo, echo_json, terminal
from monitor.config.settings import Settings, load
from monitor.config.unknown_names import unknown
from monitor.errors import MisfitError, SettingsError
from monitor.ports.models import Life, champions
from monitor.ports.trainings import Progress, Request
from monitor.records.times import iso

if TYPE_CHECKING:
    from monitor.ports.models import LifeChange, ModelRow
    from monitor.ports.store import Store
    from monitor.ports.trainings import Training

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", parser=bounds.path, help="The TOML file [default: watchkeeper.toml].")
]
Family = Annotated[str, typer.Argument(metavar="FAMILY", parser=bounds.name, help="The family.")]
Note = Annotated[str, typer.Option(parser=bounds.text, help="Why, kept with the model.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def models() -> None:
    """List models with what became of them, promote one, roll back to the one before, and ask for a training."""


@app.command("list")
def list_(
    family: Annotated[
        str | None, typer.Argument(metavar="[FAMILY]", parser=bounds.name, help="Only this family.")
    ] = None,
    config: ConfigFile = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """Models and trainings of each family, newest last: what became of each, when, why, and who did it."""
    with _opened(config, family) as (settings, store):
        names = [family] if family is not None else list(settings.families)
        found = {name: _family(store, name, limit) for name in names}
    if as_json:
        echo_json(found, indent=2)
        return
    for name, kept in found.items():
        _show(name, kept)


@app.command()
def promote(
    family: Family,
    model: Annotated[str, typer.Argument(metavar="ID", parser=bounds.name, help="The model's id, or how it begins.")],
    note: Note = "",
    by: By = "",
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Let this model score the family from now on. It is loaded first: one that cannot be changes nothing."""
    with _opened(config, family) as (settings, store):
        chosen = _chosen(store, family, model)
        _promote(settings, store, chosen, (note or "promoted", person(by)))
    _report(chosen, as_json=as_json)


@app.command()
def rollback(family: Family, note: Note = "", by: By = "", config: ConfigFile = None, as_json: Json = False) -> None:
    """Let the champion before this one score the family again."""
    with _opened(config, family) as (settings, store):
        before = champions(store.registry.life(family))
        if len(before) < 2 or store.registry.champion(family) is None:
            raise SettingsError(
                f"family {family} has had no champion before this one; `watchkeeper models list` shows all"
            )
        chosen = _chosen(store, family, before[-2])
        reason = f"rolled back from {before[-1][:16]}{note and ': '}{note}"
        _promote(settings, store, chosen, (reason, person(by)))
    _report(chosen, as_json=as_json)


@app.command()
def retrain(family: Family, note: Note = "", by: By = "", config: ConfigFile = None, as_json: Json = False) -> None:
    """Ask for a training: a worker begins it within seconds, and its model has to do no worse than the champion."""
    with _opened(config, family) as (_, store):
        training = store.trainings.ask(Request(family=family, cause="request", by=person(by), note=note))
    if as_json:
        echo_json(_training_fields(training), indent=2)
    elif training.free:
        echo(f"Family {family} is trained as soon as a worker looks; `watchkeeper models list` shows how it ends.")
    else:
        echo(f"Family {family} is being trained already, since {utc(training.at)} UTC.")


@contextmanager
def _opened(config: Path | None, family: str | None) -> Iterator[tuple[Settings, Store]]:
    """The settings and their store. Raises SettingsError for a family that they do not have."""
    from monitor import bootstrap

    settings = load(config or CONFIG_FILE)
    if family is not None and family not in settings.families:
        raise unknown("family", family, settings.families, f" in {config or CONFIG_FILE}")
    store = bootstrap.store(settings)
    try:
        yield settings, store
    finally:
        store.close()


def _chosen(store: Store, family: str, prefix: str) -> ModelRow:
    models = store.registry.models(family)
    found = [row for row in models if row.id.startswith(prefix)]
    if not found:
        raise unknown("model", prefix, [row.id[:16] for row in reversed(models)], f" of family {family}")
    if len(found) > 1:
        raise SettingsError(f"family {family}: several models begin with {prefix}; give more of the id")
    return found[0]


def _promote(settings: Settings, store: Store, model: ModelRow, said: tuple[str, str]) -> None:
    """Raises ModelError where the model cannot be loaded here: nothing is changed then."""
    from monitor import bootstrap

    try:
        bootstrap.library(settings, store).load(model, settings.families[model.family])
    except MisfitError as error:
        raise SettingsError(f"{error}; nothing was changed") from None
    store.registry.promote(model.family, model.id, *said)


def _family(store: Store, family: str, limit: int) -> dict[str, Any]:
    """The newest models and trainings of a family."""
    life = store.registry.life(family)
    rows = store.registry.models(family)[-limit:]
    trainings = store.trainings.recent(family, limit)
    return {
        "models": [_model_fields(row, [change for change in life if change.model == row.id]) for row in rows],
        "trainings": [_training_fields(training) for training in reversed(trainings)],
    }


def _model_fields(row: ModelRow, life: list[LifeChange]) -> dict[str, Any]:
    changes = [
        {"at": iso(change.at), "state": change.state.value, "why": change.reason, "by": change.by} for change in life
    ]
    return {"id": row.id, "family": row.family, "state": changes[-1]["state"] if changes else "", "life": changes}


def _training_fields(training: Training) -> dict[str, Any]:
    asked = training.request
    return {
        "id": training.id, "family": asked.family, "cause": asked.cause, "by": asked.by, "note": asked.note,
        "readings": asked.readings, "at": iso(training.at), "progress": training.progress.value,
        "ended": None if training.ended is None else iso(training.ended), "model": training.model,
        "outcome": training.outcome,
    }  # fmt: skip


def _show(family: str, kept: dict[str, Any]) -> None:
    from monitor.cli.rendering.alert_table import FittedTable

    if not kept["models"] and not kept["trainings"]:
        echo(f"Family {family} has no model yet.")
        return
    changes = [(row["id"][:16], change) for row in kept["models"] for change in row["life"]]
    changes.sort(key=lambda pair: str(pair[1]["at"]))
    columns = {
        "when (UTC)": [_short(change["at"]) for _, change in changes],
        "model": [model for model, _ in changes],
        "is": [change["state"] for _, change in changes],
        "by": [change["by"] for _, change in changes],
        "why": [change["why"] for _, change in changes],
    }
    terminal().print(FittedTable(columns, ("by",), title=f"Models of family {family}", folded=("why",)))
    trainings = [row for row in kept["trainings"] if row["progress"] != Progress.PROMOTED.value]
    for row in trainings:
        outcome = f": {row['outcome']}" if row["outcome"] else ""
        asked = f"asked for by {row['by']}" + (f", {row['note']}" if row["note"] else "")
        echo(
            f"Training {row['id']} of {_short(row['at'])} ({row['cause']}, {asked}) {_ENDED[row['progress']]}{outcome}."
        )


_ENDED = {"waiting": "waits for a worker", "running": "is running", "refused": "was refused", "failed": "has failed"}


def _short(time: str) -> str:
    return time[:19].replace("T", " ")


def _report(model: ModelRow, *, as_json: bool) -> None:
    if as_json:
        echo_json({"family": model.family, "id": model.id, "state": Life.CHAMPION.value}, indent=2)
    else:
        echo(f"Model {model.id[:16]} is champion of family {model.family}; workers take it over within seconds.")
