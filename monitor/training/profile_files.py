"""Stream profiles on disk: profiles.safetensors (one row per stream) and profiles.json (the streams' names)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from monitor.errors import ModelError
from monitor.pipeline.scoring.stream_scaling import Profile

ARRAYS, NAMES = "profiles.safetensors", "profiles.json"
OF_RECIPE = "recipe."  # before the names of constants


def save_profiles(folder: Path, profiles: Mapping[str, Profile]) -> dict[str, str]:
    """Write both files; returns their sha256 by name. Raises ModelError for a profile that cannot be used."""
    _check(profiles)
    rows = list(profiles.values())
    scores = np.array([(p.score_mean, p.score_std, p.score_count) for p in rows], np.float64).reshape(-1, 3)
    spans = np.array([(p.first, p.last, p.readings, p.garbage) for p in rows], np.int64).reshape(-1, 4)
    center, scale = np.stack([p.center for p in rows]), np.stack([p.scale for p in rows])
    least = np.array([p.least for p in rows], np.float64)
    arrays: dict[str, NDArray[Any]] = {"center": center, "scale": scale, "scores": scores}
    rest = np.stack([np.zeros(len(p.center), np.int64) if p.rest is None else p.rest for p in rows])
    bodies = {
        ARRAYS: save({**arrays, "spans": spans, "least": least, "rest": rest, **_constants(rows)}),
        NAMES: json.dumps(list(profiles), ensure_ascii=False).encode(),
    }
    for name, body in bodies.items():
        (folder / name).write_bytes(body)
    return {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}


def load_profiles(folder: Path, hashes: Mapping[str, str] | None = None) -> dict[str, Profile]:
    """Read what `save_profiles` wrote, in this version or an earlier one, which kept no spans, garbage, least limit,
    rests or constants of a recipe.

    `hashes` is what `save_profiles` returned; empty for the model of an earlier version, whose manifest has none.
    Raises ModelError where a file is missing, damaged or of another model, or a profile cannot be used.
    """
    try:
        bodies = {name: (folder / name).read_bytes() for name in (ARRAYS, NAMES)}
        check_hashes(folder, bodies, hashes or {})
        profiles = _profiles(json.loads(bodies[NAMES]), load(bodies[ARRAYS]))
    except ModelError:
        raise
    except Exception as error:  # safetensors raises its own, unrelated errors
        raise ModelError(f"the stream profiles in {folder} cannot be read ({error}); train the family again") from error
    _check(profiles, f" in {folder}")
    return profiles


def check_hashes(folder: Path, bodies: Mapping[str, bytes], hashes: Mapping[str, str]) -> None:
    """Raise ModelError where one of these files is not the one that was hashed."""
    for name, expected in hashes.items():
        if name in bodies and hashlib.sha256(bodies[name]).hexdigest() != expected:
            raise ModelError(
                f"{folder / name} is not what the manifest of the model describes (sha256 differs); restore it, or "
                "train the family again"
            )


def _profiles(names: Any, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Profile]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len({*names}) < len(names):
        raise ValueError(f"{NAMES} is no list of the names of streams")
    spans = arrays["spans"].tolist() if "spans" in arrays else [()] * len(names)
    least = arrays["least"].tolist() if "least" in arrays else [0.0] * len(names)
    rests = arrays.get("rest", [None] * len(names))
    columns = (arrays["center"], arrays["scale"], arrays["scores"].tolist(), spans, least, rests)
    rows = zip(names, *columns, strict=True)
    profiles = {
        name: replace(Profile(center, scale, mean, std, int(count), *span), least=lowest, rest=rest)
        for name, center, scale, (mean, std, count), span, lowest, rest in rows
    }
    kept = {name.removeprefix(OF_RECIPE): rows for name, rows in arrays.items() if name.startswith(OF_RECIPE)}
    each = [{name: rows[row] for name, rows in kept.items()} for row in range(len(names))]
    return {name: replace(profiles[name], constants=known) for name, known in zip(names, each, strict=True)}


def _constants(profiles: Sequence[Profile]) -> dict[str, NDArray[Any]]:
    """What the recipe learned of each stream, (n, ...) by name; NaN where a stream lacks it."""
    shapes = {name: value.shape for profile in profiles for name, value in profile.constants.items()}
    rows = {
        name: [profile.constants.get(name, np.full(shape, np.nan, np.float32)) for profile in profiles]
        for name, shape in shapes.items()
    }
    return {OF_RECIPE + name: np.stack(row) for name, row in rows.items()}


def _check(profiles: Mapping[str, Profile], where: str = "") -> None:
    bad = [name for name, profile in profiles.items() if not profile.sound]
    if bad or not profiles:
        which = f"that of stream {bad[0]} holds" if bad else "there is none, or it holds"
        raise ModelError(
            f"{len(bad)} of {len(profiles)} stream profiles{where} cannot be used: {which} NaN, infinity or a scale of "
            "0; train the family again"
        )
