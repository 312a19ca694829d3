"""Manifests of saved detectors that say something else than what was trained, and are whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.artefacts.artefact import MANIFEST, OWN_HASH, own_hash


def rewrite(folder: Path, without: str = "", **changes: Any) -> None:
    """Change what the manifest in a folder says, or take one key out, as if it had been written so."""
    manifest = json.loads((folder / MANIFEST).read_text()) | changes
    kept = {key: value for key, value in manifest.items() if key not in {without, OWN_HASH}}
    (folder / MANIFEST).write_text(json.dumps(kept | {OWN_HASH: own_hash(kept)}))
