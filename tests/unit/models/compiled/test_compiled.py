"""Scores by machine code are those of the graph, for every way to cut products that this processor can run."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import models
from models.compiled import machine
from models.compiled.engine import CompiledEngine, quickened
from models.compiled.instructions import BLOCK, Cut, Operation
from models.compiled.program import Program
from models.compiled.programs import MOST_CELLS, PROGRAM, Trained, program
from models.contract import CONTRIBUTION, OUTPUTS, RECONSTRUCTION, SCORE
from tests.manifests import rewrite

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.detector import Detector

CUTS = [cut for cut in (machine.WIDE, machine.NARROW) if machine.cut() in (cut, machine.WIDE)]
pytestmark = pytest.mark.skipif(not CUTS, reason="this processor has no instruction for a product and a sum")

# Layers of one vector, of pairs, of pairs and one more, and with a part of a vector; steps filled up, and of channels.
CASES: list[tuple[str, int, int, dict[str, Any]]] = [
    ("dense", 140, 1, {}),
    ("dense", 1, 1, {"hidden": (2, 1)}),
    ("dense", 7, 3, {"hidden": (5, 1)}),
    ("dense", 24, 2, {"hidden": (70, 33, 3)}),
    ("sparse", 24, 1, {}),
    ("denoising", 24, 1, {}),
    ("denoising", 24, 1, {"linear": True}),
    ("denoising", 24, 1, {"linear": True, "hidden": (9, 4)}),
    ("lstm", 140, 1, {}),
    ("lstm", 35, 2, {}),
    ("lstm", 5, 1, {"hidden": 3, "latent": 1}),
    ("lstm", 1, 1, {"hidden": 16, "latent": 4}),
    ("lstm", 20, 20, {"hidden": 33, "latent": 18}),
]
COUNT = 2 * BLOCK + 17  # whole blocks, whole groups of rows, and rows by themselves


def name(case: tuple[str, int, int, dict[str, Any]]) -> str:
    return "-".join(str(part) for part in case[:3]) + "".join(f"-{key}" for key in case[3])


@cache
def fitted(number: int) -> Detector:
    kind, length, channels, options = CASES[number]
    rng = np.random.default_rng(0)
    level = 50 * rng.normal(size=channels)
    windows = level + rng.normal(size=(64, length, channels)) * rng.uniform(0.1, 10, channels)
    return models.create(kind, length=length, channels=channels, epochs=1, **options).fit(windows)


def net(detector: Detector) -> Trained:
    trained = detector._known()
    shape, scaler, weights = (detector.length, detector.channels), trained.scaler, trained.fitted.weights()
    return Trained(detector.kind, trained.fitted.options, shape, scaler.centre, scaler.scale, weights)


def engine(detector: Detector, cut: Cut) -> CompiledEngine:
    made = program(net(detector), cut.lanes)
    assert made is not None
    run = machine.compiled(cut, made.width, made.operations)
    return CompiledEngine(graph_of(detector), made, run, (detector.length, detector.channels))


def graph_of(detector: Detector) -> Any:
    found = detector._known().scorer._engine
    assert isinstance(found, CompiledEngine)
    return found._other


def some(detector: Detector, count: int = COUNT) -> Float32:
    scaler = detector._known().scaler
    scaled = np.random.default_rng(1).normal(size=(count, detector.length, detector.channels)).astype(np.float32)
    return scaler.backward(3 * scaled)


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: f"{cut.lanes}-lanes")
@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: name(CASES[number]))
class TestEveryProgram:
    def test_gives_the_scores_of_the_graph(self, number: int, cut: Cut) -> None:
        detector = fitted(number)
        windows = some(detector)

        found = engine(detector, cut).run(SCORE, windows)

        np.testing.assert_allclose(found, graph_of(detector).run(SCORE, windows), rtol=3e-6, atol=1e-6)

    def test_gives_the_same_bits_for_any_batching(self, number: int, cut: Cut) -> None:
        detector = fitted(number)
        windows, of = some(detector), engine(detector, cut)

        whole = of.run(SCORE, windows)

        for size in (1, 5, 12, 50):
            parts = [of.run(SCORE, windows[at : at + size]) for at in range(0, COUNT, size)]
            np.testing.assert_array_equal(np.concatenate(parts), whole)

    def test_keeps_windows_apart(self, number: int, cut: Cut) -> None:
        detector = fitted(number)
        windows, of = some(detector), engine(detector, cut)
        whole = of.run(SCORE, windows)
        odd = np.arange(0, COUNT, 3)
        windows[odd, -1] = np.resize(np.array([np.nan, np.inf, -np.inf, 3e38, -3e38], np.float32), (len(odd), 1))

        found = of.run(SCORE, windows)

        assert not np.isfinite(found[odd]).any()
        others = np.setdiff1d(np.arange(COUNT), odd)
        np.testing.assert_array_equal(found[others], whole[others])


def test_scores_are_those_of_the_saved_detector(tmp_path: Path) -> None:
    detector = fitted(0)
    windows = some(detector)
    detector.save(tmp_path / "saved")

    loaded = models.load(tmp_path / "saved")

    assert isinstance(loaded._engine, CompiledEngine)
    np.testing.assert_array_equal(loaded.score(windows), detector.score(windows))


def test_models_of_before_are_scored_by_their_graph(tmp_path: Path) -> None:
    detector = fitted(0)
    windows = some(detector)
    detector.save(tmp_path / "saved")
    assert json.loads((tmp_path / "saved/manifest.json").read_text())["program"] == PROGRAM

    for other in (PROGRAM + 1, None):
        rewrite(tmp_path / "saved", without="" if other else "program", program=other)
        loaded = models.load(tmp_path / "saved")
        np.testing.assert_array_equal(loaded.score(windows), graph_of(detector).run(SCORE, windows))


def test_a_program_that_computes_something_else_is_never_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = Program.apply
    monkeypatch.setattr(Program, "apply", lambda *given, bent: apply(*given, bent=False))

    with pytest.raises(models.ArtefactError, match="apart from what was fitted"):
        models.create("dense", length=8, channels=1, epochs=1).fit(np.random.default_rng(0).normal(size=(40, 8, 1)))


def test_models_of_other_kinds_do_not_load_llvm(tmp_path: Path) -> None:
    windows = np.random.default_rng(0).normal(size=(64, 12, 1))
    models.create("kmeans", length=12, channels=1).fit(windows).save(tmp_path / "saved")
    code = f"import models, sys; models.load({str(tmp_path / 'saved')!r}); sys.exit('llvmlite' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_everything_but_scores_is_the_graphs() -> None:
    detector = fitted(0)
    windows, of = some(detector, 3), detector._known().scorer._engine

    for output in (RECONSTRUCTION, CONTRIBUTION):
        np.testing.assert_array_equal(of.run(output, windows), graph_of(detector).run(output, windows))
    assert of.fits((140, 1), OUTPUTS)
    assert not of.fits((140, 1), [SCORE])
    assert not of.fits((70, 2), OUTPUTS)


def test_threads_do_not_disturb_one_another() -> None:
    detector = fitted(8)
    windows = some(detector)
    whole = detector.score(windows)

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(detector.score, [windows] * 16):
            np.testing.assert_array_equal(found, whole)


def test_only_operations_that_occur_are_compiled() -> None:
    dense, lstm = (program(net(fitted(number)), 16) for number in (0, 8))

    assert dense is not None
    assert lstm is not None
    assert dense.operations == {Operation.LOAD, Operation.LAYER, Operation.ERROR}
    assert lstm.operations == set(Operation)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("dense", {"error": "mae"}), ("dense", {"given": 1}), ("lstm", {"judged_by": "mahalanobis"}), ("conv", {})],
)
def test_scores_of_another_kind_are_left_to_the_graph(kind: str, options: dict[str, Any]) -> None:
    windows = np.random.default_rng(0).normal(size=(64, 12, 2))
    detector = models.create(kind, length=12, channels=2, epochs=1, **options).fit(windows)

    assert program(net(detector), 16) is None
    assert not isinstance(detector._known().scorer._engine, CompiledEngine)


def changed(trained: Trained, weight: str, value: Any) -> Trained:
    return replace(trained, weights={**trained.weights, weight: value})


def test_weights_that_do_not_belong_to_the_window_have_no_program() -> None:
    dense, lstm = net(fitted(0)), net(fitted(8))
    for trained in (dense, lstm):
        for weight, value in trained.weights.items():
            for other in (value[:-1], value[..., :-1], value[None], value.astype(np.float64), value[:0]):
                assert program(changed(trained, weight, other), 16) is None
            assert (
                program(replace(trained, weights={k: v for k, v in trained.weights.items() if k != weight}), 16) is None
            )
        for wrong in (
            changed(trained, "another", np.zeros(1, np.float32)),
            replace(trained, weights={}),
            replace(trained, shape=(70, 2)),
            replace(trained, shape=(0, 1)),
            replace(trained, shape=(MOST_CELLS + 1, 1)),
            replace(trained, centre=np.zeros(2, np.float32)),
            replace(trained, scale=np.zeros(1, np.float32)),
        ):
            assert program(wrong, 16) is None
    assert program(replace(dense, shape=(139, 1)), 16) is None


def test_without_the_instructions_graphs_score(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = fitted(0)
    monkeypatch.setattr(machine, "cut", lambda: None)

    assert quickened(graph_of(detector), net(detector)) is graph_of(detector)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"avx512f": True, "avx2": True, "fma": True}, machine.WIDE),
        ({"avx512f": False, "avx2": True, "fma": True}, machine.NARROW),
        ({"avx512f": False, "avx2": True, "fma": False}, None),
        ({}, None),
    ],
)
def test_the_widest_registers_are_taken(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, bool], expected: Cut | None
) -> None:
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda: features)

    assert machine.cut.__wrapped__() == expected


def test_an_unknown_processor_is_left_to_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> dict[str, bool]:
        raise RuntimeError("no features here")

    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", unknown)

    assert machine.cut.__wrapped__() is None
