"""The TOML file and the environment variables that are laid over it, as nested tables; and the database alone.

Commands that only look into SQL check the names of the tables and `[store]`, and leave the rest to `check` and `run`:
the models of families take longer to build than the answer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.config.durations import WRITTEN
from monitor.config.sections import KeyPath, Section, explain
from monitor.config.services import Store
from monitor.config.toml_text import parse, read, value_problems
from monitor.config.unknown_names import nearest
from monitor.errors import SettingsError

PREFIX = "WATCHKEEPER__"
_LONGEST = 1000  # characters of one problem
MAX_AGE, LINK = "max_age", "link"  # of the table `notify`, beside its channels


class StoreAlone(Section):
    """The whole file, of which only the database is checked; a test compares its tables with those of `Settings`."""

    store: Store = Store()
    kafka: Any = None
    schema_registry: Any = None
    models: Any = None
    families: Any = None
    maintenance: Any = None
    notify: Any = None
    incidents: Any = None


def load_store(path: Path, environ: Mapping[str, str] = os.environ) -> Store:
    """The database of a configuration. Raises SettingsError where `[store]` or the name of a table is wrong."""
    raw, variables, problems = layered(path, environ)
    store = None
    try:
        store = StoreAlone.model_validate(raw, context=WRITTEN).store
    except ValidationError as error:
        problems = [*problems, *explain(error, StoreAlone, variables)]
    if store is None or problems:
        raise refused(str(path), problems)
    return store


def load_topics(path: Path, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The topics of a configuration's families, as far as they are named. Raises SettingsError as `read` does."""
    raw, _, _ = layered(path, environ)
    families = raw.get("families")
    tables = families.values() if isinstance(families, dict) else ()
    return [str(table["topic"]) for table in tables if isinstance(table, dict) and "topic" in table]


def layered(path: Path | None, environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[KeyPath, str], list[str]]:
    """The file with the environment laid over it, and what `overlay` returns. Raises SettingsError."""
    raw = read(path) if path else {}
    variables, problems = overlay(raw, environ)
    if broken := list(value_problems(raw, variables)):
        raise refused(str(path or "the environment"), [*problems, *broken])
    return raw, variables, problems


def refused(where: str, problems: Sequence[str]) -> SettingsError:
    """The error that lists every problem of a configuration; one that repeats a long value is cut in the middle."""
    short = [
        text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}" for text in problems
    ]
    lines = "\n".join(f"  - {problem}" for problem in short)
    return SettingsError(f"{where} has {len(short)} problem{'s'[: len(short) > 1]}:\n{lines}", short)


def overlay(raw: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[KeyPath, str], list[str]]:
    """Set raw["a"]["b"] from WATCHKEEPER__A__B. Returns which variable set which path, and what was wrong.

    pydantic-settings would skip a misspelt variable; here it meets the same checks as the file. Families and
    notifiers of the file can be changed by a variable but not added to, so that a misspelt name is not a new one.
    """
    named = {part: dict(raw[part]) for part in ("families", "maintenance", "notify") if isinstance(raw.get(part), dict)}
    variables: dict[KeyPath, str] = {}
    problems: list[str] = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        known = named.get(path[0], {})
        if known and len(path) > 1 and path not in (("notify", MAX_AGE), ("notify", LINK)):
            path = (path[0], next((name for name in known if name.lower() == path[1]), path[1]), *path[2:])
            if path[1] not in known:
                problems.append(f"{variable}: the file has no {path[0]}.{path[1]}{nearest(path[1], list(known))}")
                continue
        if _put(raw, path, environ[variable]):
            variables[path] = variable
        else:
            problems.append(f"{variable}: {'.'.join(path[:-1])} is not a table")
    return variables, problems


def _put(raw: dict[str, Any], path: KeyPath, text: str) -> bool:
    """Set a value, which is TOML where it can be, else text. False when something on the way is not a table."""
    table: Any = raw
    for part in path[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            return False
    table[path[-1]] = _value(text)
    return True


def _value(text: str) -> Any:
    """What TOML means by it, where all of it is one value; else the text: `12#3` is a password, not 12."""
    try:
        value, (alone,) = parse(f"value = {text}")["value"], parse(f"value = [{text}]")["value"]
    except (ValueError, KeyError):
        return text
    return value if value == alone else text
