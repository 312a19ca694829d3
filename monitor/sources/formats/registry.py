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
from monitor.sources.formats.bounded_http import TooLargeError, bound

_DEFAULTS = {"timeout": 10, "max.retries": 0}  # it is `Lookups` that tries again
_LARGEST = 2**31 - 1  # ids are Java's int
_DEEPEST = 32  # schemas that refer to schemas that refer ...
_MOST = 64  # schemas that one refers to, also by others
_TEXT = 2**20  # characters of a schema and of all that it refers to
_REFUSED = (401, 403)


class UnknownSchemaError(Exception):
    """The registry says that it has no such schema. Never leaves a decoder."""


class AwayError(SourceError):
    """The registry does not answer, or something else than a registry does: it may be back later."""


class Registry:
    """Schemas and what they refer to; each call asks the registry, and may block for as long as its time limit.

    Raises UnknownSchemaError, AwayError, SourceError where it refuses to answer, and ValueError for schemas that are
    too large. May be called by several threads.
    """

    def __init__(self, client: SchemaRegistryClient, where: formats.SchemaRegistry) -> None:
        self._client = client
        self._url, self._hide = where.shown_url, where.hide

    def schema(self, number: int, form: str | None = None, kind: str = "") -> Schema:
        """The schema with this id, of this kind (AVRO, PROTOBUF, JSON) where one is given."""
        if number > _LARGEST:
            raise UnknownSchemaError(f"schema {number} cannot be: ids end at {_LARGEST}")
        what = f"schema {number}"
        with self._asking(what):
            schema = self._checked(self._client.get_schema(number, fmt=form), what)
        if kind and (found := schema.schema_type or "AVRO") != kind:
            raise ValueError(f"it is {found}, not {kind}")
        return schema

    def references(self, schema: Schema, form: str | None = None) -> list[tuple[str, Schema]]:
        """Name and schema of all it refers to, what others need at the front."""
        found: dict[str, Schema | None] = {}
        self._collect(schema, form, found, _DEEPEST)
        known = {name: other for name, other in found.items() if other is not None}
        if sum(len(other.schema_str or "") for other in (schema, *known.values())) > _TEXT:
            raise ValueError(f"it has more than {_TEXT:,} characters with all that it refers to")
        return list(known.items())

    def check(self) -> str:
        """Ask for a schema, whether there is one or not: that it answers. Raises SourceError."""
        with suppress(UnknownSchemaError, ValueError):
            self.schema(1)
        return "it answers"

    def _collect(self, schema: Schema, form: str | None, found: dict[str, Schema | None], depth: int) -> None:
        for reference in schema.references or ():
            name, subject = reference.name or "", reference.subject or ""
            version: int | Literal["latest"] = reference.version or "latest"
            if name in found:
                continue
            if depth == 0 or len(found) == _MOST:
                raise ValueError(f"it refers to more than {_MOST} schemas, or over more than {_DEEPEST} steps")
            found[name] = None  # a schema may refer to itself over others
            what = f"{subject}, version {version}"
            with self._asking(what):
                other = self._checked(self._client.get_version(subject, version, fmt=form).schema, what)
            self._collect(other, form, found, depth - 1)
            del found[name]
            found[name] = other

    def _checked(self, schema: Schema, what: str) -> Schema:
        """The same schema. Raises AwayError where it is none."""
        self._client.clear_caches()  # type: ignore[no-untyped-call]  # they have no bound, and forget in which form a schema was asked for
        if not isinstance(schema.schema_str, str):
            raise AwayError(f"schema registry {self._url}: {what}: the answer holds no schema; {_HINT}")
        return schema

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        where = f"schema registry {self._url}: {what}"
        try:
            yield
        except SchemaRegistryError as error:
            status, known = error.http_status_code, isinstance(error.error_code, int) and error.error_code > 0
            if status == 404 and known:
                raise UnknownSchemaError(f"the schema registry does not know {what}") from None
            if status in _REFUSED:
                raise SourceError(f"{where}: {_short(self._hide(str(error.error_message)))}") from None
            hint = "" if known else f"; {_HINT}"
            raise AwayError(
                f"{where}: HTTP status {status}: {_short(self._hide(str(error.error_message)))}{hint}"
            ) from None
        except (httpx2.HTTPError, OAuthTokenError) as error:
            raise AwayError(
                f"{where} cannot be fetched: {_short(self._hide(str(error))) or type(error).__name__}; is it running? "
                "Nothing was skipped: the messages are read when it is back"
            ) from None
        except (TooLargeError, SourceError):
            raise
        except Exception as error:  # a page of a proxy, or an object of another kind
            raise AwayError(f"{where}: the answer is no schema ({type(error).__name__}); {_HINT}") from None


_HINT = "is schema_registry.url that of a registry?"


def _short(message: object) -> str:
    return " ".join(str(message)[:200].split())


def open_registry(where: formats.SchemaRegistry) -> Registry:
    """A client of the registry; asks nothing yet. Raises SettingsError for options that it does not take."""
    try:
        client = SchemaRegistryClient.new_client({"url": where.url} | _DEFAULTS | dict(where.options))
    except (ValueError, TypeError, OSError) as error:
        raise SettingsError(f"schema_registry: {where.hide(str(error))}") from None
    bound(client._rest_client.session)  # noqa: SLF001 (the client reads answers of any size, and has no other way in)
    registry = Registry(client, where)
    weakref.finalize(registry, client.close)  # decoders are never closed, only collected
    return registry
