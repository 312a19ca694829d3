"""JSON Schemas run in bounded time: steps are counted, patterns take linear time, and nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import re2
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend, validator_for
from referencing import Registry as Resources
from referencing.jsonschema import DRAFT7, DRAFT202012, specification_with

from monitor.sources.formats.schema_text import parse_schema_text

_BASE, _PER_BYTE, _MOST = 20_000, 2, 250_000  # steps for a body: each takes some microseconds
_BLIND = {"$dynamicRef", "$recursiveRef", "dependentSchemas", "patternProperties"}  # followed without a keyword's step
_TOO_MUCH = "to check the body takes too many steps"
_SIZED = frozenset((str, list, dict))
_LONG = 64  # characters of a text
_Keyword = Callable[[Any, Any, Any, Any], Any]


class TooMuchWorkError(Exception):
    """A body takes more steps than one of its size may."""


class JsonSchema:
    """A schema and what it refers to, by name. Raises ValueError, or anything, for one that cannot be used."""

    def __init__(self, text: str | None, others: Sequence[tuple[str, str | None]]) -> None:
        document = parse_schema_text(text)
        resources: Resources[Any] = Resources()
        for name, other in others:
            resources = resources.with_resource(name, _resource(parse_schema_text(other), DRAFT7))
        kind: Any = validator_for(document, default=_NEWEST)
        _check(kind, document)
        self._left = 0
        self._patterns: dict[str, Any] = {}
        self._sizes: dict[int, int] = {}  # of the values of keywords, by their identity
        root = _resource(document, DRAFT202012)
        names = set(self._prepare(root.contents)).union(
            *(self._prepare(resources.contents(name)) for name, _ in others)
        )
        if any(name.startswith("unevaluated") for name in names) and not names.isdisjoint(_BLIND):
            raise ValueError(
                f"unevaluatedProperties and unevaluatedItems are not run beside {', '.join(sorted(_BLIND))}"
            )
        base = root.id() or ""
        resolver = resources.with_resource(base, root).crawl().resolver(base)
        keywords = kind.VALIDATORS | self._own()
        if keywords.get("type") is _TYPE:
            keywords["type"] = _type
        bounded: Any = extend(kind, {name: self._counted(run) for name, run in keywords.items()})
        self._validator = bounded(root.contents, _resolver=resolver)  # without what jsonschema fetches or knows itself

    def validate(self, document: Any, size: int) -> None:
        """Raise ValidationError for a document that does not fit, TooMuchWorkError where that takes too long.

        `size` is that of the document in bytes.
        """
        self._left = min(_MOST, _BASE + _PER_BYTE * size)
        self._validator.validate(document)

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise TooMuchWorkError(_TOO_MUCH)

    def _counted(self, run: _Keyword) -> _Keyword:
        def keyword(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
            steps, large = 1, False
            if type(value) in _SIZED:
                steps += len(value) >> 3
            if type(instance) in _SIZED:
                steps += _size(instance)
                large = type(instance) is not str or len(instance) > _LONG
            self._left -= steps
            if self._left < 0:
                raise TooMuchWorkError(_TOO_MUCH)
            errors = run(validator, value, instance, schema)
            return self._charged(errors) if large and errors is not None else errors

        return keyword

    def _charged(self, errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
        """The same errors: each holds the text of the whole instance."""
        for error in errors:
            self._spend(len(error.message) >> 6)
            yield error

    def _prepare(self, schema: Any) -> Iterator[str]:
        """Compile all patterns; yields all names. Raises ValueError for a pattern that has no linear time."""
        left = [schema]
        while left:
            item = left.pop()
            if isinstance(item, dict):
                yield from item
                patterns = item.get("patternProperties")
                for pattern in [*(patterns if isinstance(patterns, dict) else ()), item.get("pattern")]:
                    if isinstance(pattern, str):
                        self._patterns[pattern] = _compiled(pattern)
                left += item.values()
            elif isinstance(item, list):
                left += item

    def _own(self) -> dict[str, _Keyword]:
        """The keywords whose time jsonschema does not bound."""
        return {
            "pattern": self._pattern, "patternProperties": self._pattern_properties, "uniqueItems": self._unique,
            "additionalProperties": self._additional, "enum": self._one_of, "const": self._const,
        }  # fmt: skip

    def _pattern(self, validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[ValidationError]:
        if validator.is_type(instance, "string") and not self._matches(pattern, instance):
            yield ValidationError(f"{instance!r} does not match {pattern!r}")

    def _pattern_properties(self, validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
        if validator.is_type(instance, "object"):
            for pattern, schema in patterns.items():
                for name in instance:
                    if self._matches(pattern, name):
                        yield from validator.descend(instance[name], schema, path=name, schema_path=pattern)

    def _additional(self, validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if not validator.is_type(instance, "object"):
            return
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        extras = [
            name for name in instance
            if name not in known and not any(self._matches(pattern, name) for pattern in patterns)
        ]  # fmt: skip
        if validator.is_type(allowed, "object"):
            for name in extras:
                yield from validator.descend(instance[name], allowed, path=name)
        elif not allowed and extras:
            yield ValidationError(f"additional properties are not allowed: {', '.join(map(repr, extras[:8]))}")

    def _matches(self, pattern: str, text: str) -> bool:
        self._spend(1 + _size(text))
        return self._patterns[pattern].search(text) is not None

    def _unique(self, validator: Any, wanted: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
        if wanted and validator.is_type(instance, "array"):
            texts = [json.dumps(self._exact(item), sort_keys=True) for item in instance]
            if len(set(texts)) < len(texts):
                yield ValidationError("the array has items that are equal")

    def _exact(self, item: Any) -> Any:
        """The same value with whole numbers as ints: 1.0 is 1."""
        self._spend(1 + _size(item))
        if isinstance(item, dict):
            return {name: self._exact(value) for name, value in item.items()}
        if isinstance(item, list):
            return list(map(self._exact, item))
        return int(item) if isinstance(item, float) and item.is_integer() else item

    def _one_of(self, validator: Any, values: Any, instance: Any, schema: Any) -> Any:
        self._spend(self._parts(values) >> 3)
        return _ENUM(validator, values, instance, schema)

    def _const(self, validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        self._spend(self._parts(value) >> 3)
        return _CONST(validator, value, instance, schema)

    def _parts(self, value: Any) -> int:
        """How many objects, lists and values this one of a schema is made of."""
        found = self._sizes.get(id(value))
        if found is None:
            below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            found = self._sizes[id(value)] = 1 + sum(map(self._parts, below))
        return found


_NEWEST: Any = validator_for({"$schema": "https://json-schema.org/draft/2020-12/schema"})
_ENUM, _CONST, _TYPE = (_NEWEST.VALIDATORS[name] for name in ("enum", "const", "type"))


def _type(validator: Any, types: Any, instance: Any, schema: Any) -> Any:
    """The same as jsonschema's, in half the time where the value is of the type."""
    for name in (types,) if isinstance(types, str) else types:
        if validator.is_type(instance, name):
            return None
    return _TYPE(validator, types, instance, schema)


