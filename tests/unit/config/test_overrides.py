"""`[[families.NAME.overrides]]`: what may stand there, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.cli.check import summarise
from monitor.config.families import Family
from monitor.config.settings import parse
from monitor.errors import SettingsError

H = 3600 * 10**9
WRITE = 'write a stream or a pattern such as "m-1*"'
UNIT = 'write e.g. "5s", or "none" to switch this off'


def family(*overrides: Any, **more: Any) -> Family:
    made = {
        "topic": "t",
        "interval": "10s",
        "recipe": "plain",
        "window": {"length": 8},
        **more,
        "overrides": list(overrides),
    }
    return parse({"families": {"f": made}}).families["f"]


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ({"streams": "a*"}, "overrides.2: nothing is said; add limit, silent_after or off, or leave it out"),
        ({"streams": " ", "off": True}, f"overrides.2.streams: the pattern is empty; {WRITE}"),
        ({"off": True}, f"overrides.2.streams: missing; {WRITE}"),
        ({"streams": "a", "limt": 2}, "overrides.2.limt: unknown key; did you mean limit?"),
        ({"streams": "a", "limit": 0}, "overrides.2.limit: should be greater than 0; write a larger value"),
        ({"streams": "a", "silent_after": 5}, f"overrides.2.silent_after: 5 has no unit; {UNIT}"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(override: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        family({"streams": "b", "off": True}, override)
    assert list(error.value.problems) == [f"families.f.{problem}"]


def test_a_single_table_is_refused_with_how_to_write_it() -> None:
    table = {
        "topic": "t",
        "interval": "10s",
        "recipe": "plain",
        "window": {"length": 8},
        "overrides": {"streams": "a", "off": True},
    }
    with pytest.raises(SettingsError, match=r"should be a list of tables; write \[\[families.f.overrides\]\]"):
        parse({"families": {"f": table}})


def test_the_soonest_silence_is_the_shortest_of_all() -> None:
    assert family(health={"silent_after": "3h"}).silent_soonest == 3 * H
    none = {"streams": "a", "silent_after": "none"}
    assert family(none, {"streams": "b", "silent_after": "1h"}, health={"silent_after": "3h"}).silent_soonest == H
    assert family(none, health={"silent_after": "none"}).silent_soonest == 0
    assert family({"streams": "b", "silent_after": "2h"}, health={"silent_after": "none"}).silent_soonest == 2 * H


def test_check_shows_them() -> None:
    made = family(
        {"streams": "a*", "limit": 1.5, "silent_after": "2h"}, {"streams": "b", "silent_after": "none", "off": True}
    )
    table = {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 8}}
    settings = parse({"families": {"f": table}}).model_copy(update={"families": {"f": made}})
    shown = summarise(settings)["families"]["f"]
    assert shown["streams a*"] == "1.5 times the limit; silent after 2h"
    assert shown["streams b"] == "never silent; off: counted and not judged"
