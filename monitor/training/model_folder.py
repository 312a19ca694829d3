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
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from monitor.config.families import Family
from monitor.errors import ModelError
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.training.fit import Trainable
from monitor.training.profile_files import save_profiles

DETECTOR = "detector"
MANIFEST = f"{DETECTOR}/manifest.json"

LEFT_S = 24 * 3600.0
_DRAFT = ".draft-"
_MAGIC = b"watchkeeper model 1\n"
_NAME = re.compile(r"(?:\w[\w.-]*/)?\w[\w.-]*", re.ASCII)  # at most one folder deep; neither absolute nor upwards
_ID = re.compile(r"[0-9a-f]{64}")


def write(root: Path, family: Family, detector: Trainable, profiles: Mapping[str, Profile]) -> Path:
    """Write detector and profiles to `root`/id, all or nothing, and return that folder. Raises ModelError."""
    draft = draft_in(root)
    span = min(p.first for p in profiles.values()), max(p.last for p in profiles.values())
    try:
        detector.save(draft / DETECTOR, channel_names=family.channels, span=span)
        save_profiles(draft, profiles)
        target = root / identity(pack(draft))
        install(draft, target)
    except OSError as error:
        raise ModelError(f"the model cannot be written to {root}: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def draft_in(root: Path) -> Path:
    """An empty folder beside the models, with a unique name. Raises ModelError."""
    draft = root / f"{_DRAFT}{uuid4().hex}"
    try:
        draft.mkdir(parents=True)
        _remove_left(root)
    except OSError as error:
        raise ModelError(f"{root} must be writable for models, see `models` in the settings: {error}") from error
    return draft


def _remove_left(root: Path) -> None:
    """Remove the drafts of processes that were killed: a draft lives for seconds, and none that old is in use."""
    before = time.time() - LEFT_S
    for draft in root.glob(f"{_DRAFT}*"):
        with suppress(OSError):
            if draft.stat().st_mtime < before:
                shutil.rmtree(draft, ignore_errors=True)


def install(draft: Path, target: Path) -> None:
    """Make `draft` the folder `target` unless a sound one is there; a damaged one is replaced. May raise OSError."""
    if holds(target, target.name):
        return
    damaged = draft.with_name(f"{draft.name}-damaged")
    try:
        if target.exists():
            target.rename(damaged)
        draft.rename(target)
    except OSError:
        if not holds(target, target.name):  # another process may have been faster
            raise
    finally:
        shutil.rmtree(damaged, ignore_errors=True)


def identity(body: bytes) -> str:
    """The id of a packed model."""
    return hashlib.sha256(body).hexdigest()


def holds(folder: Path, model: str) -> bool:
    """Whether the folder is there, can be read, and holds exactly this model."""
    try:
        return folder.is_dir() and identity(pack(folder)) == model
    except (ModelError, OSError):
        return False


def pack(folder: Path) -> bytes:
    """The folder's files as one blob; hidden ones are left out. Raises ModelError."""
    try:
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        bodies = {name: paths[name].read_bytes() for name in sorted(paths) if "/." not in f"/{name}"}
    except OSError as error:
        raise ModelError(f"the model in {folder} cannot be read: {error}") from error
    for name in bodies:
        if not _NAME.fullmatch(name):
            raise ModelError(f"the model in {folder} holds {name!r}, which is no file of a model; remove it")
    header = json.dumps([[name, len(body)] for name, body in bodies.items()]).encode()
    return b"".join((_MAGIC, len(header).to_bytes(4, "big"), header, *bodies.values()))


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