def _check(kind: Any, document: Any) -> None:
    """Raise ValueError for what is no schema of its draft."""
    try:
        kind.check_schema(document, format_checker=None)
    except SchemaError as error:
        raise ValueError(f"{error.message[:200]}, at {error.json_path[:100]}") from None


def _resource(document: Any, default: Any) -> Any:
    """A schema of the draft that it names, without that name: jsonschema would leave the bounded keywords for it."""
    named = document.get("$schema") if isinstance(document, dict) else None
    draft = specification_with(named, default) if isinstance(named, str) else default
    return draft.create_resource(_without_draft(document))


def _without_draft(item: Any) -> Any:
    if isinstance(item, list):
        return list(map(_without_draft, item))
    if not isinstance(item, dict):
        return item
    return {k: _without_draft(v) for k, v in item.items() if k != "$schema" or not isinstance(v, str)}


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        says = error.args[0]
        said = says.decode("utf-8", "replace") if isinstance(says, bytes) else str(says)
        raise ValueError(f"the pattern {pattern[:60]} cannot be run in linear time: {said}") from None


def _size(item: Any) -> int:
    """Steps for looking at all of it, but not into it."""
    kind = type(item)
    if kind is list or kind is dict:
        return len(item) >> 3
    return len(item) >> 6 if kind is str else 0
