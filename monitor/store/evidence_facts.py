"""Rows of `evidence`; their column `facts` is a JSON object of numbers, with the shares of the components inside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from monitor.records.alerts import Evidence

if TYPE_CHECKING:
    from monitor.records.batches import Float32

_COMPONENTS = "components"


def to_text(evidence: Evidence) -> str | None:
    """What is stored; None where nothing is known beside the window."""
    known: dict[str, Any] = dict(evidence.facts)
    if evidence.components:
        known[_COMPONENTS] = dict(evidence.components)
    return json.dumps(known) if known else None


def from_text(text: str | None) -> dict[str, dict[str, float]]:
    """The fields `facts` and `components` of the evidence."""
    known = json.loads(text or "{}")
    components = known.pop(_COMPONENTS, {})
    return {"facts": known, "components": components}


def evidence(row: Any) -> Evidence:
    """A row of `evidence`."""
    return Evidence(
        alert=row.alert, start=row.start_ns, end=row.end_ns, channels=tuple(json.loads(row.channels)),
        values=_cells(row.readings, row.length),
        reconstruction=None if row.reconstruction is None else _cells(row.reconstruction, row.length),
        contribution=_cells(row.contribution, row.length), **from_text(row.facts),
    )  # fmt: skip


def _cells(body: bytes, length: int) -> Float32:
    """(length, channels)."""
    import numpy as np

    return np.frombuffer(body, "<f4").astype(np.float32).reshape(length, -1)
