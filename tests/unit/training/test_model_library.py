"""Models travel by id: to a machine with an empty folder, past a damaged copy, and from an earlier version."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor import bootstrap
from monitor.config.families import Family
from monitor.errors import ModelError
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.ports.models import ModelRow
from monitor.records.batches import Float32
from monitor.store.memory_registry import MemoryModelRegistry
from monitor.testing.in_memory import DistanceScorer
from monitor.training import model_folder, model_library
from monitor.training.model_library import ModelLibrary, other_detector
from monitor.training.profile_files import load_profiles, save_profiles
from tests.unit.training.test_fit import Recording, family

ONE: Float32 = np.ones(1, np.float32)
PROFILES = {"a": Profile(0 * ONE, ONE, 1.0, 0.5, 60, 5, 95, 10)}


@pytest.fixture
def registry() -> MemoryModelRegistry:
    return MemoryModelRegistry()


def library(registry: MemoryModelRegistry, folder: Path) -> ModelLibrary:
    return ModelLibrary(registry, folder, lambda path: DistanceScorer())


def kept(registry: MemoryModelRegistry, folder: Path) -> ModelRow:
    return library(registry, folder).keep("pumps", family(), Recording(), PROFILES)


def edit(profiles: Path) -> None:
    """As a person does, by hand."""
    loaded = load_profiles(profiles)
    save_profiles(profiles, {name: Profile(p.center + 1, p.scale, 1.0, 0.5, 60) for name, p in loaded.items()})


def test_a_machine_with_an_empty_folder_fetches_the_model_from_the_registry(
    registry: MemoryModelRegistry, tmp_path: Path
) -> None:
    row = kept(registry, tmp_path / "here")
    shutil.rmtree(tmp_path / "here")

    scorer, profiles = library(registry, tmp_path / "there").load(row, family())

    assert profiles.keys() == {"a"}
    assert scorer.score(np.ones((2, 4, 1), np.float32)).tolist() == [1, 1]
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == [row.id]


def test_no_path_of_a_machine_is_recorded(registry: MemoryModelRegistry, tmp_path: Path) -> None:
    assert str(tmp_path) not in str(kept(registry, tmp_path))


@pytest.mark.parametrize("damage", ["profile", "swap", "empty"])
def test_a_damaged_copy_is_fetched_again(registry: MemoryModelRegistry, tmp_path: Path, damage: str) -> None:
    row = kept(registry, tmp_path)
    folder = tmp_path / row.id
    if damage == "profile":
        edit(folder)
    else:
        shutil.rmtree(folder)
        folder.mkdir()
    if damage == "swap":
        other = model_folder.write(tmp_path / "other", family(), Recording(), {"b": PROFILES["a"]})
        shutil.copytree(other, folder, dirs_exist_ok=True)

    with capture_logs() as lines:
        _, profiles = library(registry, tmp_path).load(row, family())

    assert [line["event"] for line in lines] == ["model_folder_damaged"]
    assert profiles["a"].center.tolist() == [0]
    assert model_folder.holds(folder, row.id)
    assert not list(tmp_path.glob(".draft*"))


def test_an_artefact_that_is_damaged_in_sql_is_refused(registry: MemoryModelRegistry, tmp_path: Path) -> None:
    row = kept(registry, tmp_path / "here")
    registry.bodies["pumps", row.id] = registry.bodies["pumps", row.id][:-1] + b"!"

    with pytest.raises(ModelError, match=r"damaged in SQL.*train the family again"):
        library(registry, tmp_path / "there").load(row, family())
    assert not (tmp_path / "there").exists()


def test_a_large_model_is_only_in_the_shared_folder(
    registry: MemoryModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_library, "MOST_IN_SQL", 10)
    row = kept(registry, tmp_path / "shared")
    assert registry.bodies == {}

    assert library(registry, tmp_path / "shared").load(row, family()).profiles.keys() == {"a"}
    with pytest.raises(ModelError, match=r"too large for SQL.*share the folder `models`"):
        library(registry, tmp_path / "elsewhere").load(row, family())
    edit(tmp_path / "shared" / row.id)
    with pytest.raises(ModelError, match="not what its id says"):
        library(registry, tmp_path / "shared").load(row, family())


def test_a_large_model_from_another_place_is_put_into_the_shared_folder(
    registry: MemoryModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_library, "MOST_IN_SQL", 10)
    folder = model_folder.write(tmp_path / "mailed", family(), Recording(), PROFILES)
    shared = library(registry, tmp_path / "shared")

    assert shared.folder(shared.add("pumps", folder, "mailed")).parent == tmp_path / "shared"


@pytest.mark.parametrize(
    ("other", "key"),
    [
        ({"recipe": "plain", "window": {"length": 5}}, "length = 4"),
        ({"recipe": "plain", "window": {"length": 4, "derived": ["hour_of_day"]}}, "channels = 1"),
        ({"channels": ["a", "b"]}, "channels = 1"),
        ({"channels": ["flow"]}, r"channel_names = \['value'\]"),
    ],
)
def test_a_model_of_other_windows_is_refused_before_it_scores(
    registry: MemoryModelRegistry, tmp_path: Path, other: dict[str, object], key: str
) -> None:
    folder = model_folder.write(tmp_path, family(), Recording(), PROFILES)
    manifest = json.loads((folder / model_folder.MANIFEST).read_text()) | {"length": 4, "channels": 1}
    (folder / model_folder.MANIFEST).write_text(json.dumps(manifest))
    row = library(registry, tmp_path).add("pumps", folder, "test")
    assert library(registry, tmp_path).load(row, family()).profiles

    with pytest.raises(ModelError, match=f"trained for {key}, but the settings say"):
        library(registry, tmp_path).load(row, family(**other))


def test_whatever_is_wrong_with_an_artefact_is_a_model_error(registry: MemoryModelRegistry, tmp_path: Path) -> None:
    row = kept(registry, tmp_path)

    def crash(path: Path) -> DistanceScorer:
        raise KeyError("graph")

    with pytest.raises(ModelError, match=rf"{row.id[:16]}.*cannot be loaded: KeyError"):
        ModelLibrary(registry, tmp_path, crash).load(row, family())


def test_a_scorer_that_fails_names_its_model(registry: MemoryModelRegistry, tmp_path: Path) -> None:
    class Odd(DistanceScorer):
        def score(self, windows: Float32) -> Float32:
            if len(windows) == 2:
                raise MemoryError
            return windows

    row = kept(registry, tmp_path)
    scorer = ModelLibrary(registry, tmp_path, lambda path: Odd()).load(row, family()).scorer

    named = f"model {row.id[:16]} of family pumps"
    with pytest.raises(ModelError, match=rf"{named} fails on windows of shape \(2, 4, 1\): MemoryError"):
        scorer.score(np.ones((2, 4, 1), np.float32))
    with pytest.raises(ModelError, match=rf"{named} gives shape \(3, 4, 1\)"):
        scorer.score(np.ones((3, 4, 1), np.float32))
    for found in (scorer.explain(np.ones((3, 4, 1), np.float32)), scorer.reconstruct(np.ones((3, 4, 1), np.float32))):
        assert found is not None
        assert found.shape == (3, 4, 1)


def test_a_folder_that_cannot_be_looked_at_is_a_model_error(registry: MemoryModelRegistry, tmp_path: Path) -> None:
    """As one of another user; here its name is too long, which the system refuses to everybody alike."""
    row, unreadable = kept(registry, tmp_path), Path("x" * 5000)

    with pytest.raises(ModelError, match=row.id[:16]):
        library(registry, unreadable).load(row, family())
    with pytest.raises(ModelError, match="model 3333333333333333 of family pumps cannot be read"):
        library(registry, tmp_path).load(
            ModelRow(id="3" * 64, family="pumps", manifest="{}", path=str(unreadable)), family()
        )
    assert not model_folder.holds(unreadable, row.id)


def test_what_cannot_be_unpacked_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_text("left here by hand")

    with pytest.raises(ModelError, match=r"'a b\.txt', which is no file of a model; remove it"):
        model_folder.pack(tmp_path)


class TestOfAnEarlierVersion:
    """Its rows hold an absolute path, and their id is that of the weights."""

    def row(self, folder: Path) -> ModelRow:
        drafted = model_folder.write(folder, family(), Recording(), PROFILES)
        path = folder / "pumps" / "33f8b10b156c3da3"
        path.parent.mkdir()
        drafted.rename(path)
        text = (path / model_folder.MANIFEST).read_text()
        return ModelRow(id="33f8b10b156c3da3" * 4, family="pumps", manifest=text, path=str(path))

    def test_is_loaded_from_its_path(self, registry: MemoryModelRegistry, tmp_path: Path) -> None:
        row = self.row(tmp_path / "old")

        assert library(registry, tmp_path / "new").load(row, family()).profiles.keys() == {"a"}

    def test_is_found_where_its_folder_was_copied_to(self, registry: MemoryModelRegistry, tmp_path: Path) -> None:
        row = self.row(tmp_path / "old")
        (tmp_path / "old").rename(tmp_path / "new")

        assert library(registry, tmp_path / "new").load(row, family()).profiles.keys() == {"a"}

    def test_a_missing_or_swapped_folder_is_refused(self, registry: MemoryModelRegistry, tmp_path: Path) -> None:
        row = self.row(tmp_path / "old")
        (Path(row.path) / model_folder.MANIFEST).write_text("{}")
        with pytest.raises(ModelError, match="holds another model"):
            library(registry, tmp_path).load(row, family())
        shutil.rmtree(row.path)
        with pytest.raises(ModelError, match="is missing"):
            library(registry, tmp_path).load(row, family())

    def test_that_knew_no_hashes_of_profiles_is_loaded(self, registry: MemoryModelRegistry, tmp_path: Path) -> None:
        row = self.row(tmp_path / "old")
        text = json.dumps({key: value for key, value in json.loads(row.manifest).items() if key != "beside"})
        (Path(row.path) / model_folder.MANIFEST).write_text(text)

        loaded = library(registry, tmp_path / "new").load(replace(row, manifest=text), family())
        assert loaded.profiles.keys() == {"a"}

    def test_the_profiles_of_another_model_are_refused(self, registry: MemoryModelRegistry, tmp_path: Path) -> None:
        row = self.row(tmp_path / "old")
        save_profiles(Path(row.path), {"b": PROFILES["a"]})

        with pytest.raises(ModelError, match="is not what the manifest of the model describes"):
            library(registry, tmp_path).load(row, family())


def test_a_folder_put_together_from_two_models_is_not_recorded(registry: MemoryModelRegistry, tmp_path: Path) -> None:
    folder = model_folder.write(tmp_path, family(), Recording(), PROFILES)
    save_profiles(folder, {"b": PROFILES["a"]})

    with pytest.raises(ModelError, match="is not what the manifest of the model describes"):
        library(registry, tmp_path).add("pumps", folder, "mailed")


def test_a_model_that_was_recorded_with_another_manifest_is_refused(
    registry: MemoryModelRegistry, tmp_path: Path
) -> None:
    row = kept(registry, tmp_path)

    with pytest.raises(ModelError, match=f"holds another model than {row.id[:16]} of family pumps"):
        library(registry, tmp_path).load(replace(row, manifest="{}"), family())


@pytest.mark.parametrize("manifest", ["[" * 100_000, "[]", "", "{", '{"a": ' * 100_000])
def test_a_manifest_that_is_none_is_a_model_error(registry: MemoryModelRegistry, tmp_path: Path, manifest: str) -> None:
    row = ModelRow(id="3" * 64, family="pumps", manifest=manifest)
    for use in (lambda: library(registry, tmp_path).load(row, family()), lambda: other_detector(row, family())):
        with pytest.raises(ModelError, match=r"manifest of model 3+ of family pumps is damaged"):
            use()


def test_a_manifest_larger_than_any_is_not_read(registry: MemoryModelRegistry, tmp_path: Path) -> None:
    folder = model_folder.write(tmp_path, family(), Recording(), PROFILES)
    with (folder / model_folder.MANIFEST).open("r+b") as file:
        file.truncate(2**30)

    with pytest.raises(ModelError, match="is no manifest: it has 1,073,741,824 bytes"):
        library(registry, tmp_path).load(ModelRow(id="3" * 64, family="f", manifest="{}", path=str(folder)), family())


def test_a_real_detector_scores_alike_on_another_machine(registry: MemoryModelRegistry, tmp_path: Path) -> None:
    chosen = Family.model_validate(
        {
            "topic": "t",
            "interval": "1s",
            "recipe": "plain",
            "window": {"length": 4},
            "detector": {"options": {"hidden": [2], "epochs": 2}},
        }
    )
    windows = np.random.default_rng(0).normal(size=(64, 4, 1)).astype(np.float32)
    detector = bootstrap.detector(chosen)
    detector.fit(windows)
    row = ModelLibrary(registry, tmp_path / "here", bootstrap.load_detector).keep("pumps", chosen, detector, PROFILES)

    loaded = ModelLibrary(registry, tmp_path / "there", bootstrap.load_detector).load(row, chosen)

    assert loaded.scorer.score(windows).tobytes() == detector.score(windows).tobytes()
    manifest = json.loads(row.manifest)
    assert (manifest["channel_names"], manifest["data"]["span"]) == (["value"], [5, 95])
    assert loaded.profiles["a"].readings == 10
