"""The table `[incidents]`."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.cli.check import summarise
from monitor.config.incidents import grouping
from monitor.config.settings import Settings, parse
from monitor.errors import SettingsError
from monitor.ports.store import silent
from monitor.records.incidents import BY_FAMILY, Grouping
from monitor.records.scalars import LIVE
from monitor.worker.options import WorkerOptions

MACHINES = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 8}}
GROUPS = {"Halle 3": ["h3-*", "m-[12]"], "sea": ["*/sea", "m-2"]}


def settings(**tables: Any) -> Settings:
    return parse({"families": {"machines": MACHINES}, **tables})


def test_without_the_table_nothing_is_announced_as_one() -> None:
    assert settings().incidents is None
    assert grouping(None, announced=True) == BY_FAMILY == Grouping(5 * 60 * 10**9, None, {})


def test_the_table_alone_is_enough() -> None:
    given = settings(incidents={}, notify={"ops": {"kind": "log"}})
    assert WorkerOptions.of(given, LIVE, silent).grouping == Grouping(5 * 60 * 10**9, 30 * 10**9, {})
    assert summarise(given)["incidents"] == {
        "each family": "one message 30s after the first alert; others join within 5m, or while one is open"
    }


@pytest.mark.parametrize(("run", "notify"), [("again", {"ops": {"kind": "log"}}), (LIVE, {})])
def test_replays_and_workers_without_channels_group_alike_and_announce_no_incident(run: str, notify: Any) -> None:
    given = settings(incidents={"within": "1m", "groups": GROUPS}, notify=notify)
    found = WorkerOptions.of(given, run, silent).grouping
    assert (found.within, found.wait, found.group("machines", "h3-1")) == (60 * 10**9, None, "Halle 3")


def test_a_stream_belongs_to_the_first_group_that_fits_or_to_its_family() -> None:
    found = grouping(settings(incidents={"groups": GROUPS}).incidents, announced=True)
    streams = ("h3-7", "m-2", "north/sea", "H3-7", "m-3", "")
    assert [found.group("machines", each) for each in streams] == [
        "Halle 3", "Halle 3", "sea", "machines", "machines", "machines"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"waits": "1s"}, "incidents.waits: unknown key; did you mean wait?"),
        ({"wait": 3}, 'incidents.wait: 3 has no unit; write e.g. "3s"'),
        ({"within": "0s"}, "incidents.within: should be greater than 0"),
        ({"groups": {"north": "n-*"}}, 'incidents.groups.north: should be a list such as ["a", "b"]'),
        ({"groups": {"north": []}}, "incidents.groups.north"),
    ],
)
def test_what_is_wrong_with_it(table: Any, problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(incidents=table)
    assert problem in str(refused.value)
