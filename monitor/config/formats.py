"""How messages become readings, as the configuration says it: the tables `format` and `schema_registry`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from monitor.config.addresses import web_problem
from monitor.config.key_templates import key_template, template_problems
from monitor.config.notations import notation_problems, worth_problems
from monitor.config.secrets import ESCAPED, hidden, is_unclear, secret_options, secrets_of, shown_url
from monitor.config.sections import Section

KAFKA_KEY = "$key"
KAFKA_TIME = "$timestamp"
GRID = "$interval"
VECTORS = ("float32", "float64")
REGISTRY = ("avro", "protobuf", "json-schema")

Kind = Literal["json", "json-array", "json-batch", "csv", "float32", "float64", "avro", "protobuf", "json-schema"]


class SchemaRegistry(Section):
    """A Confluent Schema Registry. `options` go to its client as they are; a password belongs into the environment."""

    url: str = Field(default="", repr=False)
    options: dict[str, str | int | float | bool] = Field(default_factory=dict, repr=False)

    @property
    def shown_url(self) -> str:
        """The URL without user, password and query, for screens and logs."""
        return shown_url(self.url)

    def hide(self, text: str) -> str:
        """A text of the registry or its client, without what is secret in the URL and the options."""
        shown = text.replace(self.url, self.shown_url) if self.url else text
        return hidden(shown, [*secrets_of(self.url), *secret_options(self.options)])

    @field_validator("url")
    @classmethod
    def _clear(cls, url: str) -> str:
        each = [part.strip() for part in url.split(",")] if url else []
        if any(not part.startswith(("http://", "https://", "mock://")) for part in each):
            raise ValueError(f"write http://HOST:PORT, or several with commas between them; {ESCAPED}, a comma as %2C")
        if is_unclear(url):
            raise ValueError(f"it is not clear where its password ends; {ESCAPED}")  # never repeats a password
        if problem := next(filter(None, (web_problem(part) for part in each if not part.startswith("mock"))), ""):
            raise ValueError(problem)
        return url


class Format(Section):
    """What a message of one family looks like. A name with dots is a path into nested objects.

    `key` is "$key" (the Kafka key), a field, or a template such as "{site}/{machine.id}". `time` is a field or
    "$timestamp" (Kafka's). `values` defaults to the channel names, and for `message` windows is one field that holds
    the whole vector. `time_unit` "auto" takes ISO-8601 text, and recognises s, ms, us, ns by magnitude; its other
    values are those of `monitor.sources.timestamps.TimeReader`. `time_zone` is the zone of times that name none.

    Where each message brings one channel, `channel` is the field that names it, and `value` the field of its value.

    How values are written, in messages as text and in files: `decimal`, `thousands`, and the words `missing`, `high`
    and `low`. `quality` is the field that says what a value is worth, one for all channels or one per channel; a value
    whose quality is not among `good` is missing. The channels in `counters` are totals: their differences are judged.
    """

    kind: Kind = "json"
    key: str = KAFKA_KEY
    time: str = "time"
    time_unit: str = "auto"
    time_zone: str = ""
    values: tuple[str, ...] = ()
    channel: str = ""
    value: str = "value"
    interval: str = "interval"
    columns: tuple[str, ...] = ()

    key_encoding: Literal["text", "int", "long", "hex"] = "text"
    decimal: Literal[".", ","] = "."
    thousands: str = ""
    missing: tuple[str, ...] = ()
    high: tuple[str, ...] = ()
    low: tuple[str, ...] = ()
    quality: str | dict[str, str] = ""
    good: tuple[str, ...] = ()
    counters: tuple[str, ...] = ()
    delimiter: str = ""
    encoding: str = ""
    skip_rows: int = Field(default=0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _batch_begins(cls, given: Any) -> Any:
        """A batch has no time but a start."""
        batch = isinstance(given, dict) and given.get("kind") == "json-batch"
        return {"time": "start"} | given if batch else given

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The fields that a stream's name is made of; none where it is the Kafka key."""
        if self.key == KAFKA_KEY:
            return ()
        return key_template(self.key).fields or (self.key,)

    @property
    def time_fields(self) -> tuple[str, ...]:
        """The field of the time; none where it is Kafka's."""
        return () if self.time == KAFKA_TIME else (self.time,)

    @property
    def channel_fields(self) -> tuple[str, ...]:
        """The field that names a message's channel; none where it brings all of them."""
        return (self.channel,) if self.channel else ()

    def quality_fields(self, channels: Sequence[str]) -> tuple[str, ...]:
        """The field of each channel's quality, "" where it has none; empty where no channel has one."""
        if isinstance(self.quality, str):
            return (self.quality,) * len(channels) if self.quality else ()
        return tuple(self.quality.get(channel, "") for channel in channels)

    def name(self, parts: Sequence[str | int]) -> str | int:
        """The stream's name, made of the values of `key_fields`; empty where one of them is."""
        return key_template(self.key).name(parts) if "{" in self.key else parts[0]


def format_problems(layout: Format, channels: Sequence[str], *, vector: bool) -> Iterator[str]:
    """What cannot be, in sentences that begin with the key; `vector`: each message is a whole window."""
    yield from (f"format.key: {problem}" for problem in template_problems(layout.key))
    fields = (layout.value,) if layout.channel else layout.values
    yield from _channel_problems(layout, vector=vector)
    yield from notation_problems(layout)
    yield from worth_problems(layout, channels, vector=vector)
    if layout.key_encoding != "text" and layout.key != KAFKA_KEY:
        yield f'format.key_encoding: {layout.key} is a field; only "{KAFKA_KEY}" is encoded'
    batch = layout.kind == "json-batch"
    if vector and batch:
        yield 'format.kind: a json-batch holds many readings, a window of kind "message" is one; use json-array'
    elif layout.kind in VECTORS:
        yield from _vector_problems(layout)
    elif vector and len(fields or channels) != 1:
        yield "format.values: name the one field that holds the whole window"
    elif not vector and layout.values and len(fields) not in ((1, len(channels)) if batch else (len(channels),)):
        yield f"format.values: {len(fields)} fields for {len(channels)} channels"
    if layout.kind == "csv":
        yield from _column_problems(layout, fields or tuple(channels), vector=vector)
    elif layout.columns:
        yield 'format.columns: only kind = "csv" has columns'


def _channel_problems(layout: Format, *, vector: bool) -> Iterator[str]:
    if not layout.channel:
        if layout.value != "value":
            yield "format.value: goes with format.channel; name the fields of the channels in format.values"
        return
    if layout.channel in (*layout.key_fields, *layout.time_fields, layout.value):
        yield f"format.channel: {layout.channel} is the field of the key, the time or the value already"
    if layout.values:
        yield "format.values: with format.channel there is one field, format.value"
    if vector:
        yield 'format.channel: a window of kind "message" comes as a whole; leave it out'
    if layout.kind in (*VECTORS, "json-batch"):
        yield f"format.channel: a {layout.kind} message brings all channels; leave it out"


def _vector_problems(layout: Format) -> Iterator[str]:
    if layout.key != KAFKA_KEY:
        yield f'format.key: a {layout.kind} message has no fields; only "{KAFKA_KEY}" can name its stream'
    if layout.values:
        yield f"format.values: a {layout.kind} message has no fields; its numbers are the channels in their order"
    if layout.time_unit == "iso":
        yield f"format.time_unit: a {layout.kind} message begins with a whole number, not with text"


def _column_problems(layout: Format, fields: Sequence[str], *, vector: bool) -> Iterator[str]:
    columns = layout.columns
    if not columns:
        return
    if len(set(columns)) < len(columns):
        yield "format.columns: each name may stand there once"
    for name in (*layout.key_fields, *layout.channel_fields, *layout.time_fields, *fields):
        if name not in columns:
            yield f"format.columns: {name} is not among them"
    if vector and columns[-1] != fields[0]:
        yield f"format.columns: {fields[0]} holds a whole window and must come last"
