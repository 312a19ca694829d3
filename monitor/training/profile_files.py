"""Stream profiles on disk: profiles.safetensors (one row per stream) and profiles.json (the streams' names)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from monitor.errors import ModelError
from monitor.pipeline.scoring.stream_scaling import Profile

ARRAYS, NAMES = "profiles.safetensors", "profiles.json"


def save_profiles(folder: Path, profiles: Mapping[str, Profile]) -> None:
    """Write both files. Raises ModelError for a profile that cannot be used."""
    _check(profiles)
    rows = list(profiles.values())
    scores = np.array([(p.score_mean, p.score_std, p.score_count) for p in rows], np.float64).reshape(-1, 3)
    spans = np.array([(p.first, p.last, p.readings, p.garbage) for p in rows], np.int64).reshape(-1, 4)
    center, scale = np.stack([p.center for p in rows]), np.stack([p.scale for p in rows])
    least = np.array([p.least for p in rows], np.float64)
    arrays: dict[str, NDArray[Any]] = {"center": center, "scale": scale, "scores": scores}
    rest = np.stack([np.zeros(len(p.center), np.int64) if p.rest is None else p.rest for p in rows])
    save_file({**arrays, "spans": spans, "least": least, "rest": rest}, folder / ARRAYS)
    (folder / NAMES).write_text(json.dumps(list(profiles), ensure_ascii=False), encoding="utf-8")


def load_profiles(folder: Path) -> dict[str, Profile]:
    """Read what `save_profiles` wrote, in this version or an earlier one, which kept no spans, garbage, least limit or
    rests.

    Raises ModelError where a file is missing or damaged, or a profile cannot be used.
    """
    try:
        names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
        arrays = load_file(folder / ARRAYS)
        spans = arrays["spans"].tolist() if "spans" in arrays else [()] * len(names)
        least = arrays["least"].tolist() if "least" in arrays else [0.0] * len(names)
        rests = arrays.get("rest", [None] * len(names))
        columns = (arrays["center"], arrays["scale"], arrays["scores"].tolist(), spans, least, rests)
        rows = zip(names, *columns, strict=True)
        profiles = {
            name: replace(Profile(center, scale, mean, std, int(count), *span), least=lowest, rest=rest)
            for name, center, scale, (mean, std, count), span, lowest, rest in rows
        }
    except Exception as error:  # safetensors raises its own, unrelated errors
        raise ModelError(f"the stream profiles in {folder} cannot be read ({error}); train the family again") from error
    _check(profiles, f" in {folder}")
    return profiles


def _check(profiles: Mapping[str, Profile], where: str = "") -> None:
    bad = [name for name, profile in profiles.items() if not profile.sound]
    if bad or not profiles:
        which = f"that of stream {bad[0]} holds" if bad else "there is none, or it holds"
        raise ModelError(
            f"{len(bad)} of {len(profiles)} stream profiles{where} cannot be used: {which} NaN, infinity or a scale of "
            "0; train the family again"
        )
