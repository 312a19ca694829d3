"""People retire, forget and rename streams beside workers: on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid5

import numpy as np
import pytest
from sqlalchemy import func, select, update

from monitor.config.families import Family
from monitor.errors import FencedError, SettingsError
from monitor.ports.store import Commit, HistoryBlock, OpenedStream
from monitor.records.alerts import Alert, AlertState
from monitor.records.batches import NEVER
from monitor.records.incidents import Grouping
from monitor.store import schema
from monitor.store.engine import connect
from monitor.store.incident_messages import SqlIncidentMessages
from monitor.store.migrations import upgrade
from monitor.store.queries import open_reader
from monitor.store.sql import open_store
from monitor.store.stream_commands import LATELY, Person, open_stream_commands
from tests.store_rows import TOPIC, alert, block, counts, fact, scores, state
from tests.workers import serve

ANN = Person("ann", "sold to Brno")
FAMILY = Family.model_validate({"topic": TOPIC[0], "interval": "10s", "recipe": "plain", "window": {"length": 8}})


class Plant:
    """A database with streams of the family `machines`, the commands about them, and what a worker has loaded."""

    def __init__(self, url: str) -> None:
        upgrade(url)
        self.url, self.store, self.reader = url, open_store(url), open_reader(url)
        self.commands = open_stream_commands(url, lambda *_: [("hook", "{}")])
        self.database = connect(url)
        self.epoch = self.store.take("live", [TOPIC])[TOPIC].epoch
        self.store.note_settings("live", "machines", FAMILY.noted())

    def load(self, name: str = "m-1") -> OpenedStream:
        return self.store.open_streams("live", "machines", [name])[0]

    def write(self, held: OpenedStream, accepted: int = 4, **more: Any) -> None:
        """What a worker that has loaded the stream commits about it; it has `accepted` readings then."""
        saved = state(held.id, b"saved")._replace(
            counts=counts(accepted=accepted), version=held.version, before=sum(held.counts[:4])
        )
        self.store.commit(Commit("live", streams=[saved], positions={TOPIC: (self.epoch, 9)}, **more))

    def age(self, name: str = "m-1", by: int = LATELY) -> None:
        s = schema.streams.c
        with self.database.writing() as connection:
            connection.execute(update(schema.streams).where(s.name == name).values(updated=s.updated - by))

    def rows(self, table: str) -> int:
        with self.database.reading() as connection:
            query = select(func.count()).select_from(schema.metadata.tables[table])
            return int(connection.execute(query).scalar_one())

    def listed(self, *, retired: bool = False) -> list[str]:
        return [report.name for report in self.reader.stream_reports("live", retired=retired)]

    def alerts(self) -> dict[str, Alert]:
        return {found.kind: found for found in self.reader.list_alerts("live")}

    def delivered(self) -> None:
        with self.database.writing() as connection:
            connection.execute(update(schema.outbox).values(delivered_at=1))

    def close(self) -> None:
        for part in (self.store, self.reader, self.commands, self.database):
            part.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def plant(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Plant]:
    url = f"sqlite:///{tmp_path}/s.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with closing(Plant(url)) as made:
        yield made


def of_kind(kind: str, stream: str = "m-1") -> Alert:
    first = alert(stream=stream)
    return first if kind == "anomaly" else replace(first, id=uuid5(first.id, kind), kind=kind)


def opened(*kinds: str, stream: str = "m-1") -> dict[str, Any]:
    return {"facts": [fact(of_kind(kind, stream)) for kind in kinds]}


def test_retiring_closes_open_alerts_with_who_and_why_and_says_so(plant: Plant) -> None:
    plant.write(plant.load(), **opened("anomaly", "silent"))
    plant.write(plant.load("m-2"), **opened("unscored", stream="m-2"))
    done = plant.commands.retire("m-1", None, ANN)
    assert done == ("machines", "m-1", 2)
    found = plant.alerts()
    assert {kind: each.state.value for kind, each in found.items()} == {
        "anomaly": "resolved", "silent": "resolved", "unscored": "open",
    }  # fmt: skip
    last = plant.reader.get_alert(str(found["anomaly"].id)).transitions[-1]
    assert (last.actor, last.note, str(last.cause), last.number) == ("ann", "sold to Brno", "close", 1)
    assert plant.rows("outbox") == plant.rows("commands") == 2
    assert plant.listed() == ["m-2"]
    assert plant.listed(retired=True) == ["m-1", "m-2"]
    assert plant.store.stream_names("live", "machines", 0) == ["m-2"]


def test_a_worker_that_holds_the_stream_steps_down_once_and_the_next_reading_brings_it_back(plant: Plant) -> None:
    held, other = plant.load(), plant.load("m-2")
    plant.write(held, **opened("anomaly"))
    held = plant.load()
    plant.commands.retire("m-1", None, ANN)
    plant.write(other)  # what it holds of others is not touched
    with pytest.raises(FencedError, match="retire"):
        plant.write(held, 5, **opened("silent"), scores=[block(held.id, scores([200]))])
    assert (plant.rows("scores"), set(plant.alerts())) == (0, {"anomaly"})
    again = plant.load()
    assert (again.closed, again.retired, again.state) == (True, True, b"saved")
    plant.write(again)  # its state, without a reading
    assert plant.load().closed is False
    assert plant.load().retired is True
    plant.write(plant.load(), 5)
    assert plant.load().retired is False
    assert plant.listed() == ["m-1", "m-2"]


def test_what_cannot_be_retired_is_said(plant: Plant) -> None:
    plant.write(plant.load())
    plant.store.open_streams("live", "pumps", ["m-1"])
    with pytest.raises(SettingsError, match="no stream named 'm-9'"):
        plant.commands.retire("m-9", None, ANN)
    with pytest.raises(SettingsError, match="several families have a stream called 'm-1': machines, pumps"):
        plant.commands.retire("m-1", None, ANN)
    plant.commands.retire("m-1", "machines", ANN)
    with pytest.raises(SettingsError, match="retired already"):
        plant.commands.retire("m-1", "machines", ANN)


def test_forgetting_leaves_nothing_and_a_worker_that_holds_it_brings_nothing_back(plant: Plant) -> None:
    held = plant.load()
    history = HistoryBlock(held.id, np.arange(3), np.ones((3, 1), np.float32))
    plant.write(held, **opened("anomaly"), scores=[block(held.id, scores([200]))], history=[history])
    plant.write(plant.load("m-2"), scores=[block(plant.load("m-2").id, scores([200]))])
    held = plant.load()
    plant.commands.retire("m-1", None, ANN)
    plant.age()
    assert plant.commands.forget("m-1", None, ANN) == ("machines", "m-1", 0)
    tables = ("streams", "scores", "history", "alerts", "transitions", "commands", "outbox")
    assert [plant.rows(table) for table in tables] == [1, 1, 0, 0, 0, 0, 0]
    for stale in (held, replace(held, version=held.version + 1)):
        with pytest.raises(FencedError):
            plant.write(stale, 5, scores=[block(held.id, scores([300]))], **opened("silent"))
    assert (plant.rows("scores"), plant.rows("alerts"), plant.listed(retired=True)) == (1, 0, ["m-2"])
    new = plant.load()
    assert (new.state, sum(new.counts), new.retired, new.closed) == (None, 0, False, False)
    plant.write(new)


def incidents(plant: Plant) -> list[tuple[int, int, int | None]]:
    """Members of each, as they are and as its newest message said; and those that have a row."""
    i, m = schema.incidents.c, schema.incident_members.c
    rows = select(func.count()).select_from(schema.incident_members).where(m.incident == i.id).scalar_subquery()
    with plant.database.reading() as connection:
        found = connection.execute(select(i.members, rows, i.said_members).order_by(i.members))
        return [(row[0], row[1], row[2]) for row in found]


def test_incidents_count_only_what_is_not_forgotten(plant: Plant) -> None:
    rule = Grouping(within=10**9, wait=1)
    messages = SqlIncidentMessages(plant.database, lambda _: [("hook", "{}")])
    later = count(2**61, 10**14)  # behind every pause between messages
    for name in ("m-1", "m-2"):
        plant.write(plant.load(name), **opened("anomaly", stream=name), grouping=rule)
        assert messages.write_due(next(later)) == 1
    for name, left in (("m-1", [(1, 1, 1)]), ("m-2", [])):
        plant.commands.retire(name, None, ANN)
        plant.age(name)
        messages.write_due(next(later))
        if plant.rows("outbox"):
            with pytest.raises(SettingsError, match=r"a message about incident .* is not delivered yet; forget"):
                plant.commands.forget(name, None, ANN)
        plant.delivered()
        plant.commands.forget(name, None, ANN)
        assert incidents(plant) == left
        assert messages.write_due(next(later)) == 0


def test_a_receiver_learns_that_an_incident_is_over_though_its_newest_member_is_forgotten_at_once(plant: Plant) -> None:
    rule = Grouping(within=10**9, wait=1)
    messages = SqlIncidentMessages(plant.database, lambda _: [("hook", "{}")])
    later = count(2**61, 10**14)
    plant.write(plant.load("m-1"), **opened("anomaly", stream="m-1"), grouping=rule)
    assert messages.write_due(next(later)) == 1
    plant.write(plant.load("m-2"), **opened("anomaly", stream="m-2"), grouping=rule)
    assert messages.write_due(next(later)) == 1
    plant.commands.retire("m-1", None, ANN)
    messages.write_due(next(later))
    plant.delivered()
    plant.commands.retire("m-2", None, ANN)
    plant.age("m-2")

    with pytest.raises(SettingsError, match=r"a message about incident .* is not delivered yet; forget"):
        plant.commands.forget("m-2", None, ANN)
    assert messages.write_due(next(later)) == 1
    plant.delivered()
    plant.commands.forget("m-2", None, ANN)


def test_what_sends_is_served_or_has_open_alerts_is_not_forgotten(plant: Plant) -> None:
    plant.write(plant.load(), **opened("anomaly"))
    with pytest.raises(SettingsError, match=r"m-1 was written .* ago; forget it 10m after it has sent last"):
        plant.commands.forget("m-1", None, ANN)
    plant.age()
    with pytest.raises(SettingsError, match="has open alerts; watchkeeper streams retire m-1 closes them"):
        plant.commands.forget("m-1", None, ANN)
    serve(plant.url, plant.store, *TOPIC)
    with pytest.raises(SettingsError, match=r"a living worker reads topic plant, partition 0; if it is gone for good"):
        plant.commands.forget("m-1", None, ANN)
    plant.commands.retire("m-1", None, ANN)
    plant.commands.forget("m-1", None, ANN)
    assert plant.listed(retired=True) == []


def test_rows_go_on_under_the_new_name(plant: Plant) -> None:
    held = plant.load()
    plant.write(held, **opened("anomaly"), scores=[block(held.id, scores([200]))])
    assert plant.commands.rename("m-1", "press-1", None, Person("ann")) == ("machines", "press-1", 1)
    assert plant.listed() == ["press-1"]
    assert len(plant.reader.scores_of("live", "machines", "press-1", start=NEVER)) == 1
    (found,) = plant.reader.list_alerts("live", stream="press-1")
    assert found.state is AlertState.RESOLVED
    assert plant.reader.get_alert(str(found.id)).transitions[-1].note == "renamed to press-1"
    with pytest.raises(FencedError):
        plant.write(held, 5)
    went_on = plant.load("press-1")
    assert (went_on.id, went_on.state, went_on.closed, went_on.retired) == (held.id, b"saved", True, False)
    plant.write(went_on, 5)


def test_a_name_that_is_taken_or_a_stream_that_is_read_is_not_renamed(plant: Plant) -> None:
    plant.write(plant.load())
    plant.write(plant.load("m-2"))
    with pytest.raises(SettingsError, match="has a stream called m-2 already"):
        plant.commands.rename("m-1", "m-2", None, ANN)
    with pytest.raises(SettingsError, match="cannot be the name"):
        plant.commands.rename("m-1", " ", None, ANN)
    worker = serve(plant.url, plant.store, *TOPIC)
    with pytest.raises(SettingsError, match="stop the workers while it is renamed"):
        plant.commands.rename("m-1", "m-3", None, ANN)
    with plant.database.writing() as connection:
        w = schema.workers.c
        connection.execute(update(schema.workers).where(w.id == worker).values(ended=w.beat))
    plant.commands.rename("m-1", "m-3", None, ANN)
    assert plant.listed() == ["m-2", "m-3"]


def test_a_gateway_alert_is_closed_with_the_last_stream_of_its_family(plant: Plant) -> None:
    gateway = replace(of_kind("gateway"), stream="")
    plant.write(plant.load(), facts=[fact(gateway)])
    plant.write(plant.load("m-2"))
    plant.commands.retire("m-1", None, ANN)
    assert plant.alerts()["gateway"].state is AlertState.OPEN
    assert plant.store.stream_names("live", "machines", 0) == ["m-1", "m-2"]  # its state may hold the alert
    plant.age()
    with pytest.raises(SettingsError, match="silent together"):
        plant.commands.forget("m-1", None, ANN)
    assert plant.commands.retire("m-2", None, ANN).alerts == 1
    assert plant.alerts()["gateway"].state is AlertState.RESOLVED
    assert plant.store.stream_names("live", "machines", 0) == []
