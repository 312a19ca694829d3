"""Each setting with a value that it does not take: the error says in plain words what is wrong, and what to write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.config.durations import WRITTEN
from monitor.config.sections import Section, _sections, explain
from monitor.config.settings import Settings

# Words of the library, which a person who writes TOML does not know
RAW = re.compile(
    r"\bInput\b|valid (string|integer|number|boolean|dict|tuple)|unable to|String should|pattern '|instance of|None\b"
)
VALUES: list[Any] = [True, -1, 0, 1, 2**70, 1.5, -0.5, "", "x", "x" * 300, "-1", [], [1], [[]], {}, {"a": 1}, [{}]]


def classes(of: type[Section], seen: set[type[Section]]) -> Iterator[type[Section]]:
    if of in seen:
        return
    seen.add(of)
    yield of
    for field in of.model_fields.values():
        for found in _sections(field.annotation):
            yield from classes(found, seen)


ALL = list(classes(Settings, set()))


def problems(of: type[Section], table: dict[str, Any]) -> list[str]:
    try:
        of.model_validate(table, context=WRITTEN)
    except ValidationError as error:
        return explain(error, of, {})
    return []


@pytest.mark.parametrize("of", ALL, ids=lambda of: of.__name__)
def test_what_is_wrong_is_said_in_plain_words(of: type[Section]) -> None:
    tables: list[dict[str, Any]] = [{}, {"no such key": 1}]
    tables += [{name: value} for name in of.model_fields for value in VALUES]
    found = {problem for table in tables for problem in problems(of, table)}
    assert found  # a key that there is not, at least
    assert [problem for problem in found if RAW.search(problem)] == []
    assert [problem for problem in found if not re.match(r"([\w. -]+)?: .", problem)] == []  # where it stands
    assert [
        problem for problem in found if not re.search(r"[;:,] .*\w|^write ", problem.partition(": ")[2])
    ] == []  # what to do
