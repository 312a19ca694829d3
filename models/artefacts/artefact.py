"""A trained detector on disk: a folder with `model.onnx`, `weights.safetensors` and `manifest.json`, never a pickle.

The model is what scores: a graph, or `model.safetensors` where the engine is torch. The weights are what it was written
from, for training and other tools to go on with. The manifest holds everything else, the sha256 of both, and that of
itself. Loading reads nothing that could run code, and refuses files that are not the ones that were written.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.contract import Capabilities
from models.errors import ArtefactError

FORMAT = 5
READABLE = (3, 4, FORMAT)  # 3 knew autoencoders only: its manifests name no capabilities; up to 4 none has its own hash
GRAPH = "model.onnx"
MODELS = {"onnx": GRAPH, "torch": "model.safetensors"}  # the file that scores, by engine
WEIGHTS = "weights.safetensors"
MANIFEST = "manifest.json"
HASH, MODEL_HASH = "sha256", "graph_sha256"  # where the manifest has the hash of the weights, and of the model
OWN_HASH = "manifest_sha256"  # and of everything else that it says

MOST_MANIFEST = 2**24  # bytes; one of ours has some kB, with a loss curve some hundred
TRIES = 10  # to put an artefact where other processes put theirs at the same time
MOST = 2**31  # bytes of a graph, which can be no larger, or of its weights

Manifest = dict[str, Any]


def save(path: Path, model: bytes, weights: bytes, manifest: Manifest) -> None:
    """Write the folder `path` so that a reader sees the old artefact or the whole new one, never a part.

    `format` and the hashes are added to the manifest. An artefact in the way is replaced; anything else is an error.
    """
    bodies = {MODELS[manifest["capabilities"]["engine"]]: model, WEIGHTS: weights}
    hashes = {HASH: hashlib.sha256(weights).hexdigest(), MODEL_HASH: hashlib.sha256(model).hexdigest()}
    whole = {"format": FORMAT, **hashes, **manifest}
    text = json.dumps({**whole, OWN_HASH: own_hash(whole)}, indent=2) + "\n"
    if _is_other(path):
        raise ArtefactError(f"{path} exists and is not an artefact; choose another path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
            fresh = Path(scratch) / "new"
            fresh.mkdir()
            for name, body in (bodies | {MANIFEST: text.encode()}).items():
                _write(fresh / name, body)
            _put(fresh, path, Path(scratch))
    except OSError as error:
        raise ArtefactError(f"{path} cannot be written: {error}") from error


def load(path: Path) -> tuple[Manifest, bytes, bytes]:
    """Manifest, model and weights of the artefact at `path`. Raises ArtefactError for anything that is not one."""
    if path.suffix and path.is_file():
        raise ArtefactError(
            f"{path} is a {path.suffix} file; an artefact is a folder with {GRAPH} and {MANIFEST}. "
            "Pickled models can run code when they are read, so they are refused"
        )
    manifest = _manifest(path)
    files = ((_model(path, manifest), MODEL_HASH), (WEIGHTS, HASH))
    model, weights = (_checked(path / name, manifest.get(key)) for name, key in files)
    return manifest, model, weights


def _checked(path: Path, digest: object) -> bytes:
    body = _read(path, MOST)
    if hashlib.sha256(body).hexdigest() != digest:
        raise ArtefactError(f"{path} is not what {MANIFEST} describes (sha256 differs); restore it")
    return body


def _is_other(path: Path) -> bool:
    """Whether something else than an artefact is there, and stays: another process may be replacing one just now."""
    return all(path.exists() and not (path / MANIFEST).is_file() for _ in range(TRIES))


def _model(path: Path, manifest: Manifest) -> str:
    """The name of the file that scores."""
    capabilities = manifest.get("capabilities")
    engine = capabilities.get("engine") if isinstance(capabilities, dict) else None
    if not isinstance(engine, str) or engine not in MODELS:
        raise ArtefactError(
            f"{path / MANIFEST} names the engine {engine!r}, but this version knows {' and '.join(MODELS)}; train again"
        )
    return MODELS[engine]


def _manifest(path: Path) -> Manifest:
    body = _read(path / MANIFEST, MOST_MANIFEST)
    try:
        manifest = json.loads(body)
        whole = not isinstance(manifest, dict) or manifest.pop(OWN_HASH, None) == own_hash(manifest)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{path / MANIFEST} is not JSON: {error}; restore it, or train the model again") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found not in READABLE:
        raise ArtefactError(
            f"{path / MANIFEST} is of format {found}, but this version reads {READABLE[0]} to {FORMAT}; "
            "train the model again"
        )
    if found == FORMAT and not whole:
        raise ArtefactError(f"{path / MANIFEST} was changed since it was written (sha256 differs); restore it")
    return {"capabilities": asdict(Capabilities()), **manifest} if found == 3 else dict(manifest)


def own_hash(manifest: Manifest) -> str:
    """The sha256 of what a manifest says, but for that hash."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _read(path: Path, most: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # it may be a pipe that is never written to
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ArtefactError(f"{path} is no regular file, so it is not of an artefact; restore it")
            if found.st_size > most:
                raise ArtefactError(
                    f"{path} has {found.st_size:,} bytes, more than any artefact has ({most:,}); restore it"
                )
            return file.read(most)
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read ({error.strerror}); is {path.parent} an artefact?") from error


def _write(path: Path, body: bytes) -> None:
    with path.open("xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _put(fresh: Path, path: Path, scratch: Path) -> None:
    """Rename `fresh` to `path`; a folder cannot be renamed onto a full one, so the old artefact steps aside first.

    So does one that another process puts there meanwhile: the last one stays.
    """
    for aside in (scratch / f"old-{number}" for number in range(TRIES)):
        with suppress(FileNotFoundError):
            path.rename(aside)
        try:
            fresh.rename(path)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY) and aside.name != f"old-{TRIES - 1}":
                continue
            if aside.exists():
                aside.rename(path)
            raise
        return
