"""A trained detector on disk: a folder with `weights.safetensors` and `manifest.json`, never a pickle.

The manifest holds everything that is not a weight, and the sha256 of the weights. Loading reads nothing that could
run code, and refuses weights that are not the ones the manifest was written for.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors import torch as safetensors

from models.errors import ArtefactError

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
WEIGHTS = "weights.safetensors"
MANIFEST = "manifest.json"

Manifest = dict[str, Any]


def save(path: Path, weights: dict[str, Tensor], manifest: Manifest) -> None:
    """Write the folder `path` so that a reader sees the old artefact or the whole new one, never a part.

    `format` and `sha256` are added to the manifest. An artefact in the way is replaced; anything else is an error.
    """
    body = safetensors.save(weights)
    text = json.dumps({"format": FORMAT, "sha256": hashlib.sha256(body).hexdigest(), **manifest}, indent=2) + "\n"
    if path.exists() and not (path / MANIFEST).is_file():
        raise ArtefactError(f"{path} exists and is not an artefact; choose another path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
            fresh = Path(scratch) / "new"
            fresh.mkdir()
            _write(fresh / WEIGHTS, body)
            _write(fresh / MANIFEST, text.encode())
            _put(fresh, path, Path(scratch) / "old")
    except OSError as error:
        raise ArtefactError(f"{path} cannot be written: {error}") from error


def load(path: Path) -> tuple[Manifest, dict[str, Tensor]]:
    """Manifest and weights of the artefact at `path`. Raises ArtefactError for anything that is not one."""
    if path.suffix and path.is_file():
        raise ArtefactError(
            f"{path} is a {path.suffix} file; an artefact is a folder with {WEIGHTS} and {MANIFEST}. "
            "Pickled models can run code when they are read, so they are refused"
        )
    manifest = _manifest(path)
    body = _read(path / WEIGHTS)
    if hashlib.sha256(body).hexdigest() != manifest.get("sha256"):
        raise ArtefactError(f"{path / WEIGHTS} is not what {MANIFEST} describes (sha256 differs); restore it")
    try:
        return manifest, safetensors.load(body)
    except SafetensorError as error:
        raise ArtefactError(f"{path / WEIGHTS} is not a safetensors file: {error}") from error


def _manifest(path: Path) -> Manifest:
    body = _read(path / MANIFEST)
    try:
        manifest = json.loads(body)
    except ValueError as error:
        raise ArtefactError(f"{path / MANIFEST} is not JSON: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ArtefactError(f"{path / MANIFEST} is not of format {FORMAT}, which this version reads; retrain it")
    return manifest


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read ({error.strerror}); is {path.parent} an artefact?") from error


def _write(path: Path, body: bytes) -> None:
    with path.open("xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _put(fresh: Path, path: Path, aside: Path) -> None:
    """Rename `fresh` to `path`; a folder cannot be renamed onto a full one, so the old artefact steps aside first."""
    if path.exists():
        path.rename(aside)
    try:
        fresh.rename(path)
    except OSError:
        if aside.exists():
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)
