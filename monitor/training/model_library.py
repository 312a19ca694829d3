"""Models by id, on any machine: the registry has their rows and small artefacts, a folder the rest, and copies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from monitor.config.families import Family
from monitor.errors import MisfitError, ModelError, MonitorError
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.ports.models import ModelRegistry, ModelRow
from monitor.ports.scorer import Scorer
from monitor.training import model_folder
from monitor.training.fit import Trainable
from monitor.training.named_scorer import NamedScorer
from monitor.training.profile_files import load_profiles

log = structlog.get_logger()

MOST_MANIFEST = 16 * 2**20  # bytes
MOST_IN_SQL = 16 * 2**20  # bytes; a larger artefact is only in the folder, which all machines have to share then


class Loaded(NamedTuple):
    """A model ready to score."""

    scorer: Scorer
    profiles: Mapping[str, Profile]


class ModelLibrary:
    """The registry, and the folder `models` of the settings, in which a model is `FOLDER/id`.

    What is in SQL can be fetched into an empty folder; a copy that is not what its id says is fetched again.
    """

    def __init__(self, registry: ModelRegistry, folder: Path, read: Callable[[Path], Scorer]) -> None:
        self.registry = registry
        self._folder, self._read = folder, read

    def keep(self, name: str, family: Family, detector: Trainable, profiles: Mapping[str, Profile]) -> ModelRow:
        """Write a trained model to the folder and record it as a candidate for family `name`. Raises ModelError."""
        return self.add(name, model_folder.write(self._folder, family, detector, profiles), "trained")

    def add(self, name: str, folder: Path, reason: str) -> ModelRow:
        """Record the model in a folder, wherever that is, as a candidate for family `name`. Raises ModelError."""
        body = model_folder.pack(folder)
        row = ModelRow(id=model_folder.identity(body), family=name, manifest=_text(folder / model_folder.MANIFEST))
        load_profiles(folder, _beside(row))
        large = len(body) > MOST_IN_SQL
        if large:
            self._fetch(row, body)
        self.registry.add(row, None if large else body, reason)
        return row

    def load(self, row: ModelRow, family: Family) -> Loaded:
        """Make a model ready to score. Raises ModelError (MisfitError where it is sound), and StoreError."""
        name = f"model {row.id[:16]} of family {row.family}"
        try:
            check_fit(row, family)
            folder = self.folder(row)
            _refuse_other(folder, row)
            scorer, profiles = self._read(folder / model_folder.DETECTOR), load_profiles(folder, _beside(row))
        except MonitorError:
            raise
        except OSError as error:  # for example a folder of another user
            raise ModelError(f"{name} cannot be read: {error}; mend the permissions, or train it again") from error
        except Exception as error:  # what a damaged artefact makes of the libraries that read it has no common root
            raise ModelError(f"{name} in {self._folder} cannot be loaded: {error!r}; train it again") from error
        if any(profile.center.shape != (len(family.channels),) for profile in profiles.values()):
            raise ModelError(f"the stream profiles of {name} are not for {len(family.channels)} channels")
        return Loaded(NamedScorer(scorer, name), profiles)

    def folder(self, row: ModelRow) -> Path:
        """The model's folder on this machine, checked; it is fetched from SQL where it is missing or damaged."""
        if row.path:
            return self._earlier(row)
        target = model_folder.place(self._folder, row.id)
        if model_folder.holds(target, row.id):
            return target
        if target.exists():
            log.warning("model_folder_damaged", model=row.id[:16], folder=str(target))
        body = self.registry.body(row.family, row.id)
        if body is None:
            raise ModelError(
                f"model {row.id[:16]} of family {row.family} is too large for SQL, and {target} is missing or not what "
                "its id says; share the folder `models` of the settings among machines, or train the family again"
            )
        self._fetch(row, body)
        return target

    def _fetch(self, row: ModelRow, body: bytes) -> None:
        target = model_folder.place(self._folder, row.id)
        if model_folder.identity(body) != row.id:
            raise ModelError(
                f"model {row.id[:16]} of family {row.family} is damaged in SQL (sha256 differs); train the family again"
            )
        with model_folder.drafted(self._folder) as draft:
            model_folder.unpack(body, draft)
            model_folder.install(draft, target)

    def _earlier(self, row: ModelRow) -> Path:
        """The folder of a model that an earlier version trained; its manifest says which files it may hold."""
        places = (Path(row.path), self._folder / row.family / row.id[:16])  # where it was, or where it was copied to
        folder = next((place for place in places if (place / model_folder.MANIFEST).is_file()), None)
        if folder is None:
            raise ModelError(f"the model of family {row.family} is missing: {row.path}; restore it, or train it again")
        return folder


def other_detector(row: ModelRow, family: Family) -> str:
    """How the settings ask for another detector than the model is, in words; empty where they do not."""
    manifest, detector = _manifest(row), family.detector
    options, config = json.loads(json.dumps(family.detector_options)), manifest.get("config")
    had = {"detector.kind": manifest.get("kind")}
    had |= {f"detector.options.{key}": config.get(key) if isinstance(config, dict) else None for key in options}
    wanted = {"detector.kind": detector.kind} | {f"detector.options.{key}": value for key, value in options.items()}
    changed = [key for key, value in had.items() if value is not None and value != wanted[key]]
    return "; ".join(f"trained with {key} = {had[key]}, but the settings say {wanted[key]}" for key in changed)


def check_fit(row: ModelRow, family: Family) -> None:
    """Raise MisfitError for a model that was trained for other windows or another recipe, before it fails at one."""
    manifest = _manifest(row) | {"recipe": _beside(row).get(model_folder.RECIPE, "plain")}
    wanted = {
        "recipe": family.judged_by,
        "length": family.shape.length,
        "channels": len(family.detector_channels),
        "channel_names": list(family.detector_channels),
    }
    for key, value in wanted.items():
        if manifest.get(key) and manifest[key] != value:  # an earlier version left the names out
            raise MisfitError(
                f"model {row.id[:16]} of family {row.family} was trained for {key} = {manifest[key]}, but the settings "
                f"say {value}; train the family again, or restore the settings"
            )


def _refuse_other(folder: Path, row: ModelRow) -> None:
    """Raise ModelError where the folder does not hold the manifest that was recorded."""
    if _text(folder / model_folder.MANIFEST) != row.manifest:
        raise ModelError(f"{folder} holds another model than {row.id[:16]} of family {row.family}; restore it")


def _manifest(row: ModelRow) -> dict[str, Any]:
    try:
        found = json.loads(row.manifest)
    except (ValueError, RecursionError) as error:
        found = error
    if not isinstance(found, dict):
        raise ModelError(
            f"the manifest of model {row.id[:16]} of family {row.family} is damaged ({found!r:.200}); train the family "
            "again"
        )
    return found


def _beside(row: ModelRow) -> dict[str, str]:
    """Hashes of the profiles; an earlier version kept none, and its models have an id that covers them, or no check."""
    found = _manifest(row).get("beside", {})
    return found if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    try:
        if (size := path.stat().st_size) > MOST_MANIFEST:
            raise ModelError(f"{path} is no manifest: it has {size:,} bytes; restore it, or train the family again")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
