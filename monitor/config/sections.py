"""Strict tables of a configuration file, and one plain sentence for each thing that is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from monitor.config.unknown_names import nearest
from monitor.config.wrong_values import said

KeyPath = tuple[str, ...]
_KEY = "[key]"  # pydantic's mark behind the name of a table that is refused itself

_MISSING = {
    "families": "add a table [families.NAME] with topic, interval and window.length",
    "topic": "name the Kafka topic of these streams",
    "interval": 'write interval = "10s" for readings on a grid, or interval = "none" where they come irregularly',
    "window": "add window.length, a count of readings such as 360 or a time such as 1h",
    "streams": 'write a stream or a pattern such as "m-1*"',
    "length": "write a count of readings such as 360 or a time such as 1h",
}


class Section(BaseModel):
    """A table of the file: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)


def explain(error: ValidationError, root: type[Section], variables: Mapping[KeyPath, str]) -> list[str]:
    """One sentence per place that is wrong. `variables` holds the environment variable that set a path, if one did."""
    problems: dict[KeyPath, str] = {}
    for item in error.errors(include_url=False):
        path, names = _locate(root, item["loc"])
        problems.setdefault(path, _sentence(path, names, item, variables.get(path)))
    return list(problems.values())


def _sentence(path: KeyPath, names: Sequence[str], item: Any, variable: str | None) -> str:
    where = variable or ".".join(path)
    match item["type"]:
        case "extra_forbidden":
            reason = f"unknown key{nearest(path[-1], names) or _known(names)}"
        case "missing":
            reason = f"missing; {_MISSING.get(path[-1], f'add {path[-1]}, see docs/configuration.md')}"
        case "union_tag_not_found":
            reason = f"kind is missing; write {_either(names)}"
        case "union_tag_invalid":
            reason = f"kind {item['ctx']['tag']!r} is not known; write {_either(names)}"
        case "literal_error" | "enum":
            reason = f"{item['input']!r} is not known; write {item['ctx']['expected']}"
        case "model_type" | "model_attributes_type" | "dict_type":
            reason = f"should be a table; write [{'.'.join(path)}]"
        case "tuple_type" if path[-1] == "overrides":
            reason = f"should be a list of tables; write [[{where}]]"
        case "tuple_type":
            reason = 'should be a list such as ["a", "b"]'
        case _:
            reason = said(item)
    return f"{where}: {reason}"


def _known(names: Sequence[str]) -> str:
    return f"; there are: {', '.join(names)}" if names else ""


def _either(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names)


def _locate(root: type[Section], location: tuple[int | str, ...]) -> tuple[KeyPath, Sequence[str]]:
    """Path of a pydantic location in the file, and the names that may stand there: keys of a table, or kinds of one.

    A location also names branches of unions, which do not occur in the file; they are left out. Tables of a list are
    counted from 1.
    """
    path: list[str] = []
    names: Sequence[str] = ()
    annotation: Any = root
    for part in location:
        sections = _sections(annotation)
        if part == _KEY:
            break
        if get_origin(annotation) is dict:
            path.append(str(part))
            annotation = get_args(annotation)[1]
        elif isinstance(part, int) and get_origin(annotation) is tuple and sections:
            path.append(str(part + 1))
            annotation = sections[0]
        elif len(sections) == 1:
            path.append(str(part))
            names = list(sections[0].model_fields)
            annotation = sections[0].model_fields[str(part)].annotation if part in names else None
        elif sections:
            annotation = next(section for section in sections if _kind(section) == part)
        else:
            break
    kinds = _sections(annotation)
    return tuple(path), [_kind(section) for section in kinds] if len(kinds) > 1 else names


def _sections(annotation: Any) -> list[type[Section]]:
    """Every table that a type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for argument in get_args(annotation) for section in _sections(argument)]


def _kind(section: type[Section]) -> str:
    """The `kind` that chooses this table among several."""
    return str(get_args(section.model_fields["kind"].annotation)[0])
