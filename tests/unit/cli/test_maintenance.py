"""`watchkeeper maintenance`, and what `check` and `train` make of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from monitor.cli import maintenance as command
from monitor.cli.check import summarise
from monitor.config.settings import load, parse
from monitor.errors import SettingsError
from monitor.maintenance.calendar import Calendar
from monitor.ports.store import HistoryBlock
from monitor.records.maintenance import Maintenance
from monitor.store.sql import SqlStore, open_store
from monitor.training.maintained import without
from tests.fuzzing.site import CALENDAR

CONFIG = """
[store]
url = "sqlite:///plant.db"
[families.pumps]
topic = "t"
interval = "1s"
[maintenance.cleaning]
start = 2026-01-04T01:00:00
end = "2026-01-04T05:00"
zone = "Europe/Berlin"
rrule = "FREQ=WEEKLY;BYDAY=SU"
families = ["pumps"]
score = false
"""
WEEKLY = ["add", "weekly", "--start", "2099-01-04T01:00", "--end", "2099-01-04T05:00", "--zone", "Europe/Berlin"]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    monkeypatch.chdir(tmp_path)
    Path("watchkeeper.toml").write_text(CONFIG)
    found = open_store("sqlite:///plant.db")
    yield found
    found.close()


def run(*arguments: str, answer: str | None = None) -> str:
    result = CliRunner().invoke(command.app, list(arguments), input=answer)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout if "--json" in arguments else result.output


def listed(*more: str) -> dict[str, Any]:
    return {row["name"]: row for row in json.loads(run("list", "--json", *more))}


def test_what_is_added_is_shown_in_its_zone_and_in_utc_and_kept(store: SqlStore) -> None:
    said = run(
        *WEEKLY,
        "--rrule",
        "FREQ=WEEKLY",
        "--family",
        "pumps",
        "--streams",
        "m-1*",
        "--why",
        "hot",
        "--by",
        "ann",
        "--yes",
    )

    assert "Sun 2099-01-04 01:00 CET to Sun 2099-01-04 05:00 CET = Sun 2099-01-04 00:00 UTC" in said
    assert "Sun 2099-02-01 01:00 CET" in said
    assert "2099-02-08" not in said  # five
    (entered,) = store.maintenance.windows()
    assert (entered.name, entered.zone, entered.families, entered.streams) == (
        "weekly", "Europe/Berlin", ("pumps",), "m-1*",
    )  # fmt: skip
    assert (entered.notify, entered.score, entered.learn, entered.by, entered.why) == (False, True, False, "ann", "hot")


def test_a_person_is_asked_and_may_say_no(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="add --yes"):
        run(*WEEKLY)
    asked = []

    def answered(question: str, **_: object) -> None:
        asked.append(question)

    monkeypatch.setattr("monitor.cli.parameters.planned.typer.confirm", answered)
    monkeypatch.setattr("monitor.cli.parameters.planned.at_terminal", lambda: True)
    run(*WEEKLY)

    assert asked == ["Save it?"]
    assert len(store.maintenance.windows()) == 1


def test_one_that_begins_now_and_lasts_for_a_while(store: SqlStore) -> None:
    (row,) = json.loads(run("add", "now", "--for", "90m", "--zone", "Asia/Tokyo", "--no-score", "--yes", "--json"))

    assert datetime.fromisoformat(row["end"]) - datetime.fromisoformat(row["start"]) == timedelta(minutes=90)
    assert (row["score"], row["state"], len(row["next"])) == (False, "in force", 1)


def test_the_list_has_both_and_what_was_removed_on_request() -> None:
    run(*WEEKLY, "--yes")
    assert {name: row["source"] for name, row in listed().items()} == {
        "cleaning": "configuration", "weekly": "database",
    }  # fmt: skip
    assert listed()["weekly"]["state"] == "planned"
    run("remove", "weekly", "--why", "done", "--by", "bob")

    assert list(listed()) == ["cleaning"]
    gone = listed("--all")["weekly"]
    assert (gone["state"], gone["removed_by"], gone["removed_why"], gone["next"]) == ("removed", "bob", "done", [])
    assert re.search(r"state: removed \w{3} 20[\d-]+ [\d:]+ UTC by bob: done, from the database", run("show", "weekly"))
    assert "FREQ=WEEKLY" in run("show", "cleaning")
    assert json.loads(run("show", "cleaning", "--json"))["score"] is False


@pytest.mark.parametrize(
    ("more", "state", "notes"),
    [
        (["--start", "2099-01-01", "--for", "1h"], "planned", []),
        (["--for", "1h"], "in force", []),
        (["--start", "2020-01-01", "--for", "1h"], "over", ["it is over"]),
        (["--start", "2099-01-01", "--for", "1h", "--except", "2099-01-01"], "over", ["it never occurs"]),
        (["--for", "24h", "--rrule", "FREQ=DAILY"], "in force", ["does not end within a year"]),
        (["--for", "23h", "--rrule", "FREQ=DAILY"], "in force", []),
        (["--for", "1h", "--streams", "q-*"], "in force", ["is about (q-*)"]),
        (["--for", "1h", "--family", "pumps", "--streams", "n*"], "in force", ["is about (n* of pumps)"]),
    ],
)
def test_what_is_odd_is_said_and_saved(more: list[str], state: str, notes: list[str], store: SqlStore) -> None:
    store.open_streams("live", "pumps", ["m-1"])
    store.open_streams("live", "fans", ["n-1"])
    result = CliRunner().invoke(command.app, ["add", "x", *more, "--yes"])

    assert [line for line in result.stderr.splitlines() if line.startswith("Note: x: ")] == [
        line for line in result.stderr.splitlines() if any(note in line for note in notes)
    ]
    assert len(result.stderr.splitlines()) == len(notes)
    assert listed()["x"]["state"] == state


def test_a_calendar_is_imported(store: SqlStore) -> None:
    Path("plant.ics").write_text(CALENDAR)

    run("import", "plant.ics", "--streams", "m-1*", "--no-learn", "--by", "ann", "--yes")

    (entered,) = store.maintenance.windows()
    assert (entered.name, entered.rrule, entered.zone, entered.streams) == (
        "Cleaning", "FREQ=WEEKLY", "Europe/Berlin", "m-1*",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", "x"], "--end TIME or --for DURATION"),
        (["add", "x", "--for", "1h", "--end", "2099-01-01T00:00"], "one of them"),
        (["add", "x", "--start", "9999-12-31", "--for", "2d"], "--for: .* ends after the year 9999"),
        (["add", "x", "--for", "1h", "--zone", "Mars"], "--zone: there is no time zone 'Mars'"),
        (["add", "x", "--for", "1h", "--rrule", "FREQ=SECONDLY"], "FREQ is SECONDLY"),
        (["add", "x", "--for", "1h", "--family", "pump"], "no family named 'pump'; there are: "),
        (["add", "cleaning", "--for", "1h"], "the configuration has a maintenance called 'cleaning'"),
        (["add", "x", "--for", "1h", "--notify", "--learn"], "nothing is switched off"),
        (["remove", "cleaning"], "is in the configuration file"),
        (["remove", "none"], "no maintenance named 'none'"),
        (["show", "none"], "no maintenance named 'none'; there are: "),
        (["show", "cleanin"], "no maintenance named 'cleanin'; there are: cleaning; did you mean cleaning"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_saved(arguments: list[str], says: str, store: SqlStore) -> None:
    with pytest.raises(SettingsError, match=says):
        run(*arguments, *(["--yes"] if arguments[0] == "add" else []))

    assert store.maintenance.entered(removed=True) == []


def test_the_configuration_is_explained_with_its_next_occurrence() -> None:
    summary = summarise(load(Path("watchkeeper.toml")))

    text = summary["maintenance"]["cleaning"]
    assert text.startswith("2026-01-04 01:00 to 05:00 Europe/Berlin, FREQ=WEEKLY;BYDAY=SU; all streams of pumps; off: ")
    assert "notify, score, learn; next: Sun 2" in text or "next: now" in text


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"start": "2026-01-04T01:00"}, "maintenance.m.end: missing"),
        ({"start": "x", "end": "2026-01-04T01:00"}, "maintenance.m.start: 'x' is not a time"),
        ({"start": "2026-01-04T01:00Z", "end": "2026-01-04T02:00"}, "names an offset"),
        ({"start": "2026-01-04T01:00", "end": "2026-01-04T01:00"}, "maintenance.m: end .* is not after start"),
        ({"start": "2026-01-04T01:00", "end": "2026-01-04T02:00", "families": ["pump"]}, "did you mean pumps"),
        ({"start": "2026-01-04T01:00", "end": "2026-01-04T02:00", "zone": "Berlin"}, "no time zone 'Berlin'"),
        ({"strat": "2026-01-04T01:00"}, "did you mean start"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(table: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parse({"families": {"pumps": {"topic": "t", "interval": "1s"}}, "maintenance": {"m": table}})


def test_training_takes_nothing_from_times_at_which_learning_is_off() -> None:
    """However late it was entered."""
    times = 10**9 * np.arange(100)
    history = [(name, HistoryBlock(1, times, np.ones((100, 1), np.float32))) for name in ("m-1", "m-2", "m-3")]
    start = datetime(1970, 1, 1)  # noqa: DTZ001 (a wall-clock time)
    of = [
        Maintenance(name="a", start=start, end=start + timedelta(seconds=40), streams="m-1"),
        Maintenance(name="b", start=start, end=start + timedelta(hours=1), streams="m-2"),
        Maintenance(name="c", start=start, end=start + timedelta(hours=1), streams="m-3", learn=True),
        Maintenance(name="d", start=start, end=start + timedelta(hours=1), families=("fans",)),
    ]

    kept = dict(without(history, "pumps", Calendar(of)))

    assert {name: len(block.time) for name, block in kept.items()} == {"m-1": 60, "m-3": 100}
    assert kept["m-1"].time[0] == 40 * 10**9
    assert kept["m-1"].values.shape == (60, 1)
