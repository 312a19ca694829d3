"""What the configuration may say about messages."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.config.formats import Format, SchemaRegistry
from monitor.config.settings import parse
from monitor.errors import SettingsError


def config(**family: Any) -> dict[str, Any]:
    return {"families": {"f": {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}} | family}}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": {"kind": "xml"}}, "format.kind: 'xml' is not known; write 'json', 'json-array'"),
        ({"format": {"colums": ["a"]}}, "format.colums: unknown key; did you mean columns?"),
        ({"format": {"key": "{site"}}, "format.key: write a template"),
        ({"format": {"key": "{}/a"}}, "format.key: write a template"),
        ({"format": {"values": ["a", "b"]}}, "format.values: 2 fields for 1 channels"),
        ({"format": {"kind": "json-batch", "values": ["a", "b"]}}, "format.values: 2 fields for 1 channels"),
        ({"format": {"columns": ["time", "value"]}}, 'format.columns: only kind = "csv" has columns'),
        ({"format": {"kind": "csv", "columns": ["time", "v"]}}, "format.columns: value is not among them"),
        ({"format": {"kind": "csv", "columns": ["value"]}}, "format.columns: time is not among them"),
        ({"format": {"kind": "csv", "key": "id", "columns": ["time", "value"]}}, "format.columns: id is not among"),
        ({"format": {"kind": "csv", "columns": ["time", "value", "time"]}}, "format.columns: each name may stand"),
        ({"format": {"kind": "float32", "key": "id"}}, 'only "$key" can name its stream'),
        ({"format": {"kind": "float64", "values": ["value"]}}, "format.values: a float64 message has no fields"),
        ({"format": {"kind": "float32", "time_unit": "iso"}}, "format.time_unit: a float32 message begins with"),
        ({"format": {"kind": "avro"}}, "format.kind: avro needs schema_registry.url"),
        (
            {"format": {"kind": "json-batch"}, "window": {"kind": "message", "length": 4}},
            "format.kind: a json-batch holds many readings",
        ),
        (
            {
                "format": {"kind": "csv", "values": ["v"], "columns": ["v", "time"]},
                "window": {"kind": "message", "length": 4},
            },
            "format.columns: v holds a whole window and must come last",
        ),
    ],
)
def test_formats_that_cannot_be(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(config(**changes))

    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]


def test_a_batch_has_a_start() -> None:
    assert Format(kind="json-batch").time == "start"
    assert Format(kind="json-batch", time="t0").time == "t0"
    assert Format(kind="json").time == "time"


def test_formats_with_schemas_are_fine_with_a_registry() -> None:
    settings = parse(config(format={"kind": "protobuf"}) | {"schema_registry": {"url": "http://registry:8081"}})

    assert settings.schema_registry.url == "http://registry:8081"


def test_a_password_is_never_shown() -> None:
    where = SchemaRegistry(url="https://user:secret@registry:8081", options={"basic.auth.user.info": "u:secret"})

    assert "secret" not in repr(where)
    assert where.shown_url == "https://registry:8081"


def test_stream_names() -> None:
    assert Format(key="id").name([17]) == 17
    assert Format(key="{site}/{machine.id}").key_fields == ("site", "machine.id")
    assert Format(key="{site}/{machine.id}").name(["north", 17]) == "north/17"
    assert Format(key="{a}-{a}").name(["x"]) == "x-x"
    assert Format(key="{site}/{machine.id}").name(["", 17]) == ""
