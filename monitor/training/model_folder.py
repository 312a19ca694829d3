"""A model as a folder and as one blob: the same files, and an id that is the sha256 of all of them.

The folder holds `detector/` (the artefact of `models`) and the profiles of the family's streams. The blob is a magic
line, the length of a header (4 bytes, big-endian), the header (JSON: names and sizes) and the files, one behind the
other in the order of their names. Equal files give equal blobs; nothing in one can run code, or leave its folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from monitor.config.families import Family
from monitor.errors import ModelError
from monitor.outputs import scratch
from monitor.outputs.replacing import why
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.training.fit import Trainable
from monitor.training.profile_files import save_profiles

DETECTOR = "detector"
MANIFEST = f"{DETECTOR}/manifest.json"
RECIPE = "recipe"  # what is noted beside the hashes in the manifest: the recipe that it was trained for
MOST = 2**32  # bytes of all files

_MAGIC = b"watchkeeper model 1\n"
_NAME = re.compile(r"(?:\w[\w.-]*/)?\w[\w.-]*", re.ASCII)  # at most one folder deep; neither absolute nor upwards
_PIECE = 2**20
_ID = re.compile(r"[0-9a-f]{64}")


def write(root: Path, family: Family, detector: Trainable, profiles: Mapping[str, Profile]) -> Path:
    """Write detector and profiles to `root`/id, all or nothing, and return that folder. Raises ModelError."""
    span = min(p.first for p in profiles.values()), max(p.last for p in profiles.values())
    with drafted(root) as draft:
        hashes = save_profiles(draft, profiles)
        beside = hashes | {RECIPE: family.judged_by}
        detector.save(draft / DETECTOR, channel_names=family.detector_channels, span=span, beside=beside)
        target = root / identity_of(draft)
        install(draft, target)
    return target


@contextmanager
def drafted(root: Path) -> Iterator[Path]:
    """An empty folder beside the models to be filled and installed; it is deleted at the end. Raises ModelError.

    Its name is unique. Those of processes that were killed are deleted first.
    """
    with ExitStack() as stack:
        try:
            draft = stack.enter_context(scratch.draft(root))
        except OSError as error:
            raise ModelError(
                f"{root} must be writable for models, see `models` in the settings: {why(error)}"
            ) from error
        try:
            yield draft
        except OSError as error:
            raise ModelError(f"the model cannot be written to {root}: {why(error)}") from error


def install(draft: Path, target: Path) -> None:
    """Make `draft` the folder `target` unless a sound one is there; a damaged one is replaced. May raise OSError.

    A sound one is never moved, not even for a moment: another process may have written or be reading it.
    """
    for path in draft.rglob("*"):
        (scratch.sync_names if path.is_dir() else scratch.sync)(path)
    scratch.sync_names(draft)
    with scratch.alone(target.parent):
        if holds(target, target.name):
            return
        if target.exists():
            target.rename(draft.with_name(f"{draft.name}-damaged"))
        draft.rename(target)
        scratch.sync_names(target.parent)
    shutil.rmtree(draft.with_name(f"{draft.name}-damaged"), ignore_errors=True)


def identity(body: bytes) -> str:
    """The id of a packed model."""
    return hashlib.sha256(body).hexdigest()


def identity_of(folder: Path) -> str:
    """The id of the model in a folder; its files are read piece by piece. Raises ModelError."""
    try:
        paths = _files(folder)
        digest = hashlib.sha256(_header({name: path.stat().st_size for name, path in paths.items()}))
        for path in paths.values():
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
    except OSError as error:
        raise ModelError(f"the model in {folder} cannot be read: {error}") from error
    return digest.hexdigest()


def holds(folder: Path, model: str) -> bool:
    """Whether the folder is there, can be read, and holds exactly this model."""
    try:
        return folder.is_dir() and identity_of(folder) == model
    except (ModelError, OSError):
        return False


def pack(folder: Path) -> bytes:
    """The folder's files as one blob; hidden ones are left out. Raises ModelError."""
    try:
        bodies = {name: path.read_bytes() for name, path in _files(folder).items()}
    except OSError as error:
        raise ModelError(f"the model in {folder} cannot be read: {error}") from error
    return b"".join((_header({name: len(body) for name, body in bodies.items()}), *bodies.values()))


def _files(folder: Path) -> dict[str, Path]:
    """The files of a model by their names in it, sorted. Raises ModelError, and may raise OSError."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    found = {name: paths[name] for name in sorted(paths) if "/." not in f"/{name}"}
    for name in found:
        if not _NAME.fullmatch(name):
            raise ModelError(f"the model in {folder} holds {name!r}, which is no file of a model; remove it")
    if (size := sum(path.stat().st_size for path in found.values())) > MOST:
        raise ModelError(f"{folder} holds {size:,} bytes, more than any model has ({MOST:,}); remove what is not of it")
    return found


def _header(sizes: Mapping[str, int]) -> bytes:
    """What a blob begins with, of files of these sizes."""
    header = json.dumps([[name, size] for name, size in sizes.items()]).encode()
    return b"".join((_MAGIC, len(header).to_bytes(4, "big"), header))


def unpack(body: bytes, folder: Path) -> None:
    """Write the files of a blob into an empty folder. Raises ModelError for anything that `pack` did not make."""
    begin = len(_MAGIC) + 4
    try:
        end = begin + int.from_bytes(body[len(_MAGIC) : begin], "big")
        header = [(str(name), int(size)) for name, size in json.loads(body[begin:end])]
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"this is no packed model: {error}") from error
    names = {name for name, _ in header}
    fits = body.startswith(_MAGIC) and sum(size for _, size in header) == len(body) - end
    if not fits or len(names) < len(header) or not all(size >= 0 and _NAME.fullmatch(name) for name, size in header):
        raise ModelError("this is no packed model: its header and its files do not agree")
    try:
        for name, size in header:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(body[end : end + size])
            end += size
    except OSError as error:
        raise ModelError(f"the model cannot be written to {folder}: {error}") from error


def place(root: Path, model: str) -> Path:
    """Where the folder of a model is. Raises ModelError for what is no id."""
    if not _ID.fullmatch(model):
        raise ModelError(f"{model!r} is no model id: 64 hex digits")
    return root / model
