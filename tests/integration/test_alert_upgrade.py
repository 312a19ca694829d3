"""Alerts in a database of schema 0006: what is open there is resolved, and numbering goes on behind what is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from alembic import command as alembic
from alembic.config import Config
from sqlalchemy import text

from monitor.ports.store import Commit
from monitor.records.alerts import AlertState, CommandKind, FactKind
from monitor.store import migrations
from monitor.store.engine import connect
from tests.alert_keepers import SqlKeeper, render
from tests.store_rows import alert, cleared, command, fact

LIVE_ONE, BY_HAND = alert(), alert(stream="m-2")
INSERT_ALERT = (
    "INSERT INTO alerts (id, run, family, stream, kind, state, severity, opened_at, started_at, last_at, peak_ratio, "
    "peak_at, windows) "
    "VALUES (:id, 'live', 'machines', :stream, 'anomaly', :state, 'critical', 100, 90, 110, 2.5, 110, 2)"
)
INSERT_TRANSITION = (
    'INSERT INTO transitions (id, alert, number, "at", state, severity, ratio, actor, note) '
    "VALUES (:id, :alert, :number, :at, :state, 'critical', :ratio, :actor, '')"
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlKeeper]:
    url = f"sqlite:///{tmp_path}/old.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    fill_as_before(url)
    found = SqlKeeper(url)
    yield found
    found.close()


def fill_as_before(url: str) -> None:
    """Two alerts that are open: one worsened, and one that a person acknowledged with SQL."""
    database = connect(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        alembic.upgrade(config, "0006")
        sqlite = connection.dialect.name == "sqlite"

        def key(id_: UUID) -> Any:
            return id_.hex if sqlite else id_

        for of, state in ((LIVE_ONE, "open"), (BY_HAND, "acknowledged")):
            connection.execute(text(INSERT_ALERT), {"id": key(of.id), "stream": of.stream, "state": state})
            changes = [("open", 100, "monitor"), ("open", 110, "monitor"), ("acknowledged", 112, "bob")]
            for number, (then, at, actor) in enumerate(changes[: 2 + (of is BY_HAND)]):
                row = {"id": key(uuid5(of.id, str(number))), "alert": key(of.id), "number": number, "at": at}
                row |= {"state": then, "ratio": 2.5, "actor": actor}
                connection.execute(text(INSERT_TRANSITION), row)
    database.close()


def test_what_caused_the_changes_is_filled_in(keeper: SqlKeeper) -> None:
    found = keeper.kept().transitions
    assert [t.cause for t in found[LIVE_ONE.id]] == [FactKind.OPENED, FactKind.WORSENED]
    assert [t.cause for t in found[BY_HAND.id]] == [FactKind.OPENED, FactKind.WORSENED, CommandKind.ACKNOWLEDGE]


def test_open_alerts_are_resolved_and_numbered_on(keeper: SqlKeeper) -> None:
    report = Commit("live", facts=[cleared(LIVE_ONE), cleared(BY_HAND)], announce=render)
    keeper.store().commit(report)
    keeper.store().commit(report)

    kept = keeper.kept()
    for of, numbers in ((LIVE_ONE, [0, 1, 2]), (BY_HAND, [0, 1, 2, 3])):
        row = kept.alerts[of.id]
        assert (row.state, row.resolved_at, row.windows) == (AlertState.RESOLVED, 150, 7)
        assert [transition.number for transition in kept.transitions[of.id]] == numbers
    assert [kept.alerts[of.id].acknowledged_at for of in (LIVE_ONE, BY_HAND)] == [None, 110]
    assert len(kept.outbox) == 2


def test_people_go_on_with_them(keeper: SqlKeeper) -> None:
    commands = keeper.commands()
    assert commands.give(command(LIVE_ONE, number=1)).refused == ""
    assert commands.give(command(BY_HAND, number=2)).refused.endswith("acknowledged already, by a person, with SQL")
    assert commands.give(command(BY_HAND, CommandKind.UNACKNOWLEDGE, 3)).alert.state is AlertState.OPEN
    keeper.store().commit(Commit("live", facts=[fact(LIVE_ONE, FactKind.CONTINUED, 120)]))
    assert keeper.kept().alerts[LIVE_ONE.id].state is AlertState.ACKNOWLEDGED
