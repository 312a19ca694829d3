"""The configuration: one TOML file, overridden by `WATCHKEEPER__SECTION__KEY` environment variables.

Unknown keys are refused with the nearest right name, and every problem is reported at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, Field, ValidationError

from monitor.config.durations import WRITTEN, DurationLimit
from monitor.config.families import Family, family_problems
from monitor.config.formats import REGISTRY, SchemaRegistry
from monitor.config.reading import MAX_AGE, overlay, read, refused
from monitor.config.sections import KeyPath, Section, explain
from monitor.config.services import Kafka, LogNotifier, Store, WebhookNotifier


def _channels(notify: object) -> object:
    return {name: how for name, how in notify.items() if name != MAX_AGE} if isinstance(notify, Mapping) else notify


Notifier = Annotated[WebhookNotifier | LogNotifier, Field(discriminator="kind")]


class Settings(Section):
    """The whole file."""

    kafka: Kafka = Kafka()
    schema_registry: SchemaRegistry = SchemaRegistry()
    store: Store = Store()
    models: Path = Path("artefacts")
    families: dict[str, Family] = Field(min_length=1)
    notify: Annotated[dict[str, Notifier], BeforeValidator(_channels)] = Field(default_factory=dict)
    notify_max_age: DurationLimit = Field(default=3600 * 10**9, validation_alias=AliasPath("notify", MAX_AGE))


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file, lay the environment over it and check everything. Raises SettingsError with all problems."""
    raw = read(path) if path else {}
    variables, problems = overlay(raw, environ)
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
        raise refused(where, problems)
    return settings


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
