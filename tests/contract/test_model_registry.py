"""What every model registry does alike: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from monitor.errors import ModelError
from monitor.ports.models import Life, ModelRegistry, ModelRow
from monitor.ports.store import Commit
from monitor.store import schema
from monitor.store.engine import connect
from monitor.store.memory_registry import MemoryModelRegistry
from monitor.store.migrations import upgrade
from monitor.store.sql import open_store
from tests.champions import make_champion
from tests.store_rows import TOPIC, block, scores

A = ModelRow(id="a" * 64, family="machines", manifest='{"kind": "dense"}')
B = replace(A, id="b" * 64)

Open = Callable[[], ModelRegistry]  # one for each process that uses it


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    if request.param == "memory":
        shared = MemoryModelRegistry()
        yield lambda: shared
        return
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/store.db" if sqlite else request.getfixturevalue("postgres_url")
    upgrade(url)
    stores = []

    def open_one() -> ModelRegistry:
        stores.append(open_store(url))
        return stores[-1].registry

    yield open_one
    for store in stores:
        store.close()


def lives(registry: ModelRegistry, family: str = "machines") -> list[tuple[str, str, str]]:
    return [(change.model[:1], change.state.value, change.reason) for change in registry.life(family)]


def test_a_model_that_is_trained_again_replaces_a_damaged_body(opened: Open) -> None:
    """The same data, settings and seed give the same id: what is there under it may have been damaged since."""
    registry = opened()
    registry.add(A, b"damaged", "trained")
    registry.add(A, b"sound", "trained again")

    assert opened().body("machines", A.id) == b"sound"


def test_a_life_from_candidate_to_retired_and_back(opened: Open) -> None:
    registry = opened()
    assert registry.champion("machines") is None
    registry.add(A, b"a", "trained")
    assert registry.champion("machines") is None
    registry.promote("machines", A.id, "the first")
    registry.add(B, b"b", "trained")
    registry.promote("machines", B.id, "better")
    assert opened().champion("machines") == B
    registry.promote("machines", A.id, "roll back")
    assert opened().champion("machines") == A
    registry.retire("machines", A.id, "no use")
    assert opened().champion("machines") is None

    assert lives(opened()) == [
        ("a", "candidate", "trained"),
        ("a", "champion", "the first"),
        ("b", "candidate", "trained"),
        ("a", "retired", f"replaced by {B.id[:16]}"),
        ("b", "champion", "better"),
        ("b", "retired", f"replaced by {A.id[:16]}"),
        ("a", "champion", "roll back"),
        ("a", "retired", "no use"),
    ]
    times = [change.at for change in registry.life("machines")]
    assert times == sorted(times)
    assert times[0] > 10**18


def test_doing_it_again_changes_nothing(opened: Open) -> None:
    registry = opened()
    for _ in range(2):
        registry.add(A, b"a", "trained")
        registry.promote("machines", A.id, "first")
    registry.add(replace(A, manifest="other"), None, "trained")
    assert registry.champion("machines") == A
    for _ in range(2):
        registry.retire("machines", A.id, "old")
    assert [line[1] for line in lives(registry)] == ["candidate", "champion", "retired"]


def test_families_do_not_meet(opened: Open) -> None:
    registry = opened()
    other = replace(A, family="others")  # the same model may serve two families
    for row in (A, other):
        registry.add(row, row.family.encode(), "trained")
        registry.promote(row.family, row.id, "first")
    registry.retire("machines", A.id, "old")

    assert registry.champion("others") == other
    assert registry.body("others", A.id) == b"others"
    assert len(lives(registry, "others")) == 2


def test_artefacts_come_back_to_the_bit(opened: Open) -> None:
    registry, body = opened(), bytes(range(256)) * 5000
    registry.add(A, body, "trained")
    registry.add(B, None, "too large")

    assert opened().body("machines", A.id) == body
    assert opened().body("machines", B.id) is None
    assert opened().body("machines", "c" * 64) is None
    registry.add(B, b"found", "again")  # a missing artefact is added
    assert registry.body("machines", B.id) == b"found"


def test_a_note_keeps_the_state(opened: Open) -> None:
    registry = opened()
    registry.add(A, b"a", "trained")
    registry.promote("machines", A.id, "first")
    registry.note("machines", A.id, "not loaded on plant-7: \x00 is no text")

    assert registry.champion("machines") == A
    assert registry.life("machines")[-1].state is Life.CHAMPION
    assert lives(registry)[-1][2].startswith("not loaded on plant-7")


@pytest.mark.parametrize("what", ["promote", "retire", "note"])
def test_an_unknown_model_is_an_error_that_changes_nothing(opened: Open, what: str) -> None:
    registry = opened()
    registry.add(A, b"a", "trained")
    registry.promote("machines", A.id, "first")

    with pytest.raises(ModelError, match="family machines has no model bbbb"):
        getattr(registry, what)("machines", B.id, "why")

    assert registry.champion("machines") == A
    assert len(lives(registry)) == 2


def test_promotions_at_the_same_time_leave_one_champion(opened: Open) -> None:
    registries = [opened() for _ in range(4)]
    rows = [replace(A, id=str(i) * 64) for i in range(4)]
    for row in rows:
        registries[0].add(row, b"x", "trained")

    def promote(registry: ModelRegistry, row: ModelRow) -> None:
        for _ in range(5):
            registry.promote("machines", row.id, "me")

    threads = [threading.Thread(target=promote, args=pair) for pair in zip(registries, rows, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    state = {change.model: change.state for change in registries[0].life("machines")}
    champion = registries[0].champion("machines")
    assert champion is not None
    assert [model for model, last in state.items() if last is Life.CHAMPION] == [champion.id]


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_score_names_the_model_of_its_family_where_two_have_equal_ones(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url = f"sqlite:///{tmp_path}/store.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    upgrade(url)
    database, store = connect(url), open_store(url)
    families, blocks = ("machines", "pumps"), []
    for family in families:
        make_champion(store, replace(A, family=family))
        blocks.append(block(store.open_streams("live", family, ["m-1"])[0].id, scores([1]), A.id, family))
    store.take("live", [TOPIC])

    store.commit(Commit("live", scores=blocks, positions={TOPIC: (1, 1)}))

    s, m = schema.scores.c, schema.models.c
    joined = select(m.family).join(schema.scores, s.model == m.ref).order_by(s.stream_id)
    with database.reading() as connection:
        assert tuple(connection.execute(joined).scalars()) == families
    database.close()
    store.close()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_score_may_name_the_forty_thousandth_model(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    url = f"sqlite:///{tmp_path}/store.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    upgrade(url)
    database, store = connect(url), open_store(url)
    columns = {"ref": 40_000, "id": A.id, "family": "machines", "path": "", "manifest": "{}", "state": "champion"}
    with database.writing() as connection:
        connection.execute(schema.models.insert().values(**columns, created=0))
    stream = store.open_streams("live", "machines", ["m-1"])[0].id
    store.take("live", [TOPIC])

    store.commit(Commit("live", scores=[block(stream, scores([1, 2]), A.id)], positions={TOPIC: (1, 1)}))

    with database.reading() as connection:
        assert list(connection.execute(select(schema.scores.c.model)).scalars()) == [40_000, 40_000]
    database.close()
    store.close()
