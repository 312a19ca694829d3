"""A database, model and stream states of the version before are read on, as if that version had gone on itself."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.settings import Settings, load
from monitor.ports.source import Assignments
from monitor.records.batches import LIVE
from monitor.sources.memory import ListSource, Record
from monitor.store.migrations import upgrade
from monitor.training.model_manager import Champions
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner

BEFORE = Path(__file__).with_name("fixtures") / "before-the-house"
START = 1_700_000_000
MORE = 1000  # seconds in all; 700 of them are in the database


def messages() -> dict[tuple[str, int], list[Record]]:
    """What the version before read, and what it read next: m-0 is 3 too high from 680 s to 740 s."""
    noise = np.random.default_rng(5).normal(size=(4000, 4)) * 0.05
    logs: dict[tuple[str, int], list[Record]] = {("machines", 0): [], ("counted", 0): []}
    for i in range(MORE):
        for m in range(2):
            value = float(np.sin(i / 5 + m) + noise[i, m]) + (3.0 if m == 0 and 680 <= i < 740 else 0.0)
            logs["machines", 0].append(_message(f"m-{m}", i, value=value))
        jump = 9 if 690 <= i < 700 else 0
        logs["counted", 0].append(_message("c-0", i, a=float(noise[i, 2]), b=float(noise[i, 3]) + jump))
    return logs


def _message(stream: str, second: int, **values: float) -> Record:
    rounded = {name: round(value, 6) for name, value in values.items()}
    return stream.encode(), json.dumps({"time": START + second, **rounded}).encode()


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The files of the version before, upgraded as `watchkeeper db upgrade` does."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(BEFORE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "plant.db").write_bytes(gzip.decompress((BEFORE / "plant.db.gz").read_bytes()))
    with closing(sqlite3.connect("plant.db")) as database, database:
        database.execute("UPDATE models SET path = replace(path, '/plant', ?)", (str(tmp_path),))
    written = Path("plant.toml").read_text()  # the version before knew no recipe but this one
    Path("plant.toml").write_text(written.replace('topic = "counted"', 'topic = "counted"\nrecipe = "plain"'))
    settings = load(Path("plant.toml"))
    upgrade(settings.store.url)
    return settings


def go_on(settings: Settings) -> None:
    store, pipelines, logs = bootstrap.store(settings), bootstrap.pipelines(settings), messages()

    def connect(listener: Assignments) -> ListSource:
        indexes = {name: pipeline.index for name, pipeline in pipelines.items()}
        return ListSource(logs, bootstrap.decoders(settings, indexes), listener, batch=37)

    models = Champions(store, bootstrap.library(settings, store), LIVE, bootstrap.normal_scores())
    options = WorkerOptions(commit_interval=0.0, until_end=True, announce=bootstrap.announce(settings))
    totals = Runner(connect, store, pipelines, models, options).run()
    store.close()
    assert totals.records == 3 * (MORE - 700)


def rows(query: str) -> list[list[Any]]:
    with closing(sqlite3.connect("plant.db")) as database:
        return [list(row) for row in database.execute(query)]


def test_a_worker_goes_on_where_the_version_before_stopped(plant: Settings) -> None:
    expected = json.loads((BEFORE / "expected.json").read_text())

    go_on(plant)

    scores = rows(
        'SELECT name, end_ns, score, "limit", ratio, scores.state FROM scores '
        f"JOIN streams ON streams.id = stream_id WHERE end_ns > {(START + 699) * 10**9} ORDER BY 1, 2"
    )
    assert [row[:2] for row in scores] == [row[:2] for row in expected["scores"]]
    # Another processor may compute other last bits.
    for found, wanted in zip(zip(*scores, strict=True), zip(*expected["scores"], strict=True), strict=True):
        assert found == pytest.approx(wanted, rel=1e-4) if isinstance(wanted[0], float) else found == wanted
    alerts = rows("SELECT stream, opened_at, state, severity, resolved_at, windows, peak_ratio FROM alerts "
                  "ORDER BY opened_at, stream")  # fmt: skip
    assert [row[:-1] for row in alerts] == [row[:-1] for row in expected["alerts"]]
    assert [row[-1] for row in alerts] == pytest.approx([row[-1] for row in expected["alerts"]], rel=1e-4)


def test_transitions_are_numbered_on(plant: Settings) -> None:
    """An alert that the version before opened is resolved by this one."""
    go_on(plant)

    found = rows("SELECT stream, opened_at, number, at, transitions.state FROM transitions "
                 "JOIN alerts ON alerts.id = alert ORDER BY opened_at, stream, number")  # fmt: skip
    assert found == json.loads((BEFORE / "expected.json").read_text())["transitions"]


def test_a_model_is_trained_from_the_history_of_the_version_before(plant: Settings) -> None:
    store = bootstrap.store(plant)
    waiting = store.open_streams(LIVE, "counted", ["c-0"])
    kept = list(store.history(LIVE, "counted", [stream.id for stream in waiting]))
    store.close()

    assert sum(len(block.time) for _, block in kept) == 700


def test_the_model_of_the_version_before_is_found_where_its_folder_is_now(plant: Settings) -> None:
    """Its row holds the absolute path of the machine that trained it; `models` of the settings is enough."""
    with closing(sqlite3.connect("plant.db")) as database, database:
        database.execute("UPDATE models SET path = '/gone' || path")
    store = bootstrap.store(plant)
    row = store.registry.champion("machines")
    assert row is not None

    loaded = bootstrap.library(plant, store).load(row, plant.families["machines"])
    life = store.registry.life("machines")
    store.close()

    assert loaded.profiles.keys() == {"m-0", "m-1"}
    assert [(change.state, change.reason) for change in life] == [("champion", "recorded by an earlier version")]


def test_its_damaged_profiles_are_refused_and_its_streams_go_on(plant: Settings) -> None:
    (folder,) = Path("artefacts/machines").iterdir()
    (folder / "profiles.json").write_text("[]")

    go_on(plant)

    assert rows("SELECT count(*) FROM model_changes WHERE reason LIKE 'not loaded on %'") == [[1]]
