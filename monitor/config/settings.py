"""The configuration: one TOML file, overridden by `WATCHKEEPER__SECTION__KEY` environment variables.

Unknown keys are refused with the nearest right name, and every problem is reported at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, Field, PrivateAttr, ValidationError

from monitor.config.addresses import scheme_problem
from monitor.config.channel_problems import channel_problems
from monitor.config.durations import WRITTEN, DurationLimit
from monitor.config.families import Family
from monitor.config.family_problems import family_problems
from monitor.config.formats import REGISTRY, SchemaRegistry
from monitor.config.incidents import Incidents
from monitor.config.maintenance import Planned
from monitor.config.maintenance import family_problems as unknown_families
from monitor.config.message_templates import Link
from monitor.config.names import FileName, PlainName, twins
from monitor.config.notifiers import Notifier
from monitor.config.reading import LINK, MAX_AGE, layered, refused
from monitor.config.sections import KeyPath, Section, explain
from monitor.config.services import Kafka, Store


def _channels(notify: object) -> object:
    beside = (MAX_AGE, LINK)
    return {name: how for name, how in notify.items() if name not in beside} if isinstance(notify, Mapping) else notify


class Settings(Section):
    """The whole file; `where` names it in messages."""

    _where: str = PrivateAttr("settings")

    kafka: Kafka = Kafka()
    schema_registry: SchemaRegistry = SchemaRegistry()
    store: Store = Store()
    models: Path = Path("artefacts")
    families: dict[FileName, Family] = Field(min_length=1)
    maintenance: dict[PlainName, Planned] = Field(default_factory=dict)
    notify: Annotated[dict[PlainName, Notifier], BeforeValidator(_channels)] = Field(default_factory=dict)
    incidents: Incidents | None = None
    notify_max_age: DurationLimit = Field(default=3600 * 10**9, validation_alias=AliasPath("notify", MAX_AGE))
    notify_link: Link = Field(default="", validation_alias=AliasPath("notify", LINK))

    def refuse(self, problems: Sequence[str]) -> None:
        """Raise SettingsError where there are problems, behind the name of the file."""
        if problems:
            raise refused(self._where, problems)


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file, lay the environment over it and check everything. Raises SettingsError with all problems."""
    raw, variables, problems = layered(path, environ)
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
    settings._where = where  # noqa: SLF001 (set here once, for all who get these settings)
    return settings


def _cross_check(settings: Settings) -> Iterator[str]:
    """Problems that only show when several keys are read together."""
    for name, family in settings.families.items():
        for problem in family_problems(family):
            yield f"families.{name}.{problem}"
        if family.format.kind in REGISTRY and not settings.schema_registry.url:
            yield f"families.{name}.format.kind: {family.format.kind} needs schema_registry.url"
    if problem := scheme_problem(settings.kafka.bootstrap_servers, settings.kafka.protocol):
        yield f"kafka.bootstrap_servers: {problem}"
    yield from channel_problems(settings.notify, settings.families, settings.store.commit_interval)
    yield from unknown_families(settings.maintenance, settings.families)
    if settings.incidents is not None:
        for name, channel in settings.notify.items():
            if channel.kind == "alertmanager":
                yield f"notify.{name}: an Alertmanager groups alerts itself, without incidents; leave [incidents] out"
    for table in ("families", "notify", "maintenance"):
        yield from (f"{table}: {problem}" for problem in twins(getattr(settings, table)))
    topics = [family.topic for family in settings.families.values()]
    for topic in sorted({topic for topic in topics if topics.count(topic) > 1}):
        yield f"topic {topic} belongs to two families; give each its own"
