"""What delivers, put together: its tasks follow the settings, and a start that fails leaves nothing running."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor import bootstrap
from monitor.bootstrap.dispatching import dispatching
from monitor.config.settings import Settings, parse
from monitor.store import schema
from monitor.store.engine import connect
from monitor.store.sql import open_store
from monitor.worker.alert_keeper import AlertKeeper


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path}/w.db"
    open_store(found).close()
    return found


def settings(url: str, **tables: Any) -> Settings:
    families = {"machines": {"topic": "t", "interval": "1s"}}
    return parse({"store": {"url": url}, "families": families, "notify": {"ops": {"kind": "log"}}, **tables})


def test_messages_about_incidents_are_made_with_the_table_and_without_it(url: str) -> None:
    """An incident that was announced before the table was taken out of the settings ends all the same."""
    made = [bootstrap.dispatcher(each) for each in (settings(url), settings(url, incidents={}))]
    assert [each and list(each.beside) for each in made] == [["dispatcher-incidents"]] * 2


def test_a_start_that_fails_stops_what_was_started_and_reports_why(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: AlertKeeper) -> None:
        raise RuntimeError("can't start new thread")

    before = set(threading.enumerate())
    monkeypatch.setattr(AlertKeeper, "start", start)
    with pytest.raises(RuntimeError, match="new thread"), dispatching(settings(url)):
        pass
    assert set(threading.enumerate()) <= before
    with closing(connect(url)) as database, database.reading() as connection:
        (row,) = connection.execute(select(schema.workers)).all()
    assert row.error == "can't start new thread"
