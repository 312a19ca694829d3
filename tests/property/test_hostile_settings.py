"""Every setting of the configuration with values that no plant needs: refused by name, or harmless; never a crash.

The settings are taken from the model, so that a new one is met by all of this too.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from monitor import bootstrap
from monitor.config.sections import Section
from monitor.config.settings import Settings, load
from monitor.errors import SettingsError
from tests.property.test_check_and_run import checked, started

pytestmark = pytest.mark.usefixtures("frozen_heap")

BASE: dict[str, Any] = {
    "families": {"f": {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 8}}},
    "notify": {"hook": {"kind": "webhook", "url": "https://example.org/hook", "secret_file": [__file__]}},
}
TEXTS = [
    "", " ", "\0", "\x1b[31m", "a\nb", "\u202ex", "x" * 5000, "../../x", "..", "CON", "^x.*", "a b", "{", "*", "$key",
    "ü", "ftp://example.org", "http://127.0.0.1/", "http://localhost", "http://2130706433", "http://[::1", "http://h:70000/",
    "h:70000", "h:port", "h:0", "h:9092,", ",", "http://h:9092", "[::1]", "::1", "-1s", "0s", "9" * 400,
    "9" * 400 + "s",
    "1e400s", "5m", "1ns", "9000d", "sqlite://", "sqlite:///x?mode=ro", "sqlite+odd:///x", "postgresql://h:port/x",
    "postgresql://h:70000/x", "postgresql://h/x?sslmode=odd", "postgresql+odd://h/x", "postgresql://u:a@b@h/x",
    "mysql://h/x",
]  # fmt: skip
NUMBERS = [
    -1,
    0,
    1,
    2**31,
    2**32,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**30,
    0x10**5000,
    1.5,
    1e308,
    -1e-308,
    math.inf,
    math.nan,
]
DEEP: Any = 1
for _ in range(200):
    DEEP = [DEEP]
OTHERS = [
    True,
    [],
    [1],
    ["x"],
    [[1]],
    DEEP,
    {},
    {"x": 1},
    {"x": "y"},
    {"../x": "y"},
    {"\0": 1},
    [{}],
    [{"streams": ""}],
]
VALUES: list[Any] = [*TEXTS, *NUMBERS, *OTHERS]


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Tables that a type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from sections_in(argument)


def settings_of(section: type[Section], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Path of every setting, tables included; one family `f`, one channel `hook`."""
    for name, field in section.model_fields.items():
        here = (*path, *location(name, field))
        yield here
        for inner in sections_in(field.annotation):
            named = {"families": "f", "notify": "hook"}.get(here[0]) if len(here) == 1 else None
            yield from settings_of(inner, (*here, named) if named else here)


def location(name: str, field: FieldInfo) -> tuple[str, ...]:
    alias = field.validation_alias
    return (name,) if alias is None else tuple(map(str, getattr(alias, "path", [alias])))


PATHS = sorted({path for path in settings_of(Settings) if "overrides" not in path[:-1]})
PATHS += [("families", "f", "overrides", "limit"), ("kafka", "options", "max.poll.interval.ms")]
PATHS += [("kafka", "options", name) for name in ("fetch.min.bytes", "client.id", "security.protocol", "debug", "odd")]
PATHS += [("schema_registry", "options", "timeout"), ("families", "f", "detector", "options", "hidden")]
NAMES = [text for text in TEXTS if text]


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The base with one setting changed."""
    raw: dict[str, Any] = json.loads(json.dumps(BASE))
    table = raw
    for name in path[:-1]:
        table = table.setdefault(name, {})
    table[path[-1]] = value
    return raw


def toml(value: Any) -> str:
    """As TOML, inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value) if value > 0 else str(value)  # no limit of digits there
    return repr(value) if isinstance(value, float) else json.dumps(value)


def written(raw: dict[str, Any], path: Path) -> Path:
    path.write_text("\n".join(f"{name} = {toml(value)}" for name, value in raw.items()), encoding="utf-8")
    return path


def refusal(path: Path, environ: dict[str, str] | None = None) -> SettingsError | None:
    """With what `run` refuses it before it makes anything."""
    try:
        bootstrap.check(load(path, environ or {}))
    except SettingsError as error:
        return error
    return None


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_check_refuses_what_run_refuses(path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file, the key and what is wrong are named, in a few lines; nothing else is ever raised."""
    monkeypatch.chdir(tmp_path)
    for value in VALUES:
        config = written(changed(path, value), tmp_path / "config.toml")

        error = refusal(config)

        assert checked(config) == (error.problems if error else ())
        if error is not None:
            assert str(error).startswith(str(config))
            assert any(name in str(error) for name in path[-2:]), (value, error)
            assert all(len(problem) < 2000 for problem in error.problems), str(error)[:200]


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_variable_is_refused_as_the_file_is(path: tuple[str, ...], tmp_path: Path) -> None:
    variable = "WATCHKEEPER__" + "__".join(path).upper()
    base, config = written(BASE, tmp_path / "base.toml"), tmp_path / "config.toml"
    for value in VALUES:
        text = value if isinstance(value, str) else toml(value)
        if "\0" in text:  # no system hands one over
            continue

        error = refusal(base, {variable: text})

        assert error is None or any(name in str(error) for name in (variable, *path[-2:])), (text[:40], error)
        if not isinstance(value, str) and text != "nan":  # which may be a word
            assert bool(error) == bool(refusal(written(changed(path, value), config))), (text[:40], error)


@pytest.mark.parametrize("table", ["families", "notify"])
@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:20]))
def test_a_name_of_a_table_is_harmless(table: str, name: str, tmp_path: Path) -> None:
    (only,) = BASE[table].values()
    if table == "families":
        only = only | {"topic": "other"}
    config = written(BASE | {table: BASE[table] | {name: only}}, tmp_path / "config.toml")

    error = refusal(config)

    assert checked(config) == (error.problems if error else ())
    if error is None and table == "families":
        folder = tmp_path / name
        folder.mkdir()
        assert folder.resolve().parent == tmp_path.resolve()


BAD_FAMILIES = [
    "../../x",
    "..",
    ".x",
    "x.",
    "CON",
    "aux.txt",
    "com1",
    "a/b",
    "a\\b",
    "a:b",
    "a*",
    "\x1b",
    " a",
    "",
    "x" * 201,
]


@pytest.mark.parametrize("name", BAD_FAMILIES)
def test_a_family_is_named_as_a_folder_can_be(name: str, tmp_path: Path) -> None:
    """On every system."""
    config = written({"families": {name: BASE["families"]["f"]}}, tmp_path / "config.toml")

    assert len(checked(config)) == 1


@pytest.mark.parametrize(("one", "other"), [("Pumps", "pumps"), ("\u00fc", "u\u0308"), ("stra\u00dfe", "STRASSE")])
def test_two_names_that_a_folder_or_a_variable_takes_for_one(one: str, other: str, tmp_path: Path) -> None:
    family = BASE["families"]["f"]
    config = written({"families": {one: family, other: family | {"topic": "u"}}}, tmp_path / "config.toml")

    (problem,) = checked(config)

    assert "differ in case only" in problem


@hypothesis_settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(PATHS), value=st.sampled_from(VALUES))
def test_what_is_accepted_starts(path: tuple[str, ...], value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    config = written(changed(path, value), tmp_path_factory.getbasetemp() / "hostile.toml")
    before = os.getcwd()
    os.chdir(tmp_path_factory.getbasetemp())
    try:
        problems = started(config)
    finally:
        os.chdir(before)
    assert problems == checked(config)
    event("refused" if problems else "accepted")
