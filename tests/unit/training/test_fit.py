"""From history to a model: windows never span gaps, scaling survives constant channels, profiles come back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from monitor.config.families import Family
from monitor.errors import ModelError
from monitor.pipeline.scoring.stream_scaling import Profile, robust_scale
from monitor.ports.scorer import Scorer
from monitor.ports.store import HistoryBlock
from monitor.records.batches import Float32, Float64
from monitor.testing.in_memory import DistanceScorer
from monitor.training import fit

SECOND = 10**9


@dataclass
class Recording(DistanceScorer):
    """A detector that keeps what it was trained on."""

    seen: list[Float32] = field(default_factory=list)
    kind: str = ""

    def fit(self, windows: Float32) -> None:
        self.seen.append(windows)

    def save(
        self, path: Path, *, channel_names: Sequence[str], span: tuple[int, int], beside: Mapping[str, str]
    ) -> None:
        path.mkdir(parents=True)
        manifest = {"channel_names": list(channel_names), "span": span, "beside": dict(beside)} | (
            {"kind": self.kind} if self.kind else {}
        )
        (path / "manifest.json").write_text(json.dumps(manifest))


class Spread(Recording):
    """Scores the root mean square of a window around 0."""

    def score(self, windows: Float32) -> Float32:
        return np.asarray(np.sqrt(np.square(windows).mean(axis=(1, 2))))


@dataclass
class Plain:
    mean: float
    std: float
    count: int


def plain(scores: Float32) -> Plain:
    return Plain(float(scores.mean()), float(scores.std()), len(scores))


NORMAL = fit.NormalScores(0.2, plain)


def family(**changes: object) -> Family:
    return Family.model_validate(
        {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, **changes}
    )


def block(first: int, values: list[float]) -> HistoryBlock:
    time = (np.arange(len(values)) + first) * SECOND
    return HistoryBlock(1, time, np.array(values, np.float32)[:, None])


def test_no_training_window_spans_a_gap() -> None:
    detector = Recording()
    history = [("a", block(0, list(range(40)))), ("a", block(100, list(range(100, 140))))]

    fit.train(family(scale="none"), history, lambda: detector, NORMAL)

    steps = np.diff(detector.seen[0][:, :, 0], axis=1)
    assert len(detector.seen[0]) == 2 * 37
    assert (steps == 1).all()


def test_every_stream_is_scaled_by_its_own_profile_and_pooled_in_time_order() -> None:
    detector = Recording()
    rng = np.random.default_rng(0)
    history = [
        ("hot", block(0, (90 + 5 * rng.normal(size=200)).tolist())),
        ("cold", block(50, (10 + rng.normal(size=200)).tolist())),
    ]

    _, profiles = fit.train(family(), history, lambda: detector, NORMAL)

    assert abs(float(detector.seen[0].mean())) < 0.2
    assert abs(float(detector.seen[0].std()) - 1) < 0.2
    assert float(profiles["hot"].center[0]) == pytest.approx(90, abs=2)
    assert float(profiles["cold"].scale[0]) == pytest.approx(1, rel=0.3)


def test_too_little_history_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"32 complete windows of 4 readings; collect more"):
        fit.train(family(), [("a", block(0, [1.0] * 20))], Recording, NORMAL)


def test_enrolling_leaves_out_streams_with_too_little_history() -> None:
    history = [("short", block(0, [1.0] * 10)), ("long", block(0, np.arange(60.0).tolist()))]

    assert fit.enrol(family(), history, DistanceScorer(), NORMAL).keys() == {"long"}


def test_a_constant_channel_gets_a_scale_of_its_level() -> None:
    center, scale, rests = robust_scale(np.column_stack([np.full(50, 200.0), np.zeros(50)]).astype(np.float32))

    np.testing.assert_allclose(center, [200, 0])
    np.testing.assert_allclose(scale, [2, 1e-6], rtol=1e-6)
    assert rests.all()


@pytest.mark.parametrize("garbage", [-3.4e38, 3.4e38, 4294967295.0, 2147483647.0, -1e6, 65535.0, np.inf])
@pytest.mark.parametrize("usual", [20 + np.random.default_rng(1).normal(size=2000), np.tile([7.0], 2000)])
def test_one_garbage_reading_changes_no_scale_and_is_not_learned_from(garbage: float, usual: Float64) -> None:
    spoilt = usual.copy()
    spoilt[100] = garbage
    clean, dirty = (robust_scale(values.astype(np.float32)[:, None]) for values in (usual, spoilt))
    detector = Recording()

    _, profiles = fit.train(family(), [("a", block(0, spoilt.tolist()))], lambda: detector, NORMAL)

    assert dirty.scale[0] == pytest.approx(clean.scale[0], rel=0.02)
    assert (profiles["a"].garbage, len(detector.seen[0])) == (1, 1997)  # filled in, as a value that never came is
    assert np.abs(detector.seen[0]).max() < 10


@pytest.mark.parametrize("garbage", [-3.4e38, 2147483647.0, 65535.0, -32768.0])
@pytest.mark.parametrize("every", [3, 9, 20])
def test_much_garbage_leaves_the_scale_as_it_is(garbage: float, every: int) -> None:
    usual = 50 + 5 * np.sin(np.arange(2000) / 15) + np.random.default_rng(1).normal(size=2000)
    spoilt = np.where(np.arange(2000) % every == 1, garbage, usual)
    detector = Recording()

    _, profiles = fit.train(family(), [("a", block(0, spoilt.tolist()))], lambda: detector, NORMAL)

    assert profiles["a"].scale[0] == pytest.approx(robust_scale(usual.astype(np.float32)[:, None]).scale[0], rel=0.1)
    assert profiles["a"].garbage == np.count_nonzero(spoilt == garbage)
    assert np.abs(detector.seen[0]).max() < 10


def test_a_long_run_of_garbage_is_not_filled_in() -> None:
    values = 20 + np.random.default_rng(1).normal(size=400)
    values[100:110] = 4294967295.0
    detector = Recording()

    fit.train(family(), [("a", block(0, values.tolist()))], lambda: detector, NORMAL)

    assert len(detector.seen[0]) == 397 - 13
    assert np.isfinite(detector.seen[0]).all()


def test_a_state_that_is_rare_but_normal_is_learned_from() -> None:
    values = np.where(np.arange(2000) % 200 < 3, 5000.0, 2.0) + np.random.default_rng(0).normal(size=2000)
    detector = Recording()

    fit.train(family(), [("a", block(0, values.tolist()))], lambda: detector, NORMAL)

    assert len(detector.seen[0]) == 1997


@pytest.mark.parametrize("level", [20.0, 1013.2, 7.0])
def test_the_last_digit_of_a_channel_at_rest_is_no_fault_but_a_real_change_is(level: float) -> None:
    """The digit moved now and then while it was learned from, or never."""
    for flickers in (np.zeros(600), np.arange(600) % 40 == 7):
        values = level + 0.1 * flickers
        scorer, profiles = fit.train(family(), [("a", block(0, values.tolist()))], Spread, NORMAL)
        profile = profiles["a"]

        def score(value: float, scorer: Scorer = scorer, profile: Profile = profile) -> float:
            return float(
                scorer.score(np.full((1, 4, 1), (value - profile.center[0]) / profile.scale[0], np.float32))[0]
            )

        assert score(level + 0.1) <= profile.least
        assert score(level * 1.5) > 2 * profile.least


def test_a_channel_that_moves_leaves_its_limit_without_a_floor() -> None:
    values = 20 + np.random.default_rng(0).normal(size=600)

    _, profiles = fit.train(family(), [("a", block(0, values.tolist()))], Recording, NORMAL)

    assert profiles["a"].least == 0


# Channels that lack values


def two_channels(second: Float64) -> list[tuple[str, HistoryBlock]]:
    rng = np.random.default_rng(5)
    values = np.stack([rng.normal(20, 1, len(second)), second], axis=1).astype(np.float32)
    return [("a", HistoryBlock(1, np.arange(len(second)) * SECOND, values))]


def test_a_channel_that_never_had_a_value_is_not_learned_and_the_others_are() -> None:
    detector = Recording()
    settings_ = family(channels=["x", "y"])

    _, profiles = fit.train(settings_, two_channels(np.full(200, np.nan)), lambda: detector, NORMAL)

    assert profiles["a"].learned.tolist() == [True, False]
    assert profiles["a"].sound
    assert len(detector.seen[0]) == 197
    assert (detector.seen[0][:, :, 1] == 0).all()


@pytest.mark.parametrize(("dead_from", "learned", "windows"), [(150, [True, True], 147), (60, [True, False], 197)])
def test_a_channel_that_died_meanwhile_is_learned_if_it_lived_for_half_of_the_time(
    dead_from: int, learned: list[bool], windows: int
) -> None:
    detector = Recording()
    second = np.random.default_rng(6).normal(5, 1, 200)
    second[dead_from:] = np.nan

    _, profiles = fit.train(family(channels=["x", "y"]), two_channels(second), lambda: detector, NORMAL)

    assert profiles["a"].learned.tolist() == learned
    assert len(detector.seen[0]) == windows
    assert np.isfinite(detector.seen[0]).all()


def test_streams_without_any_value_are_left_out() -> None:
    history = [("dead", HistoryBlock(2, np.arange(200) * SECOND, np.full((200, 2), np.nan, np.float32)))]
    alive = two_channels(np.random.default_rng(7).normal(0, 1, 200))
    _, profiles = fit.train(family(channels=["x", "y"]), [*history, *alive], Recording, NORMAL)
    assert list(profiles) == ["a"]
    with pytest.raises(ModelError, match="has 32 complete windows"):
        fit.train(family(channels=["x", "y"]), history, Recording, NORMAL)


def test_the_longest_rest_of_each_channel_is_kept() -> None:
    second = np.random.default_rng(8).normal(0, 1, 400)
    second[100:121] = 3.0
    _, profiles = fit.train(family(channels=["x", "y"]), two_channels(second), Recording, NORMAL)
    assert np.asarray(profiles["a"].rest).tolist() == [SECOND, 20 * SECOND]
    second[150:300] = 3.0  # more than an eighth of all: that says nothing
    _, profiles = fit.train(family(channels=["x", "y"]), two_channels(second), Recording, NORMAL)
    assert np.asarray(profiles["a"].rest).tolist() == [SECOND, 0]


def test_a_history_of_garbage_says_so() -> None:
    values = np.where(np.arange(200) % 20 < 9, 4294967295.0, 20 + np.random.default_rng(0).normal(size=200))

    with pytest.raises(ModelError, match=r"90 readings are garbage"):
        fit.train(family(window={"length": 16}), [("a", block(0, values.tolist()))], Recording, NORMAL)
