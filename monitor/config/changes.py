"""What changed from one configuration to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_ABSENT = object()


def differences(old: str, new: str) -> list[str]:
    """Keys whose values differ between two JSON objects, as "key: old -> new"."""
    before, after = dict(_flat(json.loads(old))), dict(_flat(json.loads(new)))
    keys = [*before, *(key for key in after if key not in before)]
    changed = (key for key in keys if before.get(key, _ABSENT) != after.get(key, _ABSENT))
    return [f"{key}: {_shown(before.get(key, _ABSENT))} -> {_shown(after.get(key, _ABSENT))}" for key in changed]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
