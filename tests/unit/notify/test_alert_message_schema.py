"""The JSON Schema of the payload: shipped, documented, and kept by every message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.message_templates import FIELDS
from monitor.notify.payload import payload
from monitor.records.alerts import AlertState, CommandKind, FactKind, Severity
from tests.unit.notify.test_payload import ALERT, OPENED, STORE, T0, make_evidence

TEXT = resources.files("monitor.notify").joinpath("alert-message.v1.schema.json").read_text("utf-8")
SCHEMA: dict[str, Any] = json.loads(TEXT)
DOCS = Path(__file__).parents[3] / "docs"
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())

times = st.integers(-(2**62), 2**62)
numbers = st.floats(width=32)
alerts = st.builds(
    lambda text, state, severity, times, peak: replace(
        ALERT, run=text[0], family=text[1], stream=text[2], kind=text[3], channel=text[4], cause=text[5], state=state,
        severity=severity, opened_at=times[0], started_at=times[1], last_at=times[2], peak_at=times[2],
        resolved_at=times[3], acknowledged_at=times[4], acknowledged_by=text[6], peak_ratio=peak,
    ),
    st.tuples(*[st.text()] * 7), st.sampled_from(AlertState), st.sampled_from(Severity),
    st.tuples(times, times, times, st.none() | times, st.none() | times), numbers,
)  # fmt: skip
changes = st.builds(
    lambda cause, at, text, ratio: replace(OPENED, cause=cause, at=at, actor=text, note=text, ratio=ratio),
    st.sampled_from([*FactKind, *CommandKind]), times, st.text(), numbers,
)  # fmt: skip
cells = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4)
words = st.dictionaries(st.text(), numbers, max_size=3)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_page_has_the_same_schema() -> None:
    assert (DOCS / "alert-message.v1.schema.json").read_text("utf-8") == TEXT


@given(alerts, changes, cells, words)
def test_every_message_is_valid(alert: Any, change: Any, shares: Any, facts: Any) -> None:
    found = make_evidence([list(row) for row in shares], ("a", "b"))
    values = np.array(shares, np.float32)
    bare = replace(found, values=values, reconstruction=None, facts=facts, components=facts)

    for evidence in (None, found, bare):
        VALIDATOR.validate(json.loads(payload(alert, change, evidence, STORE), parse_constant=pytest.fail))


def test_a_message_that_lacks_a_field_or_has_another_type_of_it_is_not_valid() -> None:
    message = json.loads(payload(ALERT, OPENED, None, STORE))

    for name in message["data"]:
        without = {**message, "data": {key: value for key, value in message["data"].items() if key != name}}
        assert not VALIDATOR.is_valid(without)
        assert not VALIDATOR.is_valid({**message, "data": message["data"] | {name: [T0]}})


def test_every_field_of_a_message_is_described_and_no_other() -> None:
    evidence = replace(make_evidence([[0.4, 0.3]]), components={"detector": 1.0})
    data = json.loads(payload(ALERT, OPENED, evidence, STORE))["data"]
    described = SCHEMA["properties"]["data"]["properties"]

    assert described.keys() == data.keys() | {"percentile_7d"}  # a dispatcher adds it
    assert described["causes"]["items"]["properties"].keys() == data["causes"][0].keys()
    assert [path for path, part in _parts(SCHEMA) if not part.get("description")] == []


def test_templates_have_the_fields_of_a_message_that_are_texts_or_numbers() -> None:
    described = SCHEMA["properties"]["data"]["properties"]
    flat = {name for name, part in described.items() if part["type"] not in ("object", "array")}

    assert set(FIELDS) == flat | {"contributions", "type", "timestamp"}


def _parts(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}", part
        yield from _parts(part, f"{path}.{name}")
        yield from _parts(part.get("items", {}), f"{path}.{name}[]")
