"""`watchkeeper status`: what is shown, and that what is not served is said and ends with its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from monitor.cli import status as command
from monitor.ports.store import Commit
from monitor.records.workers import STUCK_AFTER, Lag, OwnedPartition
from monitor.store.sql import SqlStore, open_store
from tests.store_rows import alert, fact
from tests.workers import NOW, serve

MINUTE = 60 * 10**9


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/w.db"


@pytest.fixture
def store(url: str) -> SqlStore:
    return open_store(url)


def invoke(*arguments: str, width: int = 120) -> Result:
    app = typer.Typer()
    app.command()(command.status)
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(width)})


def found(url: str) -> tuple[int, dict[str, Any]]:
    result = invoke("--url", url, "--json")
    return result.exit_code, json.loads(result.stdout)


def test_all_is_served(store: SqlStore, url: str) -> None:
    owned = OwnedPartition("t", 0, 1, 17, Lag(5, 3 * 10**9))
    serve(url, store, "t", 0, owned=owned, committed=NOW + 58 * 10**9, trainings=("pumps",))

    code, shown = found(url)

    assert (code, shown["served"], shown["problems"], shown["warnings"]) == (0, True, [], [])
    (worker,), (partition,) = shown["workers"], shown["partitions"]
    assert (worker["state"], worker["trainings"], worker["lag_records"], worker["lag_s"]) == (
        "living",
        ["pumps"],
        5,
        3.0,
    )
    assert 2 <= worker["commit_age_s"] < 20
    assert 0 <= worker["beat_age_s"] < 20
    assert partition == {
        "topic": "t", "partition": 0, "served": True, "worker": worker["id"], "as_of_age_s": partition["as_of_age_s"],
        "epoch": 1, "next_offset": 17, "lag_records": 5, "lag_s": 3.0,
    }  # fmt: skip
    text = invoke("--url", url).stdout
    assert "1 living worker, 1 of 1 partitions read" in text
    assert "pumps" in text


def test_nothing_runs(store: SqlStore, url: str) -> None:
    code, shown = found(url)

    assert code == command.NOT_SERVED == 8
    assert shown["problems"] == ["no worker is running: nothing is read, scored or reported"]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("died", "worker 1died000 (plant-pc, pid 7) was heard last 30 s ago"),
        ("ended", "ended 0 s ago, as it was asked to"),
        ("failed", "ended 0 s ago with: the disk is full"),
    ],
)
def test_what_no_living_worker_owns_is_said_with_what_became_of_its_owner(
    store: SqlStore, url: str, what: str, why: str
) -> None:
    serve(url, store, "t", 0)
    serve(url, store, "t", 1, what)

    code, shown = found(url)

    (problem,) = shown["problems"]
    assert code == 8
    assert problem.startswith("topic t, partition 1: no living worker owns it; ")
    assert why[:-6] in problem  # without the age, which may be a second more
    assert [partition["served"] for partition in shown["partitions"]] == [True, False]


def test_a_worker_that_another_has_fenced_owns_nothing(store: SqlStore, url: str) -> None:
    serve(url, store, "t", 0)
    store.take("live", [("t", 0)])  # by one that has left no report

    assert found(url)[1]["problems"] == [
        "topic t, partition 0: no living worker owns it; the last one has left no report"
    ]


def test_a_topic_of_the_configuration_that_was_never_read_is_said(store: SqlStore, url: str, tmp_path: Path) -> None:
    serve(url, store, "t", 0)
    serve(url, store, "gone", 1, "ended")  # of a family that is no longer configured
    family = 'interval = "10s"\nwindow.length = "1h"\n'
    config = tmp_path / "c.toml"
    config.write_text(f'[store]\nurl = "{url}"\n[families.a]\ntopic = "t"\n{family}[families.b]\ntopic = "u"\n{family}')

    result = invoke("--config", str(config), "--json")

    assert result.exit_code == 8
    assert json.loads(result.stdout)["problems"] == ["topic u: no worker has ever read it; does it exist?"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"broker_away": NOW}, "no broker has answered it for 1 min"),
        ({"idle": STUCK_AFTER + MINUTE}, "it has not read for 3 min; does SQL answer?"),
    ],
)
def test_a_living_worker_that_cannot_read_is_said(
    store: SqlStore, url: str, more: dict[str, Any], problem: str
) -> None:
    serve(url, store, "t", 0, **more)

    code, shown = found(url)

    assert code == 8
    assert problem in shown["problems"][0]


def test_lag_that_grows_is_a_warning(store: SqlStore, url: str) -> None:
    owned = OwnedPartition("t", 0, 1, 17, Lag(12_345, 5 * MINUTE))
    serve(url, store, "t", 0, owned=owned, lag_grows=NOW)

    code, shown = found(url)

    assert code == 0
    assert "now 12,345 records, 5 min behind" in shown["warnings"][0]
    assert "Growing: worker 0beats00" in invoke("--url", url).stdout


def test_partitions_that_a_stranger_of_the_group_reads_are_a_warning(store: SqlStore, url: str) -> None:
    serve(url, store, "t", 0, elsewhere=3, elsewhere_since=NOW)

    code, shown = found(url)

    assert code == 0
    assert shown["warnings"][0].startswith("read elsewhere: 3 partitions of the topics of worker 0beats00")
    assert (shown["workers"][0]["partitions_elsewhere"], shown["workers"][0]["elsewhere_s"] >= 60) == (3, True)
    text = " ".join(invoke("--url", url).stdout.split())
    assert "Read elsewhere: 3 partitions" in text
    assert "Give each another kafka.group" in text


def test_notifications_that_wait_are_counted(store: SqlStore, url: str) -> None:
    serve(url, store, "t", 0)
    store.commit(Commit("live", facts=[fact(alert())], announce=lambda *_: [("hook", "{}")]))

    assert found(url)[1]["outbox"]["waiting"] == 1
    assert found(url)[1]["outbox"]["channels"] == {"hook": 1}
    shown = " ".join(invoke("--url", url).stdout.split())
    assert "Notifications: 1 wait, the oldest for" in shown
    assert "(1 for hook)" in shown


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits_the_terminal(store: SqlStore, url: str, width: int) -> None:
    owned = OwnedPartition("machines", 1, 1, 17, Lag(1_234_567, 5 * MINUTE))
    serve(url, store, "machines", 1, "died", owned=owned, lag_grows=NOW)
    serve(url, store, "machines", 0, owned=OwnedPartition("machines", 0, 1, 2), trainings=("pumps",))

    lines = invoke("--url", url, width=width).stdout.splitlines()

    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for part in ("1 of 2 partitions", "lost", "living", "1,234,567", "plant-pc", "no living worker owns it"):
        assert part in text
