"""Rows of `evidence`; their column `facts` is a JSON object of numbers, with the components and the band inside."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from monitor.records.alerts import Band, Evidence

if TYPE_CHECKING:
    from monitor.records.batches import Float32

_COMPONENTS, _BAND = "components", "band"


def to_text(evidence: Evidence) -> str | None:
    """What is stored; None where nothing is known beside the window."""
    known: dict[str, Any] = dict(evidence.facts)
    if evidence.components:
        known[_COMPONENTS] = dict(evidence.components)
    if evidence.band is not None:
        known[_BAND] = {name: _numbers(side) for name, side in evidence.band._asdict().items()}
    return json.dumps(known) if known else None


def from_text(text: str | None) -> dict[str, Any]:
    """The fields `facts`, `components` and `band` of the evidence."""
    known = json.loads(text or "{}")
    components, band = known.pop(_COMPONENTS, {}), known.pop(_BAND, None)
    return {"facts": known, "components": components, "band": None if band is None else _band(band)}


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


def _numbers(side: Float32) -> list[list[float | None]]:
    """Nine digits are every float32; JSON has no NaN."""
    return [[float(f"{cell:.9g}") if math.isfinite(cell) else None for cell in row] for row in side.tolist()]


def _band(sides: dict[str, list[list[float | None]]]) -> Band:
    import numpy as np

    return Band(*(np.array(sides[name], np.float64).astype(np.float32) for name in Band._fields))
