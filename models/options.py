"""Options as people write them: names and types are checked here, ranges by the config dataclasses themselves."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from models.errors import ConfigError


def build(where: str, config_class: type[Any], options: Mapping[str, Any]) -> Any:
    """The config (a dataclass) with the options it knows, each like its default: a whole number, a number or a list.

    Raises ConfigError for a wrong type, and whatever range the dataclass refuses.
    """
    chosen = {}
    for field in fields(config_class):
        if field.name in options:
            chosen[field.name] = value = options[field.name]
            wanted = _wanted(value, field.default)
            if wanted:
                raise ConfigError(f"{where}: {field.name} = {value!r} has the wrong type; write {wanted}")
    return config_class(**chosen)


def refuse_unknown(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConfigError for the first of `names` that is not known, with the nearest one that is."""
    right = sorted(known)
    for name in sorted(set(names) - set(right)):
        near = difflib.get_close_matches(name, right, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(right)}"
        raise ConfigError(f"{where}: unknown option or kind {name!r}; {hint}")


def _wanted(value: Any, default: Any) -> str:
    """What to write instead of a value that is not like the default; nothing when it is."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if isinstance(default, int):
        return "" if number and isinstance(value, int) else "a whole number"
    if isinstance(default, float):
        return "" if number else "a number"
    return "" if isinstance(value, list | tuple) else "a list"
