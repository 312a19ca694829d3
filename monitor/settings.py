"""The configuration: one TOML file, overridden by `WATCHKEEPER__SECTION__KEY` environment variables.

Unknown keys are refused with the nearest right name, and every problem is reported at once.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from monitor.errors import SettingsError

PREFIX = "WATCHKEEPER__"
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|d)\s*")


def parse_duration(text: str) -> int:
    """Nanoseconds in a duration such as "10s", "250ms", "1.5h" or "1h30m"."""
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text):
        raise ValueError(f"{text!r} is not a duration; write a number and a unit, e.g. 250ms, 10s, 5m, 24h, 7d")
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


class Span(BaseModel):
    """A length given as a time ("24h", in ns) or as a count (360): exactly one of the two is set."""

    model_config = ConfigDict(frozen=True)
    time: int | None = None
    count: int | None = None

    def steps(self, interval: int | None, where: str) -> int:
        """Number of grid steps; a time needs an interval to become a count."""
        if self.count is not None:
            return self.count
        if interval is None:
            raise SettingsError(f'{where}: a duration needs an interval; give a count, or set interval = "10s"')
        assert self.time is not None  # noqa: S101 (one of the two is always set)
        if self.time % interval:
            raise SettingsError(f"{where}: {self.time / 1e9:g} s is not a whole number of {interval / 1e9:g} s intervals")
        return self.time // interval


def _span(value: object) -> object:
    if isinstance(value, str):
        return {"time": parse_duration(value)}
    return {"count": value} if isinstance(value, int) else value


Duration = Annotated[int, BeforeValidator(_duration), Field(gt=0)]
Spanned = Annotated[Span, BeforeValidator(_span)]


def _interval(value: object) -> object:
    return None if value == "none" else _duration(value)


class Section(BaseModel):
    """A table of the file: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kafka(Section):
    """The broker. `options` go to librdkafka as they are."""

    bootstrap_servers: str = "embedded"
    group: str = "watchkeeper"
    options: dict[str, str | int | float | bool] = {}
    embedded_port: int = Field(default=0, ge=0, le=65535)


class Store(Section):
    """SQL. The URL is SQLAlchemy's; a password belongs into `WATCHKEEPER__STORE__URL`, not into the file."""

    url: str = "sqlite:///watchkeeper.db"
    commit_interval: Duration = 10**9


class Format(Section):
    """How a JSON message becomes readings. A name with dots is a path into nested objects.

    `key` "$key" is the Kafka key; `values` defaults to the channel names, and for `message` windows is one field
    that holds the whole vector. `time_unit` "auto" takes ISO-8601 text, and tells s, ms, us, ns by magnitude.
    """

    key: str = "$key"
    time: str = "time"
    time_unit: Literal["auto", "iso", "s", "ms", "us", "ns"] = "auto"
    values: tuple[str, ...] = ()


class Align(Section):
    """From event time to the grid."""

    lateness: Spanned = Span(count=1)
    max_gap: Spanned = Span(count=3)
    max_imputed: float = Field(default=0.2, ge=0, le=1)
    max_future_skew: Duration = 5 * 60 * 10**9


class Window(Section):
    """The fixed-length vectors that are scored. `hop` defaults to 1 (sliding) or `length` (tumbling)."""

    kind: Literal["sliding", "tumbling", "message"] = "sliding"
    length: Spanned
    hop: Spanned | None = None


class Detector(Section):
    """Which autoencoder; `options` are its own (see `watchkeeper detectors`)."""

    kind: str = "dense"
    options: dict[str, Any] = {}
    seed: int = 0


class Train(Section):
    """When a stream has been seen for `after`, it gets a model of its family; training takes that span."""

    after: Spanned = Span(count=2000)


class Threshold(Section):
    """The limit. `rolling`: mean + n_std·std of the last `history` of normal scores; `static`: of the training's."""

    kind: Literal["rolling", "static"] = "rolling"
    n_std: float = Field(default=3.0, gt=0)
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
    interval: Annotated[int | None, BeforeValidator(_interval)] = Field(gt=0)
    scale: Literal["stream", "none"] = "stream"
    format: Format = Format()
    align: Align = Align()
    window: Window
    detector: Detector = Detector()
    train: Train = Train()
    threshold: Threshold = Threshold()
    alerts: Alerts = Alerts()

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
    store: Store = Store()
    models: Path = Path("artefacts")
    families: dict[str, Family] = Field(min_length=1)
    notify: dict[str, Annotated[WebhookNotifier | LogNotifier, Field(discriminator="kind")]] = {}


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file, lay the environment over it and check everything. Raises SettingsError with all problems."""
    if path is None:
        raw: dict[str, Any] = {}
    else:
        raw = _read(path)
    _overlay(raw, environ)
    return parse(raw, where=str(path or "settings"))


def parse(raw: Mapping[str, Any], where: str = "settings") -> Settings:
    """Check a configuration given as nested mappings."""
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        problems = [_explain(item) for item in error.errors()]
    else:
        problems = list(_cross_check(settings))
        if not problems:
            return settings
    lines = "\n".join(f"  - {problem}" for problem in problems)
    raise SettingsError(f"{where} has {len(problems)} problem{'s'[: len(problems) > 1]}:\n{lines}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _overlay(raw: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Set raw["a"]["b"] from WATCHKEEPER__A__B; a value is TOML where it can be, else text.

    pydantic-settings would skip a misspelt variable; here it meets the same checks as the file.
    """
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        *parents, last = name.removeprefix(PREFIX).lower().split("__")
        table = raw
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise SettingsError(f"{name}: {parent} is a value, not a table")
        try:
            table[last] = tomllib.loads(f"value = {environ[name]}")["value"]
        except tomllib.TOMLDecodeError:
            table[last] = environ[name]


def _explain(item: Any) -> str:
    """One sentence for one pydantic error."""
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(item["loc"][-1]), _keys_at(item["loc"][:-1]), n=1)
        return f"{where}: unknown key" + (f"; did you mean {near[0]}?" if near else "")
    if item["type"] == "missing":
        return f"{where}: missing"
    message = item["msg"].removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}"


def _keys_at(path: tuple[int | str, ...]) -> list[str]:
    """Names allowed in the table at `path` of the file."""
    kind: Any = Settings
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(part)].annotation
        else:  # dict[str, X], or a union told apart by the tag that pydantic puts into the path
            members = [member for argument in get_args(kind) for member in (argument, *get_args(argument))]
            sections = [m for m in members if isinstance(m, type) and issubclass(m, BaseModel)]
            tagged = [s for s in sections if part in get_args(getattr(s.model_fields.get("kind"), "annotation", None))]
            kind = (tagged or [*sections, kind])[0] if len(sections) == 1 or tagged else kind
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _cross_check(settings: Settings) -> list[str]:
    """Problems that only show when several keys are read together."""
    problems = []
    for name, family in settings.families.items():
        where = f"families.{name}"
        checks = [lambda f=family: f.length, lambda f=family: f.hop]
        for check in checks:
            try:
                if check() < 1:
                    problems.append(f"{where}.window: length and hop must be at least 1")
            except SettingsError as error:
                problems.append(f"{where}.{error}")
    topics = [family.topic for family in settings.families.values()]
    twice = sorted({topic for topic in topics if topics.count(topic) > 1})
    problems += [f"topic {topic} belongs to two families; give each its own" for topic in twice]
    return problems
