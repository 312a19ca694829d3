"""The views for people, on SQLite and PostgreSQL: timestamps, names and words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

from monitor.ports.models import ModelRow
from monitor.ports.store import Commit
from monitor.store import migrations
from monitor.store.engine import Database, connect
from monitor.store.sql import open_store
from monitor.store.views import VIEWS
from tests.champions import make_champion
from tests.store_rows import alert, block, cleared, fact, scores

SECOND = 10**9
AT = int(datetime(2026, 7, 1, 10, 30, 5, 250_000, UTC).timestamp() * 4) * SECOND // 4  # ns


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/w.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrations.upgrade(url)
    with closing(open_store(url)) as store:
        opened = replace(alert(opened_at=AT), started_at=AT - 10 * SECOND)
        stream = store.open_streams("live", "machines", ["m-1"])[0]
        make_champion(store, ModelRow(id="ab12", family="machines", manifest="{}"))
        rows = scores([AT, AT + SECOND])
        rows = replace(rows, state=np.array([1, 2], np.uint8), limit=np.array([2, np.nan], np.float32))
        facts = [replace(fact(opened), cause="it stands still"), fact(alert(stream="m-2", opened_at=AT))]
        store.commit(Commit("live", facts=facts, scores=[block(stream.id, rows, "ab12")]))
        store.commit(Commit("live", facts=[cleared(alert(stream="m-2", opened_at=AT))]))
    with closing(connect(url)) as found:
        yield found


def read(database: Database, query: str) -> list[dict[str, Any]]:
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def moment(value: object) -> datetime:
    """What either database gives for a timestamp."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)


def test_alerts_have_timestamps(database: Database) -> None:
    first, second = read(database, "SELECT * FROM alerts_readable ORDER BY stream")

    assert moment(first["opened_at"]) == datetime(2026, 7, 1, 10, 30, 5, 250_000, UTC)
    assert moment(first["started_at"]) == datetime(2026, 7, 1, 10, 29, 55, 250_000, UTC)
    known = ("run", "family", "stream", "kind", "state", "severity", "cause", "resolved_at", "acknowledged_at")
    assert [first[name] for name in known] == [
        "live", "machines", "m-1", "anomaly", "open", "warning", "it stands still", None, None,
    ]  # fmt: skip
    assert (second["state"], moment(second["resolved_at"]).microsecond) == ("resolved", 250_000)


def test_alerts_have_every_column_of_the_table(database: Database) -> None:
    with database.reading() as connection:
        found = inspect(connection)
        columns = [[column["name"] for column in found.get_columns(name)] for name in ("alerts", "alerts_readable")]
    assert set(columns[0]) == set(columns[1])


def test_scores_have_names_and_words(database: Database) -> None:
    anomaly, unknown = read(database, "SELECT * FROM scores_readable ORDER BY window_end")

    assert moment(anomaly["window_end"]) == datetime(2026, 7, 1, 10, 30, 5, 250_000, UTC)
    assert moment(anomaly["window_start"]) == datetime(2026, 7, 1, 10, 29, 55, 250_000, UTC)
    known = ("run", "family", "stream", "score", "limit", "ratio", "imputed", "state", "model")
    assert [anomaly[name] for name in known] == ["live", "machines", "m-1", 1.0, 2.0, 0.5, 0.0, "anomaly", "ab12"]
    assert (unknown["state"], unknown["limit"]) == ("insufficient", None)


def test_a_database_of_an_earlier_version_gets_them(database: Database) -> None:
    """An upgrade drops them before it changes the tables, and a downgrade leaves none behind."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")
        assert inspect(connection).get_view_names() == []
        command.upgrade(config, "head")
        assert sorted(inspect(connection).get_view_names()) == sorted(VIEWS)
    assert len(read(database, "SELECT * FROM alerts_readable")) == 2
