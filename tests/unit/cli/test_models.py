"""`watchkeeper models`: lives and trainings are listed, another model is put in place, with who did it and why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from monitor.cli import models as command
from monitor.cli.train import train
from monitor.config.settings import Settings, load
from monitor.errors import ModelError, SettingsError
from monitor.ports.store import Commit, HistoryBlock
from monitor.ports.trainings import Progress
from monitor.store.sql import SqlStore, open_store
from tests.champions import train_champion
from tests.store_rows import alert, fact

CONFIG = """
models = "models"
[store]
url = "sqlite:///plant.db"
[families.pumps]
topic = "t"
interval = "1s"
recipe = "plain"
window.length = 4
train.after = 400
detector.kind = "mahalanobis"
"""
FILE = Path("watchkeeper.toml")
START = 1_700_000_000


def block(first: int, count: int, scale: float = 1.0, id_: int = 1) -> HistoryBlock:
    values = scale * np.random.default_rng(first).normal(size=(count, 1)).astype(np.float32)
    return HistoryBlock(id_, (START + first + np.arange(count)) * 10**9, values.astype(np.float32))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    monkeypatch.chdir(tmp_path)
    FILE.write_text(CONFIG)
    found = open_store("sqlite:///plant.db")
    yield found
    found.close()


@pytest.fixture
def two(store: SqlStore) -> list[str]:
    """Two champions, one after the other."""
    settings: Settings = load(FILE)
    return [train_champion(settings, store, "pumps", [("p-1", block(i, 400))]).id for i in (0, 1000)]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command.app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_a_roll_back_and_a_promotion_leave_who_and_why(store: SqlStore, two: list[str]) -> None:
    said = json.loads(run("rollback", "pumps", "--by", "ann", "--note", "false alarms", "--json"))
    assert said == {"family": "pumps", "id": two[0], "state": "champion"}
    assert "is champion of family pumps" in run("promote", "pumps", two[1][:10], "--by", "bob")

    champion = store.registry.champion("pumps")
    assert champion is not None
    assert champion.id == two[1]
    lives = {row["id"]: row for row in json.loads(run("list", "--json"))["pumps"]["models"]}
    assert [(lives[id_]["state"]) for id_ in two] == ["retired", "champion"]
    ends = [[(line["state"], line["by"], line["why"]) for line in lives[id_]["life"][-2:]] for id_ in two]
    assert ends[0] == [
        ("champion", "ann", f"rolled back from {two[1][:16]}: false alarms"),
        ("retired", "bob", f"replaced by {two[1][:16]}"),
    ]
    assert ends[1] == [("retired", "ann", f"replaced by {two[0][:16]}"), ("champion", "bob", "promoted")]
    shown = run("list", "pumps")
    assert "rolled back from" in shown
    assert "ann" in shown


def test_there_is_nothing_before_the_first_champion(store: SqlStore, two: list[str]) -> None:
    run("rollback", "pumps")
    with pytest.raises(SettingsError, match="no champion before this one"):
        run("rollback", "pumps")
    champion = store.registry.champion("pumps")
    assert champion is not None
    assert champion.id == two[0]


def test_a_model_that_cannot_be_loaded_is_not_promoted(store: SqlStore, two: list[str]) -> None:
    before = store.registry.life("pumps")
    shutil.rmtree(Path("models") / two[0])
    store._database.close()
    import sqlite3

    with sqlite3.connect("plant.db") as connection:
        connection.execute("UPDATE model_bodies SET body = x'00' WHERE model = 1")

    with pytest.raises(ModelError, match="damaged in SQL"):
        run("rollback", "pumps")

    assert store.registry.life("pumps") == before


def test_ids_that_are_not_one_models_are_refused(store: SqlStore, two: list[str]) -> None:
    del store, two
    with pytest.raises(SettingsError, match="no model named 'zz' of family pumps; there are: "):
        run("promote", "pumps", "zz")
    with pytest.raises(SettingsError, match=r"no family named 'ovens' in watchkeeper\.toml; there are: pumps"):
        run("rollback", "ovens")


def test_a_training_is_asked_for_once(store: SqlStore, two: list[str]) -> None:
    del two
    asked = json.loads(run("retrain", "pumps", "--by", "ann", "--note", "new bearing", "--json"))
    assert (asked["progress"], asked["by"], asked["note"]) == ("waiting", "ann", "new bearing")
    assert "as soon as a worker looks" in run("retrain", "pumps")
    assert [training.id for training in store.trainings.recent("pumps", 10)] == [asked["id"]]
    store.trainings.claim(asked["id"])
    assert "is being trained already" in run("retrain", "pumps")
    assert "is running" in run("list", "pumps")


def keep(store: SqlStore, *blocks: HistoryBlock) -> None:
    (stream,) = store.open_streams("live", "pumps", ["p-1"])
    store.commit(Commit("live", history=[HistoryBlock(stream.id, each.time, each.values) for each in blocks]))


def test_a_training_that_is_asked_for_challenges_the_champion(store: SqlStore) -> None:
    keep(store, block(0, 400))
    train(FILE, quiet=True)
    first = store.registry.champion("pumps")
    keep(store, block(400, 400))
    asked = json.loads(run("retrain", "pumps", "--json"))["id"]
    store.trainings.claim(asked)

    train(FILE, challenge=True, request=asked, quiet=True)

    second = store.registry.champion("pumps")
    newest, by_hand = store.trainings.recent("pumps", 10)
    assert first is not None
    assert second is not None
    assert (newest.progress, newest.model, newest.outcome) == (Progress.PROMOTED, second.id, "")
    assert first.id != second.id
    assert (by_hand.request.cause, by_hand.progress, by_hand.model) == ("first", Progress.PROMOTED, first.id)


def test_a_poisoned_history_is_refused_and_people_see_why(store: SqlStore, capsys: pytest.CaptureFixture[str]) -> None:
    keep(store, block(0, 400))
    train(FILE, quiet=True)
    first = store.registry.champion("pumps")
    assert first is not None
    keep(store, block(400, 1600, scale=10.0))  # as if in another unit

    train(FILE, challenge=True)

    printed = capsys.readouterr().out
    assert "is refused: the readings that were learned from are spread" in printed
    assert store.registry.champion("pumps") == first
    (candidate,) = [row for row in store.registry.models("pumps") if row.id != first.id]
    refusal = [change for change in store.registry.life("pumps") if change.model == candidate.id][-1]
    assert refusal.state.value == "candidate"
    assert refusal.reason.startswith("refused: the readings")
    assert store.trainings.recent("pumps", 1)[0].progress is Progress.REFUSED
    assert "was refused: the readings that were learned from are spread" in run("list", "pumps")
    run("promote", "pumps", candidate.id[:12], "--by", "ann", "--note", "the unit is mV now")  # a person knows better
    champion = store.registry.champion("pumps")
    assert champion is not None
    assert champion.id == candidate.id


def test_a_training_that_fails_says_so(store: SqlStore) -> None:
    keep(store, block(0, 20))

    with pytest.raises(ModelError, match="complete windows"):
        train(FILE, quiet=True)

    (training,) = store.trainings.recent("pumps", 10)
    assert training.progress is Progress.FAILED
    assert "complete windows" in training.outcome
    assert "has failed" in run("list", "pumps")


def test_what_alerts_say_is_unusual_is_not_learned(store: SqlStore) -> None:
    keep(store, block(0, 400))
    train(FILE, quiet=True)
    keep(store, block(400, 400), block(800, 400, scale=50.0))
    began = (START + 800) * 10**9
    store.commit(Commit("live", facts=[fact(alert(stream="p-1", family="pumps", opened_at=began + 10))]))

    train(FILE, challenge=True, quiet=True)

    newest = store.trainings.recent("pumps", 1)[0]
    assert (newest.progress, newest.outcome) == (Progress.PROMOTED, "")


def test_what_is_only_known_from_alerts_needs_a_person(store: SqlStore, capsys: pytest.CaptureFixture[str]) -> None:
    keep(store, block(0, 400))
    train(FILE, quiet=True)
    began = START * 10**9
    store.commit(Commit("live", facts=[fact(alert(stream="p-1", family="pumps", opened_at=began))]))

    with pytest.raises(ModelError, match="400 of 400 readings that are kept lie in times of alerts; resolve"):
        train(FILE, challenge=True, quiet=True)
    assert store.trainings.recent("pumps", 1)[0].progress is Progress.FAILED

    train(FILE, quiet=True)
    assert "all of them are learned from" in capsys.readouterr().err
