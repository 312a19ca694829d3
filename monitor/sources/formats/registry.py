"""A Confluent Schema Registry: schemas by id; an unknown schema and an unavailable registry are different errors."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import OAuthTokenError, SchemaRegistryError

from monitor.config import formats
from monitor.errors import SettingsError, SourceError

_DEFAULTS = {"timeout": 10, "max.retries": 4, "retries.wait.ms": 500, "retries.max.wait.ms": 5000}
_LARGEST = 2**31 - 1  # ids are Java's int
_DEEPEST = 32  # schemas that refer to schemas that refer ...


class UnknownSchemaError(Exception):
    """The registry says that it has no such schema. Never leaves a decoder."""


class Registry:
    """Schemas and what they refer to. A registry that does not answer is a SourceError after some tries."""

    def __init__(self, client: SchemaRegistryClient, where: formats.SchemaRegistry) -> None:
        self._client = client
        self._url, self._hide = where.shown_url, where.hide

    def schema(self, number: int, form: str | None = None) -> Schema:
        """The schema with this id; remembered. Raises UnknownSchemaError and SourceError."""
        if number > _LARGEST:
            raise UnknownSchemaError(f"schema {number} cannot be: ids end at {_LARGEST}")
        with self._asking(f"schema {number}"):
            return self._client.get_schema(number, fmt=form)

    def references(self, schema: Schema, form: str | None = None) -> list[tuple[str, Schema]]:
        """Name and schema of all it refers to, what others need at the front. Raises as `schema` does."""
        found: dict[str, Schema] = {}
        self._collect(schema, form, found, _DEEPEST)
        return list(found.items())

    def check(self) -> str:
        """Ask for a schema, whether there is one or not: that it answers. Raises SourceError."""
        with suppress(UnknownSchemaError):
            self.schema(1)
        return "it answers"

    def _collect(self, schema: Schema, form: str | None, found: dict[str, Schema], depth: int) -> None:
        for reference in schema.references or ():
            name, subject = reference.name or "", reference.subject or ""
            version: int | Literal["latest"] = reference.version or "latest"
            if name in found or depth == 0:
                continue
            with self._asking(f"{subject}, version {version}"):
                other = self._client.get_version(subject, version, fmt=form).schema
            self._collect(other, form, found, depth - 1)
            found[name] = other

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except SchemaRegistryError as error:
            if error.http_status_code == 404:
                raise UnknownSchemaError(f"the schema registry does not know {what}") from None
            raise SourceError(f"schema registry {self._url}: {what}: {self._hide(str(error.error_message))}") from None
        except (httpx2.HTTPError, OAuthTokenError) as error:
            raise SourceError(
                f"schema registry {self._url}: {what} cannot be fetched: {self._hide(str(error))}; is it running? "
                "Nothing was skipped: the messages are read again when it is back"
            ) from None


def open_registry(where: formats.SchemaRegistry) -> Registry:
    """A client of the registry; asks nothing yet. Raises SettingsError for options that it does not take."""
    try:
        client = SchemaRegistryClient.new_client({"url": where.url} | _DEFAULTS | dict(where.options))
    except (ValueError, TypeError, OSError) as error:
        raise SettingsError(f"schema_registry: {where.hide(str(error))}") from None
    registry = Registry(client, where)
    weakref.finalize(registry, client.close)  # decoders are never closed, only collected
    return registry
