"""The configuration: one TOML file, overridden by `WATCHKEEPER__SECTION__KEY` environment variables.

Unknown keys are refused with the nearest right name, and every problem is reported at once.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, Field, ValidationError

from monitor.config.durations import WRITTEN, DurationLimit
from monitor.config.families import Family, family_problems
from monitor.config.formats import REGISTRY, SchemaRegistry
from monitor.config.sections import KeyPath, Section, explain, nearest
from monitor.config.services import Kafka, LogNotifier, Store, WebhookNotifier
from monitor.errors import SettingsError

PREFIX = "WATCHKEEPER__"


_MAX_AGE = "max_age"  # of the table `notify`, beside its channels


def _channels(notify: object) -> object:
    return {name: how for name, how in notify.items() if name != _MAX_AGE} if isinstance(notify, Mapping) else notify


Notifier = Annotated[WebhookNotifier | LogNotifier, Field(discriminator="kind")]


class Settings(Section):
    """The whole file."""

    kafka: Kafka = Kafka()
    schema_registry: SchemaRegistry = SchemaRegistry()
    store: Store = Store()
    models: Path = Path("artefacts")
    families: dict[str, Family] = Field(min_length=1)
    notify: Annotated[dict[str, Notifier], BeforeValidator(_channels)] = Field(default_factory=dict)
    notify_max_age: DurationLimit = Field(default=3600 * 10**9, validation_alias=AliasPath("notify", _MAX_AGE))


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file, lay the environment over it and check everything. Raises SettingsError with all problems."""
    raw = _read(path) if path else {}
    variables, problems = _overlay(raw, environ)
    return _checked(raw, str(path or "the environment"), variables, problems)


def parse(raw: Mapping[str, Any], where: str = "settings") -> Settings:
    """Check a configuration given as nested mappings, written as in the file. Raises SettingsError."""
    return _checked(raw, where, {}, [])


def _checked(raw: Mapping[str, Any], where: str, variables: Mapping[KeyPath, str], problems: list[str]) -> Settings:
    settings = None
    try:
        settings = Settings.model_validate(raw, context=WRITTEN)
        problems = [*problems, *_cross_check(settings)]
    except ValidationError as error:
        problems = [*problems, *explain(error, Settings, variables)]
    if settings is None or problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SettingsError(f"{where} has {len(problems)} problem{'s'[: len(problems) > 1]}:\n{lines}", problems)
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _overlay(raw: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[KeyPath, str], list[str]]:
    """Set raw["a"]["b"] from WATCHKEEPER__A__B. Returns which variable set which path, and what was wrong.

    pydantic-settings would skip a misspelt variable; here it meets the same checks as the file. Families and
    notifiers of the file can be changed by a variable but not added to, so that a misspelt name is not a new one.
    """
    named = {part: dict(raw[part]) for part in ("families", "notify") if isinstance(raw.get(part), dict)}
    variables: dict[KeyPath, str] = {}
    problems: list[str] = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        known = named.get(path[0], {})
        if known and len(path) > 1 and path != ("notify", _MAX_AGE):
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
    try:
        table[path[-1]] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        table[path[-1]] = text
    return True


def _cross_check(settings: Settings) -> Iterator[str]:
    """Problems that only show when several keys are read together."""
    for name, family in settings.families.items():
        for problem in family_problems(family):
            yield f"families.{name}.{problem}"
        if family.format.kind in REGISTRY and not settings.schema_registry.url:
            yield f"families.{name}.format.kind: {family.format.kind} needs schema_registry.url"
    topics = [family.topic for family in settings.families.values()]
    for topic in sorted({topic for topic in topics if topics.count(topic) > 1}):
        yield f"topic {topic} belongs to two families; give each its own"
