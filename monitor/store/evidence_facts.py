"""The column `facts` of the table `evidence`: a JSON object of numbers, with the shares of the components inside it."""

from __future__ import annotations

import json
from typing import Any

from monitor.records.alerts import Evidence

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
