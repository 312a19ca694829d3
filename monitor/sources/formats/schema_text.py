"""Schemas that are written in JSON, parsed within bounds: what takes their parsers long is refused."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 64  # levels of a schema
_MOST = 20_000  # objects, lists and values in a schema
_LONGEST = 1_000  # items of a list that are not all texts: each may be compared with each


def parse_schema_text(text: str | None) -> Any:
    """The document. Raises ValueError where it is none, or too deep, too large, or marked as parsed already."""
    try:
        document = json.loads(text or "")
    except RecursionError:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels") from None
    left, level, count = [document], 0, 0
    while left:  # level by level
        count += len(left)
        level += 1
        if level > DEEPEST or count > _MOST:
            raise ValueError(f"it has more than {DEEPEST} levels or {_MOST:,} parts")
        left = [below for item in left if isinstance(item, dict | list) for below in _parts(item)]
    return document


def _parts(item: dict[str, Any] | list[Any]) -> list[Any]:
    if isinstance(item, dict):
        if any(name.startswith("__") for name in item):  # marks of fastavro, which then trusts the rest
            raise ValueError("a name in it begins with two underscores")
        return list(item.values())
    if len(item) > _LONGEST and not all(isinstance(each, str) for each in item):
        raise ValueError(f"a list in it has more than {_LONGEST:,} items that are not all text")
    return item
