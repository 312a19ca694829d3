"""People act beside a live run; a replay has the same transitions, also after one that was killed in its middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest

from monitor import bootstrap
from monitor.config.settings import Settings, load
from monitor.ports.source import Assignments
from monitor.records.alerts import Alert, AlertState, Command, CommandKind, Verdict
from monitor.records.batches import LIVE, Poll, TopicPartition
from monitor.replay.bounded_run import Replay
from monitor.sources.memory import ListSource
from monitor.store.alert_commands import open_alert_commands
from monitor.store.stream_commands import Person, open_stream_commands
from monitor.training.model_manager import Champions
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner
from tests.integration.test_replay import TRAIN, command, configure, readings, train

HOUR = 3600 * 10**9


def faulty() -> pd.DataFrame:
    """A pump with eight faults of 20 readings each."""
    rng, found = np.random.default_rng(7), pd.concat([readings()[:500]] * 4, ignore_index=True)
    times = pd.date_range(pd.Timestamp("2026-03-01", tz="UTC"), periods=len(found), freq="10s")
    found["at"] = [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in times]
    for begin in range(600, 2000, 180):
        found.loc[begin : begin + 19, "value"] += 8 * rng.choice([-1, 1], 20)
    return found


def messages() -> list[tuple[bytes, bytes]]:
    rows = faulty()[TRAIN:].itertuples(index=False)
    return [(b"p-1", json.dumps({"time": at, "value": value}).encode()) for at, value in rows]


class Plant:
    """The people beside a live run: what they do next waits until the alerts are such that it can be done."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.url = settings, settings.store.url
        self.waiting: list[Callable[[list[Alert]], bool]] = [
            partial(self.say, 0, CommandKind.ACKNOWLEDGE),
            partial(self.say, 0, CommandKind.VERDICT, over=True, verdict=Verdict.FALSE),
            partial(self.say, 1, CommandKind.SHELVE, span=None),
            partial(self.say, 2, CommandKind.SHELVE, span=HOUR),
            partial(self.say, 3, CommandKind.UNSHELVE),
            partial(self.say, 3, CommandKind.CLOSE),
            partial(self.service, 4, out=True),
            partial(self.service, 6, out=False),
            partial(self.say, 7, CommandKind.EXPECT),
        ]

    def act(self) -> None:
        with closing(bootstrap.reader(self.settings)) as reader:
            alerts = reader.list_alerts(LIVE, limit=100)[::-1]
        while self.waiting and self.waiting[0](alerts):
            self.waiting.pop(0)

    def say(self, place: int, kind: CommandKind, alerts: list[Alert], over: bool = False, **more: Any) -> bool:
        """A command about an alert by its place, while that is not over, or is."""
        if len(alerts) <= place or (alerts[place].state is AlertState.RESOLVED) is not over:
            return False
        given = Command(id=uuid4(), alert=alerts[place].id, kind=kind, by="ann", at=len(self.waiting), **more)
        with closing(open_alert_commands(self.url, bootstrap.announce(self.settings))) as commands:
            assert commands.give(given).refused == ""
        return True

    def service(self, place: int, alerts: list[Alert], *, out: bool) -> bool:
        if len(alerts) <= place:
            return False
        with closing(open_stream_commands(self.url, bootstrap.announce(self.settings))) as commands:
            (commands.take_out_of_service if out else commands.put_in_service)("p-1", None, Person("bob", "repair"))
        return True


class Between:
    """A source beside which something happens at each poll."""

    def __init__(self, source: ListSource, act: Callable[[], None]) -> None:
        self._source, self._act = source, act

    def poll(self, timeout: float) -> Poll:
        self._act()
        return self._source.poll(timeout)

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        self._source.commit(positions)

    def hold(self, seconds: float) -> None:
        self._source.hold(seconds)

    def close(self) -> None:
        self._source.close()


