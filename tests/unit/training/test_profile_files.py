"""Stream profiles on disk: they come back, and what is damaged or no number is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from monitor.errors import ModelError
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.batches import NEVER, Float32
from monitor.training.profile_files import load_profiles, save_profiles

ONE: Float32 = np.ones(2, np.float32)


def test_profiles_come_back_from_disk(tmp_path: Path) -> None:
    half = np.array([3, np.nan], np.float32)  # the second channel was not learned
    rest = np.array([5, 7])
    profiles = {
        "pump ü": Profile(ONE, 2 * ONE, 0.5, 0.25, 77, 10, 90, 9, rest=rest), "b": Profile(half, half, 1.5, 0.5, 3),
    }  # fmt: skip

    save_profiles(tmp_path, profiles)
    loaded = load_profiles(tmp_path)

    assert list(loaded) == list(profiles)
    for name, profile in profiles.items():
        np.testing.assert_array_equal(loaded[name].center, profile.center)
        np.testing.assert_array_equal(loaded[name].scale, profile.scale)
        assert loaded[name].score_mean == profile.score_mean
        assert (loaded[name].score_std, loaded[name].score_count) == (profile.score_std, profile.score_count)
    assert (loaded["pump ü"].first, loaded["pump ü"].last, loaded["pump ü"].readings) == (10, 90, 9)
    assert [np.asarray(profile.rest).tolist() for profile in loaded.values()] == [[5, 7], [0, 0]]
    assert loaded["b"].learned.tolist() == [True, False]


def test_what_a_recipe_learned_of_each_stream_comes_back(tmp_path: Path) -> None:
    level: Float32 = np.array([0.5, 0.25], np.float32)
    learned = Profile(ONE, ONE, 1, 1, 1, constants={"weight": 3 * ONE, "level": level})
    save_profiles(tmp_path, {"a": learned, "b": Profile(ONE, ONE, 1, 1, 1)})

    loaded = load_profiles(tmp_path)

    assert {name: value.tolist() for name, value in loaded["a"].constants.items()} == {
        "weight": [3, 3], "level": [0.5, 0.25],
    }  # fmt: skip
    assert all(np.isnan(value).all() for value in loaded["b"].constants.values())  # it was enrolled before


def test_profiles_of_an_earlier_version_have_no_span(tmp_path: Path) -> None:
    save_profiles(tmp_path, {"a": Profile(ONE, ONE, 1, 1, 1, 10, 90, 9)})
    arrays = load_file(tmp_path / "profiles.safetensors")
    del arrays["spans"]
    save_file(arrays, tmp_path / "profiles.safetensors")

    assert (load_profiles(tmp_path)["a"].first, load_profiles(tmp_path)["a"].readings) == (NEVER, 0)


def test_damaged_profiles_are_refused(tmp_path: Path) -> None:
    save_profiles(tmp_path, {"a": Profile(ONE, ONE, 1, 1, 1)})
    (tmp_path / "profiles.safetensors").write_bytes(b"nonsense")

    with pytest.raises(ModelError, match="train the family again"):
        load_profiles(tmp_path)


@pytest.mark.parametrize(
    "bad",
    [
        Profile(ONE * np.float32("nan"), ONE, 1, 1, 1),
        Profile(ONE, ONE * np.float32("inf"), 1, 1, 1),
        Profile(ONE, ONE * 0, 1, 1, 1),
        Profile(ONE, ONE, float("nan"), 1, 1),
        Profile(ONE, ONE, 1, -1, 1),
        Profile(ONE, ONE, 1, 1, -1),
        Profile(ONE, ONE, 1, 1, 1, least=float("inf")),
        Profile(ONE, ONE, 1, 1, 1, least=-1),
    ],
)
def test_a_profile_that_cannot_scale_or_judge_is_refused(tmp_path: Path, bad: Profile) -> None:
    with pytest.raises(ModelError, match="stream m-1 holds NaN"):
        save_profiles(tmp_path, {"m-0": Profile(ONE, ONE, 1, 1, 1), "m-1": bad})


def test_a_profile_made_nan_by_hand_is_refused(tmp_path: Path) -> None:
    save_profiles(tmp_path, {"m-0": Profile(ONE, ONE, 1, 1, 1)})
    arrays = load_file(tmp_path / "profiles.safetensors")
    arrays["scores"][0, 0] = np.nan
    save_file(arrays, tmp_path / "profiles.safetensors")

    with pytest.raises(ModelError, match="1 of 1 stream profiles"):
        load_profiles(tmp_path)


@pytest.mark.parametrize("name", ["profiles.safetensors", "profiles.json"])
def test_profiles_of_another_model_are_refused(tmp_path: Path, name: str) -> None:
    """They are sound; only the hash tells them from those of this model."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    hashes = save_profiles(here, {"a": Profile(ONE, ONE, 1, 1, 1)})
    save_profiles(there, {"b": Profile(2 * ONE, ONE, 1, 1, 1)})
    assert load_profiles(here, hashes).keys() == {"a"}
    (here / name).write_bytes((there / name).read_bytes())
    assert load_profiles(here)

    with pytest.raises(ModelError, match=rf"{name} is not what the manifest of the model describes"):
        load_profiles(here, hashes)


@pytest.mark.parametrize("names", ["[1]", '["a", "a"]', '{"a": 1}', "[" * 100_000, "null"])
def test_names_that_are_none_are_refused(tmp_path: Path, names: str) -> None:
    save_profiles(tmp_path, {"a": Profile(ONE, ONE, 1, 1, 1)})
    (tmp_path / "profiles.json").write_text(names)

    with pytest.raises(ModelError, match="cannot be read"):
        load_profiles(tmp_path)
