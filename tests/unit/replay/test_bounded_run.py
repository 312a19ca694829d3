"""How a replay begins, and what it does with models."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.errors import ModelError, SettingsError, SourceError, StoreError
from monitor.pipeline.family import Pipeline
from monitor.ports.models import ModelRow
from monitor.ports.source import Assignments
from monitor.replay.bounded_run import Connect, Pinned, Replay, begin
from monitor.testing.in_memory import ListSource, MemoryStore, NoModels
from monitor.training.model_manager import Refused
from tests.champions import make_champion

FAMILY = Family.model_validate({"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}})
PIPELINES = {"pumps": bootstrap.pipeline("pumps", FAMILY, "again")}


def opened(_: object, listener: Assignments) -> ListSource:
    return ListSource({}, {}, listener)


def missing(_: object, listener: Assignments) -> ListSource:
    raise SourceError("past.csv: no such file")


class Refusing(NoModels):
    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        raise ModelError("the model is damaged")


def stored() -> MemoryStore:
    """With a model, and an earlier replay."""
    store = MemoryStore()
    make_champion(store, ModelRow(id="0" * 64, family="pumps", manifest="{}"))
    begin(Replay("again", opened), store, PIPELINES, NoModels())
    store.open_streams("again", "pumps", ["p-1"])
    return store


@pytest.mark.parametrize("name", ["live", "LIVE", " ", ""])
def test_a_replay_is_never_called_live(name: str) -> None:
    with pytest.raises(SettingsError, match="--name"):
        begin(Replay(name, opened), MemoryStore(), {}, NoModels())


def test_a_replay_needs_a_model_and_a_free_name() -> None:
    with pytest.raises(ModelError, match="watchkeeper train"):
        begin(Replay("r", opened), MemoryStore(), PIPELINES, NoModels())
    store = stored()
    with pytest.raises(StoreError, match="exists already"):
        begin(Replay("again", opened), store, PIPELINES, NoModels())
    begin(Replay("again", opened, replace=True), store, PIPELINES, NoModels())
    assert not store.streams


@pytest.mark.parametrize(
    ("connect", "models", "error"), [(missing, NoModels(), SourceError), (opened, Refusing(), ModelError)]
)
def test_an_earlier_replay_is_kept_where_the_next_cannot_begin(
    connect: Connect, models: NoModels, error: type[Exception]
) -> None:
    store = stored()

    with pytest.raises(error):
        begin(Replay("again", connect, replace=True), store, PIPELINES, models)

    assert [key[2] for key in store.streams] == ["p-1"]


class Recording(NoModels):
    def __init__(self) -> None:
        self.refreshed: list[list[str]] = []
        self.refused: dict[str, Refused] = {}

    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        self.refreshed.append(list(pipelines))


def test_models_are_fetched_once_and_history_is_packed_all_along() -> None:
    models = Recording()
    pipelines: dict[str, Pipeline] = {"machines": None}  # type: ignore[dict-item]  # only its name is read
    pinned = Pinned(models)

    for _ in range(3):
        pinned.refresh(pipelines)

    assert models.refreshed == [["machines"], [], []]