def live(settings: Settings, plant: Plant) -> None:
    pipelines = bootstrap.pipelines(settings)
    decoders = bootstrap.decoders(settings, {name: made.index for name, made in pipelines.items()})
    store = bootstrap.store(settings)

    def connect(listener: Assignments) -> Between:
        return Between(ListSource({("pumps", 0): messages()}, decoders, listener, batch=5, finite=True), plant.act)

    champions = Champions(store, bootstrap.library(settings, store), LIVE, bootstrap.normal_scores())
    plan = WorkerOptions(commit_interval=0.0, live=False, announce=bootstrap.announce(settings))
    Runner(connect, store, pipelines, champions, plan).run()
    store.close()


def transitions(settings: Settings, run: str) -> list[list[tuple[object, ...]]]:
    """Of each alert, without ids."""
    with closing(bootstrap.reader(settings)) as reader:
        alerts = reader.list_alerts(run, limit=100)[::-1]
        return [
            [
                (t.number, t.cause, t.at, str(t.state), t.severity, repr(t.ratio), t.actor, t.note, t.withheld)
                for t in reader.get_alert(str(alert.id)).transitions
            ]
            for alert in alerts
        ]  # fmt: skip


def killed(folder: Path) -> None:
    """A replay that is killed after some commits: the body of a process."""
    settings = load(folder / "plant.toml")
    polls = iter(range(150))

    def dies() -> None:
        if next(polls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect(running: Any, listener: Assignments) -> Between:
        decoders = bootstrap.decoders(settings, {name: made.index for name, made in running.items()})
        return Between(ListSource({("pumps", 0): messages()}, decoders, listener, batch=5, finite=True), dies)

    with bootstrap.worker(settings, replay=Replay("again", connect)) as worker:
        worker.runner.run()


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    path = configure(folder)
    path.write_text(path.read_text().replace("[families.pumps]", 'store.commit_interval = "10ms"\n[families.pumps]'))
    settings = load(path)
    train(settings)
    people = Plant(settings)
    live(settings, people)
    assert people.waiting == []
    faulty().to_csv(folder / "p-1.csv", index=False)
    return folder


def replay(folder: Path, *more: object) -> dict[str, Any]:
    options = ("--file", folder / "p-1.csv", "--time", "at", "--from", faulty()["at"][TRAIN])
    found: dict[str, Any] = json.loads(command("replay", folder / "plant.toml", *options, *more, "--json"))
    return found


def test_a_replay_has_the_transitions_of_the_live_run_with_what_people_did(plant: Path) -> None:
    settings = load(plant / "plant.toml")
    with closing(bootstrap.reader(settings)) as reader:
        pending = reader.list_alerts(LIVE, limit=100)
    summary = replay(plant, "--name", "whole")
    expected = transitions(settings, LIVE)
    assert {"shelved", "out-of-service"} <= {change[3] for life in expected for change in life}
    assert transitions(settings, "whole") == expected
    given = sum(change[6] != "monitor" for life in expected for change in life)
    assert summary["commands"] == {"carried_out": given, "refused": 0, "without_alert": 0}
    with closing(bootstrap.reader(settings)) as reader:
        found = reader.list_alerts("whole", limit=100)
        assert [(a.state, a.acknowledged_by, a.verdict) for a in found] == [
            (a.state, a.acknowledged_by, a.verdict) for a in pending
        ]
        assert not any(reader.get_alert(str(alert.id)).deliveries for alert in found)


def test_a_replay_that_was_killed_is_replaced_by_a_whole_one(plant: Path) -> None:
    settings = load(plant / "plant.toml")
    code = f"import pathlib, tests.integration.test_replay_people as t; t.killed(pathlib.Path({str(plant)!r}))"
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    part, expected = transitions(settings, "again"), transitions(settings, LIVE)
    assert 0 < len(part) < len(expected)
    replay(plant, "--name", "again", "--replace")
    assert transitions(settings, "again") == expected


def test_what_is_about_other_alerts_is_counted(plant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where anomalies must go on for longer, other alerts open, or none."""
    path = plant / "plant.toml"
    other = plant / "other.toml"
    other.write_text(path.read_text().replace('interval = "10s"', 'interval = "10s"\nalerts.min_duration = "5m"'))
    options = ("--file", plant / "p-1.csv", "--time", "at", "--from", faulty()["at"][TRAIN], "--name", "other")
    found = command("replay", other, *options)
    assert "about alerts that did not open here" in found
    assert capsys.readouterr().err.count("commands_without_alert") == 1
