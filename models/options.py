"""Options as people write them: names and types are checked here, ranges by the config dataclasses themselves."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from models.errors import ConfigError

ENCODER = "dense"  # of an option `features`: the code of this kind of net, which is trained first
MOST_UNITS, MOST_LAYERS = 4096, 16  # of a net; more would take all memory


def build(where: str, config_class: type[Any], options: Mapping[str, Any]) -> Any:
    """The config (a dataclass) with the options it knows, each like its default: a number, a word, a list or so.

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


def one_of(where: str, name: str, value: str, choices: Iterable[str]) -> None:
    """Raise ConfigError unless the value of an option is one of `choices`."""
    known = list(choices)
    if value not in known:
        raise ConfigError(f"{where}: {name} = {value!r}; choose one of {', '.join(known)}")


def layer_widths(where: str, hidden: Iterable[int]) -> tuple[int, ...]:
    """The option `hidden` as a tuple: JSON and TOML give lists. Raises ConfigError for widths that make no net."""
    widths = tuple(hidden)
    sound = all(type(width) is int and 1 <= width <= MOST_UNITS for width in widths)
    if len(widths) > MOST_LAYERS or not sound:
        raise ConfigError(
            f"{where}: hidden = {list(widths[: MOST_LAYERS + 1])}; every width must be a whole number of at least 1 "
            f"and at most {MOST_UNITS}, and there may be {MOST_LAYERS} of them"
        )
    return widths


def refuse_given(where: str, given: int) -> None:
    """Raise ConfigError unless the option `given` is a number of channels."""
    if given < 0:
        raise ConfigError(f"{where}: given = {given}; write how many of the last channels are given, or 0")


def _wanted(value: Any, default: Any) -> str:
    """What to write instead of a value that is not like the default; nothing when it is."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if isinstance(default, bool | str):
        wanted = "a word" if isinstance(default, str) else "true or false"
        return "" if type(value) is type(default) else wanted
    if isinstance(default, int):
        return "" if number and isinstance(value, int) else "a whole number"
    if isinstance(default, float):
        return "" if number else "a number"
    return "" if isinstance(value, list | tuple) else "a list"
