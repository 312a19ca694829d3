"""The composition root: every entry of every registry can be found, and every module has an entry."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, get_args
from uuid import UUID

import numpy as np
import pytest

from models import DETECTORS
from monitor import bootstrap
from monitor.bootstrap import assembly
from monitor.config.families import Threshold
from monitor.config.formats import Kind
from monitor.config.notifiers import CHANNELS
from monitor.config.references import resolve
from monitor.config.settings import Settings, parse
from monitor.config.windows import KINDS, Window
from monitor.errors import SettingsError
from monitor.pipeline.scoring import cold_start
from monitor.pipeline.scoring.recipes import registry
from monitor.pipeline.windowing.registry import WINDOWERS
from monitor.ports.source import Assignments, Source
from monitor.ports.store import HistoryBlock
from monitor.records.score_summaries import Policy
from monitor.replay.bounded_run import Replay
from monitor.testing.in_memory import ListSource
from monitor.worker import interpreter
from monitor.worker.options import WorkerOptions
from tests.champions import train_champion
from tests.unit.notify.test_payload import ALERT, OPENED

ROOT = Path(bootstrap.__file__).parents[1]
HELPERS = {
    "pipeline/thresholds": {"base", "fixed", "histogram"},
    "pipeline/scoring/recipes": {"registry"},
    "notify": {
        "announcement",
        "beating",
        "dead_man",
        "digest",
        "gate",
        "causes",
        "cut",
        "incident_payload",
        "payload",
        "ranking",
        "hosts",
        "webhook_target",
        "ssrf_guard",
        "dispatcher",
        "lane",
        "attempt",
        "dial",
        "senders",
        "posting",
        "message",
        "secret_text",
        "keep_alive",
        "sentence",
        "socket_guard",
        "apprise_log",
        "picture",
        "sample",
        "retry_schedule",
    },
}
RECIPES = {f"{name} {version}": reference for (name, version), reference in registry.RECIPES.items()}


@pytest.mark.parametrize("registry", [bootstrap.THRESHOLDS, bootstrap.NOTIFIERS, RECIPES, WINDOWERS])
def test_every_entry_can_be_found(registry: dict[str, str]) -> None:
    for reference in registry.values():
        assert callable(resolve(reference))


@pytest.mark.parametrize(
    ("folder", "registry"),
    [
        ("pipeline/thresholds", bootstrap.THRESHOLDS),
        ("pipeline/scoring/recipes", RECIPES),
        ("notify", bootstrap.NOTIFIERS),
    ],
)
def test_every_module_is_registered(folder: str, registry: dict[str, str]) -> None:
    modules = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"} - HELPERS[folder]

    assert modules == {reference.partition(":")[0].rpartition(".")[2] for reference in registry.values()}


def test_every_kind_of_window_has_rules_and_a_windower() -> None:
    kinds = get_args(Window.model_fields["kind"].annotation)

    assert list(KINDS) == list(WINDOWERS) == list(kinds)


def test_the_configuration_offers_what_is_registered() -> None:
    assert list(bootstrap.THRESHOLDS) == list(get_args(Threshold.model_fields["kind"].annotation))
    assert list(bootstrap.DECODERS) == list(get_args(Kind))
    kinds = [get_args(table.model_fields["kind"].annotation)[0] for table in CHANNELS]
    assert list(bootstrap.NOTIFIERS) == kinds


@pytest.mark.parametrize(("name", "version"), registry.RECIPES)
def test_a_recipe_is_called_as_it_is_registered(name: str, version: int) -> None:
    (family,) = parse(ONE_FAMILY).families.values()

    made = resolve(registry.RECIPES[name, version])(family, bootstrap.threshold(family))

    assert (made.name, made.version) == (name, version)


def test_the_bootstrap_detector_sees_a_jump_and_forgives_noise() -> None:
    windows = np.random.default_rng(0).normal(50, 1, (200, 60, 2)).astype(np.float32)
    windows[0, -1, 1] = 90

    scores = cold_start.score(windows)

    assert scores[0] > cold_start.LIMIT
    assert (scores[1:] < cold_start.LIMIT).all()


def test_the_bootstrap_detector_keeps_quiet_where_it_knows_nothing() -> None:
    short = np.ones((3, 4, 1), np.float32)
    holes = np.full((1, 20, 1), np.nan, np.float32)

    assert np.isnan(cold_start.score(short)).all()
    assert np.isnan(cold_start.score(holes)).all()
    assert cold_start.score(np.ones((1, 20, 1), np.float32)) == 0


ONE_FAMILY: dict[str, Any] = {
    "families": {
        "f": {
            "topic": "t",
            "interval": "1s",
            "recipe": "plain",
            "window": {"length": 8},
            "detector": {"options": {"hidden": [4, 2]}},
        }
    }
}


def with_detectors(*detectors: dict[str, Any]) -> Settings:
    families = {
        f"f{i}": {"topic": f"t{i}", "interval": "1s", "recipe": "plain", "window": {"length": 8}, "detector": detector}
        for i, detector in enumerate(detectors)
    }
    return parse({"families": families})


@pytest.mark.parametrize(
    ("detector", "problem"),
    [
        ({"kind": "lstn"}, "families.f0.detector.kind: 'lstn' is not known; did you mean lstm?"),
        ({"kind": "foo"}, f"families.f0.detector.kind: 'foo' is not known; known: {', '.join(DETECTORS)}"),
        ({"options": {"layer": 3}}, "families.f0.detector.options: dense: unknown option or kind 'layer'"),
        ({"options": {"epoch": 3}}, "did you mean epochs?"),
        ({"options": {"epochs": -3}}, "at least 1"),
        ({"options": {"hidden": "a"}}, "hidden = 'a' has the wrong type; write a list"),
    ],
)
def test_a_detector_that_can_never_be_made_is_refused(detector: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        bootstrap.check_detectors(with_detectors(detector))

    assert problem in str(refused.value)


def test_wrong_detectors_of_all_families_are_told_together() -> None:
    with pytest.raises(SettingsError) as refused:
        bootstrap.check_detectors(with_detectors({"kind": "foo"}, {}, {"options": {"keep": 2}}))

    assert [problem.split(":")[0] for problem in refused.value.problems] == [
        "families.f0.detector.kind", "families.f2.detector.options"
    ]  # fmt: skip


def settings_of_every_kind(tmp_path: Path, scores: str) -> Settings:
    """No value is a default."""
    family = ONE_FAMILY["families"]["f"] | {"detector": {"kind": "mahalanobis"}}
    raw = {
        "families": {"f": family},
        "models": str(tmp_path / "models"),
        "kafka": {"bootstrap_servers": "embedded", "options": {"max.poll.interval.ms": 60_000}},
        "store": {"url": f"sqlite:///{tmp_path}/plant.db", "scores": scores, "commit_interval": "7s"},
        "notify": {"max_age": "3s", "console": {"kind": "log"}},
        "maintenance": {"weekly": {"start": "2026-01-04T01:00", "end": "2026-01-04T05:00", "score": False}},
    }
    return parse(raw)


def add_model(settings: Settings) -> None:
    values = np.random.default_rng(0).normal(50, 1, (300, 1)).astype(np.float32)
    store = bootstrap.store(settings)
    train_champion(settings, store, "f", [("s", HistoryBlock(0, np.arange(300) * 10**9, values))])
    store.close()


def nothing(running: object, listener: Assignments) -> Source:
    return ListSource({}, {}, listener)


def no_broker(settings: Settings) -> NoReturn:
    raise AssertionError("no broker is started here")


@pytest.mark.parametrize("scores", ["anomalies", "rollup"])
@pytest.mark.parametrize("replay", [None, Replay("r", nothing), Replay("r", nothing, notify=True)])
def test_every_worker_obeys_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scores: Policy, replay: Replay | None
) -> None:
    monkeypatch.setattr(assembly, "broker", nullcontext)
    settings = settings_of_every_kind(tmp_path, scores)
    add_model(settings)
    monkeypatch.setattr("monitor.notify.announcement.payload", lambda *_: "{}")

    with bootstrap.worker(settings, until_end=replay is None, replay=replay) as (runner, *_):
        options = runner._options
        sending = [thread for thread in threading.enumerate() if thread.name == "dispatcher"]
        assert options.upkeep is runner._models
        options.upkeep.refresh(runner._pipelines)
        one, at = np.zeros(1, np.int32), np.array([1_767_490_200 * 10**9])  # 2026-01-04, 01:30
        for pipeline in runner._pipelines.values():
            pipeline.index.intern(["m-1"])
            assert pipeline.maintenance.score.at(one, at) is not None
        assert (options.upkeep.muting is not None) is (replay is None or replay.notify)

    assert options == replace(
        WorkerOptions(), run="live" if replay is None else "r", live=replay is None, until_end=replay is None,
        scores=scores, commit_interval=7.0, rebalance_timeout=12.0, announce=options.announce, upkeep=options.upkeep,
        max_age=3 * 10**9 if replay is None else None, recorded=None if replay is None else {},
    )  # fmt: skip
    notifies = replay is None or replay.notify
    assert options.announce(OPENED, ALERT, None, UUID(int=1)) == ([("console", "{}")] if notifies else [])
    assert len(sending) == notifies


@pytest.mark.parametrize("dispatch", [True, False])
def test_a_worker_leaves_delivery_to_others_where_it_is_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dispatch: bool
) -> None:
    monkeypatch.setattr(assembly, "broker", nullcontext)
    settings = settings_of_every_kind(tmp_path, "all")
    add_model(settings)
    with bootstrap.worker(settings, until_end=True, dispatch=dispatch) as worker:
        assert (worker.dispatcher is not None) == dispatch
        assert worker.heartbeat is not None
        assert worker.heartbeat._report.delivers == (("console",) if dispatch else ())
        assert worker.runner._options.announce(OPENED, ALERT, None, UUID(int=1))  # they are written


def test_a_replay_starts_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of_every_kind(tmp_path, "all")
    add_model(settings)
    monkeypatch.setattr(assembly, "broker", no_broker)
    with bootstrap.worker(settings, replay=Replay("r", nothing)):
        pass


def test_a_worker_leaves_the_interpreter_as_it_was(tmp_path: Path) -> None:
    settings = settings_of_every_kind(tmp_path, "all")
    before = gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count()
    with bootstrap.worker(settings):
        assert (gc.get_threshold()[0], gc.get_freeze_count() > 0) == (interpreter.GARBAGE, True)
        assert sys.getswitchinterval() == pytest.approx(interpreter.SWITCH_S)
    assert (gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count()) == before


def test_only_bootstrap_puts_a_worker_together() -> None:
    made = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if re.search(r"\b(Runner|WorkerOptions|Pinned)\(", path.read_text(encoding="utf-8"))
    }
    assert made == {"bootstrap/assembly.py"}


def test_only_the_loop_and_the_worker_poll_a_source() -> None:
    """And what wraps a source, and `score` and `evaluate`, which look at the first rows before they make a pipeline."""
    polling = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if re.search(r"source\.poll\(", path.read_text(encoding="utf-8"))
    }
    assert polling == {
        "pipeline/loop.py", "worker/runner.py", "replay/time_range.py", "replay/times_read.py", "cli/score.py",
        "cli/evaluation/scored.py", "cli/evaluation/mitbih.py",
    }  # fmt: skip


def test_a_worker_starts_without_heavy_imports(tmp_path: Path) -> None:
    bootstrap.store(parse({**ONE_FAMILY, "store": {"url": f"sqlite:///{tmp_path}/plant.db"}})).close()
    code = f"""
import sys
from pathlib import Path
from monitor import bootstrap
from monitor.bootstrap import assembly
from monitor.config.references import resolve
from monitor.config.settings import parse
from tests.champions import make_champion
settings = parse({{**{ONE_FAMILY}, "store": {{"url": "sqlite:///{tmp_path}/plant.db"}}}})
bootstrap.check_detectors(settings)
with bootstrap.worker(settings, Path("plant.toml"), until_end=True):
    print([name for name in ("torch", "alembic", "scipy", "pandas", "sklearn", "matplotlib") if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "[]"  # after a log line about the embedded broker
