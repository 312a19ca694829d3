"""Every detector in the registry keeps the contract of `models`, and what it declares it can do is so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import models
from models.artefacts.data import Float32
from models.contract import Capabilities
from models.registry import ENGINES, Kind, option_classes

if TYPE_CHECKING:
    from models.artefacts.scorer import Scorer
    from models.detector import Detector

LENGTH = 16
SMALL: dict[str, dict[str, Any]] = {
    "aer": {"hidden": 12, "latent": 6, "learning_rate": 1e-2, "epochs": 8},
    "autoregressive": {"epochs": 12, "learning_rate": 5e-3},
    "dagmm": {"learning_rate": 1e-2, "epochs": 20},
    "vae": {"learning_rate": 1e-2, "epochs": 40},
    "conv": {"filters": 8, "learning_rate": 1e-2, "epochs": 10},
    "lstm": {"hidden": 12, "latent": 6, "learning_rate": 1e-2},
    "recursive": {"learning_rate": 1e-2, "epochs": 12},
    "unet": {"filters": 8, "learning_rate": 1e-2, "epochs": 10},
    "ganomaly": {"batch_size": 48, "learning_rate": 5e-3},
    "skip_ganomaly": {"batch_size": 48, "learning_rate": 5e-3},
    "alocc": {"batch_size": 48, "learning_rate": 5e-3},
    "gan": {"batch_size": 48, "learning_rate": 5e-3},
    "fanogan": {"batch_size": 48, "learning_rate": 5e-3},
    "efficientgan": {"batch_size": 48, "learning_rate": 5e-3},
    "anogan": {"batch_size": 48, "learning_rate": 5e-3, "steps": 20},
}
TRAINING: dict[str, Any] = {"batch_size": 32, "epochs": 30}  # of kinds that have epochs
FORESEEING = {"autoregressive", "forecast"}  # a fault from the first reading on is blamed on its end
ABSOLUTE = {"anogan", "efficientgan"}  # sums of absolute errors: nothing that overflows is squared
LEAST_AUC = {"deep_svdd": 0.95}  # with faults in the history, which draw its sphere wider; .98 for all others
SECOND_ABOVE = {"aer": 0.3}  # share of a second way of running that is a little above the limit; .05 for all others
SHORT_FOUND = {
    "dagmm": 0.0,
    "deep_svdd": 0.9,
}  # share of the windows with a short fault that are above the limit; .95 for all others
SPIKE = 5  # the step at which a spike is planted
BLOCK = LENGTH // 4  # steps of a lasting fault


def waves(count: int, channels: int, seed: int) -> Float32:
    """Sine waves of one period and any phase, each channel with its level and size, and noise."""
    random = np.random.default_rng(seed)
    turns = np.arange(LENGTH) / LENGTH + random.random((count, 1))
    wave = np.sin(2 * np.pi * turns)[:, :, np.newaxis] + random.normal(0, 0.05, (count, LENGTH, channels))
    levels = np.array([80.0, -2.0])[:channels]
    sizes = np.array([4.0, 0.5])[:channels]
    return (levels + sizes * wave).astype(np.float32)


def with_spike(windows: Float32) -> Float32:
    """The windows with a spike in the last channel, as large as the wave."""
    spiked = windows.copy()
    spiked[:, SPIKE, -1] += 2 * np.ptp(windows[:, :, -1], axis=1)
    return spiked


@dataclass(frozen=True)
class Fitted:
    """A trained detector, fresh or saved and loaded again, and what it was made for."""

    channels: int
    trained: Detector
    detector: Detector | Scorer

    def reconstruct(self, windows: Float32) -> Float32:
        rebuilt = self.detector.reconstruct(windows)
        assert rebuilt is not None
        return rebuilt

    def explain(self, windows: Float32) -> Float32:
        shares = self.detector.explain(windows)
        assert shares is not None
        return shares

    @property
    def cells(self) -> list[Callable[[Float32], Float32]]:
        """What it gives beside scores, by what it can do."""
        can = self.detector.capabilities
        able = ((self.reconstruct, can.reconstructs), (self.explain, can.explains))
        return [ask for ask, known in able if known]


def small(kind: str, **training: Any) -> dict[str, Any]:
    """Options for a quick training."""
    epochs = models.DETECTORS[kind].capabilities.epochs
    shared, asked = (TRAINING, training) if epochs else ({}, {})
    return {"keep": 0.8, **shared, **SMALL.get(kind, {}), **asked}


def train(kind: str, channels: int, seed: int = 3, **training: Any) -> Detector:
    """A small detector, fitted to clean waves."""
    made = models.create(kind, length=LENGTH, channels=channels, seed=seed, **small(kind, **training))
    return made.fit(waves(600, channels, seed=1))


def kinds(can: Callable[[Capabilities], bool] = lambda _: True) -> list[str]:
    """The kinds with a capability."""
    return sorted(name for name, kind in models.DETECTORS.items() if can(kind.capabilities))


REBUILDING = sorted({*kinds(lambda can: can.reconstructs and can.explains)} - FORESEEING)


@pytest.fixture(scope="module", params=kinds())
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=[1, 2], ids=["one-channel", "two-channels"])
def trained(request: pytest.FixtureRequest, kind: str) -> Detector:
    return train(kind, request.param)


@pytest.fixture(scope="module")
def fitted(trained: Detector, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """Of one channel as it was trained, of two saved and loaded again."""
    if trained.channels == 1:
        return Fitted(trained.channels, trained, trained)
    folder = tmp_path_factory.mktemp("saved") / "artefact"
    trained.save(folder)
    return Fitted(trained.channels, trained, models.load(folder))


def only(can: Callable[[Capabilities], bool]) -> pytest.MarkDecorator:
    """Runs a test for the kinds with a capability."""
    return pytest.mark.parametrize("kind", kinds(can), indirect=True, scope="module")


def test_shapes_and_types(fitted: Fitted) -> None:
    windows = waves(5, fitted.channels, seed=2)

    scores = fitted.detector.score(windows)
    cells = [ask(windows) for ask in fitted.cells]

    assert scores.shape == (5,)
    assert {array.shape for array in cells} <= {windows.shape}
    assert {str(array.dtype) for array in (scores, *cells)} == {"float32"}
    assert (scores >= 0).all()


def test_what_a_kind_cannot_do_is_none(fitted: Fitted) -> None:
    windows = waves(5, fitted.channels, seed=2)
    can = models.DETECTORS[fitted.detector.kind].capabilities

    assert fitted.detector.capabilities == can
    assert (fitted.detector.reconstruct(windows) is not None) == can.reconstructs
    assert (fitted.detector.explain(windows) is not None) == can.explains
    assert (fitted.detector.encode(windows) is not None) == can.encodes
    assert (fitted.trained.history is not None) == can.epochs


def test_no_windows_are_no_scores(fitted: Fitted) -> None:
    nothing = np.empty((0, LENGTH, fitted.channels), np.float32)

    assert fitted.detector.score(nothing).shape == (0,)
    assert all(ask(nothing).shape == nothing.shape for ask in fitted.cells)


def test_learns(fitted: Fitted) -> None:
    clean = waves(100, fitted.channels, seed=4)
    scores = fitted.detector.score(np.concatenate([clean, with_spike(clean)]))

    assert roc_auc_score(np.repeat([0, 1], 100), scores) > 0.98


@only(lambda can: can.encodes)
def test_latent_vectors_keep_their_bits_in_any_batch(fitted: Fitted) -> None:
    windows = waves(64, fitted.channels, seed=4)
    windows[40, 3, 0] = np.nan
    whole = fitted.detector.encode(windows)

    assert whole is not None
    assert whole.dtype == np.float32
    assert np.flatnonzero(np.isnan(whole).any(axis=1)).tolist() == [40]
    assert (np.nanstd(whole, axis=0) > 0).all()
    for size in (0, 1, 2, 3, 7, 16, 33):
        np.testing.assert_array_equal(fitted.detector.encode(windows[5 : 5 + size]), whole[5 : 5 + size])


@only(lambda can: can.reconstructs)
def test_reconstructs_clean_windows(fitted: Fitted) -> None:
    clean = waves(100, fitted.channels, seed=4)

    spread = clean.std(axis=(0, 1))
    assert (np.abs(fitted.reconstruct(clean) - clean).mean(axis=(0, 1)) < 0.6 * spread).all()


def test_clean_windows_stay_below_the_default_limit(fitted: Fitted) -> None:
    scores = fitted.detector.score(waves(200, fitted.channels, seed=5))

    assert (scores > fitted.detector.training_scores.limit(n_std=6)).mean() < 0.1


@only(lambda can: can.explains)
def test_explanation_sums_to_one_and_points_at_the_spike(fitted: Fitted) -> None:
    spiked = with_spike(waves(20, fitted.channels, seed=6))

    shares = fitted.explain(spiked)

    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=(1, 2)), 1, rtol=1e-5)
    blamed = shares.reshape(20, -1).argmax(axis=1)
    assert (blamed == SPIKE * fitted.channels + fitted.channels - 1).mean() >= 0.9


@pytest.mark.parametrize("kind", REBUILDING, indirect=True, scope="module")
def test_the_top_cell_lies_inside_the_block_of_a_fault(fitted: Fitted) -> None:
    """A block of a quarter of the window, in one channel, is moved by twice the size of the wave: 200 trials."""
    random = np.random.default_rng(18)
    windows, rows = waves(200, fitted.channels, seed=18), np.arange(200)
    begins, channels = random.integers(0, LENGTH - BLOCK + 1, 200), random.integers(0, fitted.channels, 200)
    moves = random.choice([-2, 2], 200) * np.ptp(windows, axis=1)[rows, channels]
    for step in range(BLOCK):
        windows[rows, begins + step, channels] += moves

    tops = fitted.explain(windows).reshape(200, -1).argmax(axis=1)

    steps, blamed = np.divmod(tops, fitted.channels)
    assert ((steps >= begins) & (steps < begins + BLOCK) & (blamed == channels)).mean() >= 0.95


@only(lambda can: can.epochs)
def test_a_net_that_learned_gives_different_windows_different_answers(fitted: Fitted) -> None:
    """A collapsed latent vector or code gives every window one reconstruction, or one score."""
    clean = waves(100, fitted.channels, seed=19)

    assert np.ptp(fitted.detector.score(clean)) > 0
    for rebuilt in [fitted.reconstruct(clean)] if fitted.detector.capabilities.reconstructs else []:
        assert (rebuilt.std(axis=0).mean(axis=0) > 0.5 * clean.std(axis=0).mean(axis=0)).all()


def test_same_seed_same_scores_and_another_seed_others_where_epochs_shuffle(kind: str) -> None:
    windows = waves(50, 1, seed=7)
    one, same, other = (train(kind, 1, seed, epochs=2).score(windows) for seed in (0, 0, 1))

    np.testing.assert_array_equal(one, same)
    if models.DETECTORS[kind].capabilities.epochs:
        assert not np.array_equal(one, other)


def test_saved_and_loaded_it_scores_the_same_bits(fitted: Fitted) -> None:
    windows = waves(50, fitted.channels, seed=8)

    for name in ("score", "reconstruct", "explain"):
        expected, found = (getattr(one, name)(windows) for one in (fitted.trained, fitted.detector))
        np.testing.assert_equal(found, expected)
    assert fitted.detector.training_scores == fitted.trained.training_scores


def test_scores_as_the_library_that_fitted(fitted: Fitted) -> None:
    windows = with_spike(waves(50, fitted.channels, seed=11))
    known = fitted.trained._known()

    expected = known.fitted.score(known.scaler.forward(windows))

    np.testing.assert_allclose(fitted.detector.score(windows), expected, rtol=1e-5)


def test_batches_of_any_size_score_the_same_bits(fitted: Fitted) -> None:
    windows = waves(1100, fitted.channels, seed=12)
    whole = fitted.detector.score(windows)

    for size in (*range(1, 20), 33, 64, 100):
        np.testing.assert_array_equal(fitted.detector.score(windows[7 : 7 + size]), whole[7 : 7 + size], f"{size}")


def test_incomplete_windows_score_nan_and_leave_the_others_alone(fitted: Fitted) -> None:
    windows = waves(6, fitted.channels, seed=9)
    holed = windows.copy()
    holed[2, 3, 0] = np.nan
    holed[4, 0, -1] = np.inf

    scores = fitted.detector.score(holed)

    assert np.isnan(scores).tolist() == [False, False, True, False, True, False]
    others = [0, 1, 3, 5]
    np.testing.assert_array_equal(scores[others], fitted.detector.score(windows)[others])
    for ask in fitted.cells:
        assert np.isnan(ask(holed)).all(axis=(1, 2)).tolist() == [False, False, True, False, True, False]


def test_a_window_without_one_reading_scores_nan_wherever_that_is(fitted: Fitted) -> None:
    holed = waves(LENGTH, fitted.channels, seed=9)
    holed[np.arange(LENGTH), np.arange(LENGTH), -1] = np.nan

    assert np.isnan(fitted.detector.score(holed)).all()
    assert all(np.isnan(fitted.detector.score(window)).all() for window in holed[:, np.newaxis])


def test_huge_values_are_no_missing_ones(fitted: Fitted) -> None:
    windows = waves(2, fitted.channels, seed=9)
    windows[1] = 1e30

    score = fitted.detector.score(windows)[1]
    assert score > 1e20 if fitted.detector.kind in ABSOLUTE else score == np.inf


@pytest.mark.parametrize("shape", [(4, LENGTH), (4, LENGTH + 1, 1), (4, LENGTH, 3)])
def test_other_shapes_are_refused(fitted: Fitted, shape: tuple[int, ...]) -> None:
    with pytest.raises(models.ShapeError) as caught:
        fitted.detector.score(np.zeros(shape))

    assert str(shape) in str(caught.value)
    assert f"(n, {LENGTH}, {fitted.channels})" in str(caught.value)


def test_a_constant_channel_does_not_blow_up(kind: str) -> None:
    windows = waves(60, 2, seed=10)
    windows[:, :, 1] = 20.0
    detector = models.create(kind, length=LENGTH, channels=2, **small(kind, epochs=5)).fit(windows)
    windows[0, :, 1] = 20.5

    assert np.isfinite(detector.score(windows)).all()
    assert 0 < detector.training_scores.limit(n_std=6) < np.inf


def test_a_level_that_moves_where_none_ever_did_is_beyond_the_limit(kind: str) -> None:
    windows = np.full((60, LENGTH, 2), 20.0, np.float32)
    detector = models.create(kind, length=LENGTH, channels=2, **small(kind, epochs=5)).fit(windows)
    moved = windows[:1].copy()
    moved[:, :, 1] += 5

    assert detector.score(moved) > 2 * max(detector.training_scores.limit(n_std=6), detector.score(windows[:1]).item())


def test_asked_before_it_learned(kind: str) -> None:
    detector = models.create(kind, length=LENGTH, channels=1)

    for question in (detector.score, detector.reconstruct, detector.explain):
        with pytest.raises(models.NotFittedError, match="fit"):
            question(waves(2, 1, seed=0))
    with pytest.raises(models.NotFittedError, match="fit"):
        _ = detector.training_scores


def test_too_few_windows_to_learn_from(kind: str) -> None:
    windows = waves(30, 1, seed=0)
    windows[:12, 0, 0] = np.nan

    with pytest.raises(models.DataError, match="18 complete windows of 30"):
        models.create(kind, length=LENGTH, channels=1).fit(windows)


@pytest.mark.parametrize("fault", ["spikes", "outages"])
def test_faults_in_the_history_are_not_learned(kind: str, fault: str) -> None:
    dirty, test = waves(600, 1, seed=13), waves(100, 1, seed=14)
    if fault == "spikes":
        dirty[::15] = with_spike(dirty[::15])  # 7 %
    else:
        dirty[::50] = -9999
    detector = models.create(kind, length=LENGTH, channels=1, **small(kind)).fit(dirty)

    scores = detector.score(np.concatenate([test, with_spike(test)]))

    assert roc_auc_score(np.repeat([0, 1], 100), scores) > LEAST_AUC.get(kind, 0.98)


def two_ways(seed: int, burst: int = 0) -> tuple[Float32, Float32]:
    """Overlapping windows of a wave whose level is another one a third of the time, and how much of each is at that.

    With `burst`, its level is another one for so many readings in 60 instead.
    """
    random, at = np.random.default_rng(seed), np.arange(2400)
    second = at % 60 < burst if burst else at // 120 % 3 == 2
    values = 4 * np.sin(2 * np.pi * at / LENGTH) + random.normal(0, 0.2, len(at)) + 50 * second
    cut = [np.lib.stride_tricks.sliding_window_view(each, LENGTH)[::4] for each in (values, second)]
    return cut[0].astype(np.float32)[:, :, np.newaxis], cut[1].mean(1, dtype=np.float32)


def test_another_way_of_running_that_is_a_third_of_the_past_is_learned(kind: str) -> None:
    windows, share = two_ways(18)
    detector = models.create(kind, length=LENGTH, channels=1, **small(kind, keep=0.6)).fit(windows)

    ratio = detector.score(two_ways(19)[0]) / detector.training_scores.limit(n_std=6)

    assert (ratio[share == 0] > 1).mean() < 0.05
    assert (ratio[share == 1] > 1).mean() < SECOND_ABOVE.get(kind, 0.05)
    assert np.median(ratio[share == 1]) < 1.5


def test_short_faults_that_are_in_a_third_of_the_windows_are_not_learned(kind: str) -> None:
    windows, _ = two_ways(18, burst=4)
    detector = models.create(kind, length=LENGTH, channels=1, **small(kind, keep=0.6)).fit(windows)

    test, share = two_ways(19, burst=4)
    ratio = detector.score(test) / detector.training_scores.limit(n_std=6)

    assert (ratio[share > 0] > 1).mean() >= SHORT_FOUND.get(kind, 0.95)


def test_windows_unlike_any_score_above_the_limit(fitted: Fitted) -> None:
    usual = waves(50, fitted.channels, seed=15)
    centre, size = usual.mean(axis=(0, 1)), np.ptp(usual, axis=(0, 1))
    noise = np.random.default_rng(16).normal(0, 1, usual.shape).astype(np.float32)
    limit = fitted.detector.training_scores.limit(n_std=6)

    for far in (centre + 10 * (usual - centre), np.zeros_like(usual) + centre + 3 * size, centre + size * noise):
        assert (fitted.detector.score(far) > limit).mean() > 0.95


def test_fewer_windows_than_cells(kind: str) -> None:
    windows = waves(25, 2, seed=17)
    detector = models.create(kind, length=LENGTH, channels=2, **small(kind, epochs=2)).fit(windows)

    assert np.isfinite(detector.score(windows)).all()
    assert 0 < detector.training_scores.limit(n_std=6) < np.inf


def test_windows_that_never_change(kind: str) -> None:
    detector = models.create(kind, length=LENGTH, channels=1, **small(kind, epochs=2)).fit(np.full((40, LENGTH, 1), 7))

    assert np.isfinite(detector.score(np.full((2, LENGTH, 1), 8.0))).all()


def test_options_are_in_the_manifest_and_accepted_again(fitted: Fitted, tmp_path: Path) -> None:
    fitted.trained.save(tmp_path / "artefact")
    manifest = json.loads((tmp_path / "artefact" / "manifest.json").read_text())

    known = {field.name for options in option_classes(fitted.detector.kind) for field in fields(options)}
    assert manifest["config"].keys() == known >= {"validation", "keep"}
    assert Capabilities(**manifest["capabilities"]) == fitted.detector.capabilities
    models.check(fitted.detector.kind, manifest["config"])


WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import models, numpy

kind = sys.argv[1]
models.check(kind, {"keep": 0.5})
detector = models.create(kind, length=4, channels=1).fit(numpy.random.default_rng(0).normal(size=(40, 4, 1)))
detector.save(sys.argv[2])
print(models.load(sys.argv[2]).score(numpy.ones((1, 4, 1))).shape)
"""


@pytest.mark.parametrize("kind", kinds(lambda can: can.trains_with != "torch"))
def test_needs_no_torch_to_learn_and_score(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, kind, str(tmp_path / "artefact")]

    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "(1,)"


def test_the_registry_has_a_kind_of_either_sort() -> None:
    assert kinds(lambda can: can.reconstructs and can.epochs)
    assert kinds(lambda can: not can.reconstructs and not can.epochs and can.trains_with != "torch")
    assert {kind.capabilities.engine for kind in models.DETECTORS.values()} <= ENGINES.keys()
    assert all(isinstance(kind, Kind) for kind in models.DETECTORS.values())
