"""Models for engines without a graph: weights, and a description of what they belong to, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import numpy as safetensors

from models.errors import ArtefactError

DESCRIPTION = "watchkeeper"  # the key of the description in the metadata of the file
HEADER = 8  # bytes at the start of a safetensors file: the length of its JSON header


def describe(weights: Mapping[str, NDArray[Any]], description: Mapping[str, Any]) -> bytes:
    """The file's bytes; `description` is JSON-ready."""
    kept = {name: np.ascontiguousarray(weight) for name, weight in weights.items()}
    return safetensors.save(kept, {DESCRIPTION: json.dumps(dict(description), sort_keys=True)})


def described(body: bytes) -> dict[str, Any]:
    """The description in a file. Raises ArtefactError where there is none."""
    try:
        size = int.from_bytes(body[:HEADER], "little")
        found = json.loads(json.loads(body[HEADER : HEADER + size])["__metadata__"][DESCRIPTION])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtefactError(f"the model does not say what it is ({error!r}); retrain it") from error
    if not isinstance(found, dict):
        raise ArtefactError("the model does not say what it is; retrain it")
    return found
