"""The configuration: one TOML file, overridden by `WATCHKEEPER__SECTION__KEY` environment variables.

Unknown keys are refused with the nearest right name, and every problem is reported at once.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from monitor.durations import WRITTEN, Duration, Interval, Span, Spanned, format_duration, parse_duration
from monitor.errors import SettingsError
from monitor.health_settings import Health, Range, health_problems
from monitor.message_format import REGISTRY, Format, SchemaRegistry, format_problems
from monitor.tables import KeyPath, Section, explain, nearest
from monitor.window_kinds import Window, beat_problems

__all__ = [
    "Alerts", "Align", "Detector", "Family", "Format", "Health", "Kafka", "LogNotifier", "SchemaRegistry", "Settings",
    "Span", "Store", "Threshold", "Train", "WebhookNotifier", "Window", "format_duration", "load", "parse",
    "parse_duration",
]  # fmt: skip

FEWEST_WINDOWS = 32  # to train a model, or to profile a stream for one
PREFIX = "WATCHKEEPER__"


class Kafka(Section):
    """The broker. `options` go to librdkafka as they are; `on_gap`: what to do when unread records are gone."""

    bootstrap_servers: str = "embedded"
    group: str = "watchkeeper"
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    embedded_port: int = Field(default=0, ge=0, le=65535)
    on_gap: Literal["fail", "record"] = "fail"


class Store(Section):
    """SQL. The URL is SQLAlchemy's; a password belongs into `WATCHKEEPER__STORE__URL`, not into the file."""

    url: str = Field(default="sqlite:///watchkeeper.db", repr=False)
    commit_interval: Duration = 10**9
    scores: Literal["all", "anomalies", "rollup"] = "all"

    @property
    def shown_url(self) -> str:
        """The URL without its password, for screens and logs."""
        hidden = re.sub(r"(://[^:/?]*):.*@", r"\1:***@", self.url)
        return re.sub(r"(password=)[^&]*", r"\1***", hidden)

    @field_validator("url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        scheme, separator, rest = url.partition("://")
        if not separator or scheme.split("+")[0] not in ("sqlite", "postgresql", "postgres"):
            raise ValueError("write sqlite:///FILE or postgresql://USER@HOST/DATABASE")  # never repeats a password
        return f"postgresql+psycopg://{rest}" if scheme in ("postgresql", "postgres") else url


class Align(Section):
    """From event time to the grid."""

    lateness: Spanned = Span(count=1)
    max_gap: Spanned = Span(count=3)
    max_age: Spanned = Span(count=10)
    max_imputed: float = Field(default=0.2, ge=0, le=1)
    max_future_skew: Duration = 5 * 60 * 10**9


class Detector(Section):
    """Which autoencoder; docs/configuration.md lists the kinds and the `options` of each."""

    kind: str = "dense"
    options: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0


class Train(Section):
    """When a stream has been seen for `after`, it gets a model of its family; training takes that span.

    `wait` holds reading back while the first model is trained: for catching up with the past at full speed.
    """

    after: Spanned = Span(count=2000)
    wait: bool = False


class Threshold(Section):
    """The limit. `rolling`: mean + n_std·std of the last `history` of normal scores; `static`: of the training's."""

    kind: Literal["rolling", "static"] = "rolling"
    n_std: float = Field(default=6.0, gt=0)
    history: Spanned = Span(time=24 * 3600 * 10**9)


class Alerts(Section):
    """Open when `open_count` of the last `open_of` windows reach the limit; resolve after `resolve_after` calm ones."""

    open_count: int = Field(default=2, ge=1, le=32)
    open_of: int = Field(default=3, ge=1, le=32)
    resolve_after: int = Field(default=3, ge=1, le=10_000)
    resolve_below: float = Field(default=0.85, gt=0, le=1)
    critical: float = Field(default=2.0, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Alerts:
        if self.open_count > self.open_of:
            raise ValueError(f"open_count = {self.open_count} of open_of = {self.open_of} can never happen")
        return self


class Family(Section):
    """The streams of one topic that share window, detector, threshold and alert settings."""

    topic: str
    channels: tuple[str, ...] = Field(default=("value",), min_length=1)
    interval: Interval
    scale: Literal["stream", "none"] = "stream"
    valid_range: dict[str, Range] = Field(default_factory=dict)
    format: Format = Format()
    align: Align = Align()
    window: Window
    detector: Detector = Detector()
    train: Train = Train()
    threshold: Threshold = Threshold()
    alerts: Alerts = Alerts()
    health: Health = Health()

    @property
    def length(self) -> int:
        """Readings in a window."""
        return self.window.length.steps(self.interval, "window.length")

    @property
    def hop(self) -> int:
        """Readings between window ends."""
        if self.window.hop is not None:
            return self.window.hop.steps(self.interval, "window.hop")
        return self.length if self.window.kind == "tumbling" else 1

    @property
    def rate(self) -> float:
        """Readings per second; the family has a grid, or its windows are beats."""
        return self.window.rate or 1e9 / (self.interval or math.nan)

    @property
    def width(self) -> int:
        """Numbers in one reading: channels, or a whole window where each message is one."""
        return len(self.channels) * (self.length if self.window.kind == "message" else 1)


class WebhookNotifier(Section):
    """Posts to `url`, signed with each of the secrets named by environment variable or file."""

    kind: Literal["webhook"]
    url: str
    secret_env: tuple[str, ...] = ()
    secret_file: tuple[Path, ...] = ()
    allow_hosts: tuple[str, ...] = ()  # private hosts that may be called all the same
    timeout: Duration = 15 * 10**9


class LogNotifier(Section):
    """Writes to the structured log."""

    kind: Literal["log"]


class Settings(Section):
    """The whole file."""

    kafka: Kafka = Kafka()
    schema_registry: SchemaRegistry = SchemaRegistry()
    store: Store = Store()
    models: Path = Path("artefacts")
    families: dict[str, Family] = Field(min_length=1)
    notify: dict[str, Annotated[WebhookNotifier | LogNotifier, Field(discriminator="kind")]] = Field(
        default_factory=dict
    )


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
        if known and len(path) > 1:
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
        for problem in _family_problems(family):
            yield f"families.{name}.{problem}"
        if family.format.kind in REGISTRY and not settings.schema_registry.url:
            yield f"families.{name}.format.kind: {family.format.kind} needs schema_registry.url"
    topics = [family.topic for family in settings.families.values()]
    for topic in sorted({topic for topic in topics if topics.count(topic) > 1}):
        yield f"topic {topic} belongs to two families; give each its own"


def _family_problems(family: Family) -> Iterator[str]:
    spans = {"window.length": family.window.length, "window.hop": family.window.hop}
    align = family.align
    spans |= {"align.lateness": align.lateness, "align.max_gap": align.max_gap, "align.max_age": align.max_age}
    spans |= {"train.after": family.train.after}
    for where, span in spans.items():
        try:
            if span is not None and span.steps(family.interval, where) < (where.startswith("window")):
                yield f"{where}: must be at least 1"
        except SettingsError as error:
            yield str(error)
            return
    if family.window.kind != "beat":
        after, fewest = family.train.after.steps(family.interval, "train.after"), FEWEST_WINDOWS
        fewest += 0 if family.window.kind == "message" else family.length - 1
        if after < fewest:
            yield f"train.after: {after} readings are too few to train on; with this window it takes {fewest} at least"
    single = family.interval is not None and family.window.kind in ("sliding", "tumbling") and not family.format.channel
    yield from health_problems(family.health, family.valid_range, family.channels, single=single)
    yield from beat_problems(family.window, family.interval, len(family.channels))
    if len(set(family.channels)) < len(family.channels):
        yield "channels: each name may stand there once"
    if family.format.channel and family.interval is None:
        yield 'format.channel: channels are joined on a grid; set interval = "10s", or what suits them'
    yield from format_problems(family.format, family.channels, vector=family.window.kind == "message")
