"""The schema: what migrations make is what schema.py says, and only a fitting one is opened."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from monitor.errors import StoreError
from monitor.ports.models import ModelRow
from monitor.ports.notifier import Outcome
from monitor.ports.store import Commit
from monitor.records.alerts import Evidence, message_id
from monitor.store import migrations
from monitor.store.deliveries import open_deliveries
from monitor.store.engine import connect
from monitor.store.outbox import open_outbox
from monitor.store.partial_indexes import metadata
from monitor.store.queries import open_reader
from monitor.store.sql import open_store
from tests.store_rows import alert, evidence, fact


def test_the_history_is_one_line_in_the_order_of_file_names() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)

    assert scripts.get_current_head() == migrations.head()
    assert {script.revision for script in scripts.walk_revisions()} == migrations.known()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/a %41 b.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


def stamp(url: str, revision: str) -> None:
    database = connect(url)
    with database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    database.close()


def test_migrations_and_tables_agree(url: str) -> None:
    assert migrations.current(url) is None
    assert migrations.upgrade(url) == migrations.current(url) == migrations.head()
    assert migrations.upgrade(url) == migrations.head()
    database = connect(url)
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    database.close()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE alembic_version SET version_num = 'x y'", "holds 'x y'"),
        ("DELETE FROM alembic_version", "has 0 rows instead of one"),
        ("INSERT INTO alembic_version VALUES ('0001')", "has 2 rows instead of one"),
    ],
)
def test_a_damaged_version_is_said_and_nothing_is_changed(url: str, damage: str, says: str) -> None:
    migrations.upgrade(url)
    with closing(connect(url)) as database, database.writing() as connection:
        connection.exec_driver_sql(damage)
    with pytest.raises(StoreError, match=rf"alembic_version, .*{says}; nothing was changed: restore it from a backup"):
        migrations.upgrade(url)


def test_downgrade_leaves_nothing(url: str) -> None:
    migrations.upgrade(url)
    database = connect(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    database.close()


def test_evidence_survives_the_change_of_its_table(url: str) -> None:
    migrations.upgrade(url)
    kept, bare = (evidence(alert(opened_at=at)) for at in (100, 200))
    bare = replace(bare, reconstruction=None)
    with closing(open_store(url)) as store:
        store.commit(Commit(run="live", facts=[fact(alert()), fact(alert(opened_at=200))], evidence=[kept, bare]))
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    before = ScriptDirectory.from_config(config).get_revision("0009").down_revision

    with closing(connect(url)) as database, database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, str(before))
    migrations.upgrade(url)

    with closing(open_reader(url)) as reader:
        found = [reader.get_alert(one.alert.hex).evidence for one in (kept, bare)]
    expected = [kept, replace(bare, reconstruction=bare.values)]  # an older version cannot leave it out
    assert [_cells(one) for one in found] == [_cells(one) for one in expected]


def _cells(evidence: Evidence | None) -> list[bytes]:
    assert evidence is not None
    assert evidence.reconstruction is not None
    return [part.tobytes() for part in (evidence.values, evidence.reconstruction, evidence.contribution)]


def test_a_waiting_notification_of_the_version_before_keeps_its_id(url: str) -> None:
    """Its transition's: a receiver may have seen it already. Later ones carry the identity of the database."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    before = ScriptDirectory.from_config(config).get_revision("0013").down_revision
    of, again = alert(), alert(opened_at=200)
    with closing(connect(url)) as database, database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, str(before))
        connection.execute(
            text(
                "INSERT INTO alerts (id, run, family, stream, kind, state, severity, opened_at, started_at, last_at,"
                " peak_ratio, peak_at, windows)"
                " VALUES (:id, 'live', 'f', 's', 'anomaly', 'open', 'warning', 1, 1, 1, 2, 1, 1)"
            ),
            {"id": _id(url, of.id)},
        )
        connection.execute(
            text(
                'INSERT INTO transitions (id, alert, number, cause, "at", state, severity, actor, note)'
                " VALUES (:id, :alert, 0, 'opened', 1, 'open', 'warning', 'monitor', '')"
            ),
            {"id": _id(url, fact(of).id), "alert": _id(url, of.id)},
        )
        connection.execute(
            text(
                "INSERT INTO outbox (transition, alert, channel, payload, created, next_at, attempts)"
                " VALUES (:id, :alert, 'hook', '{}', 1, 0, 0)"
            ),
            {"id": _id(url, fact(of).id), "alert": _id(url, of.id)},
        )
    migrations.upgrade(url)

    with closing(open_store(url)) as store, closing(open_outbox(url)) as outbox:
        store.commit(Commit(run="live", facts=[fact(again)], announce=lambda *_: [("hook", "{}")]))
        found = {delivery.alert: delivery.message for delivery in outbox.claim("hook", 1, 10, 60)}
        identity = store.identity
    assert found == {of.id: fact(of).id, again.id: message_id(identity, fact(again).id)}


def test_the_outbox_and_its_attempts_survive_the_change_of_its_table(url: str) -> None:
    """SQLite copies it, and would delete the attempts with the rows of the old one."""
    migrations.upgrade(url)
    announce = lambda *_: [("hook", "{}"), ("kept back", None)]  # noqa: E731
    with closing(open_store(url)) as store, closing(open_outbox(url)) as outbox:
        store.commit(Commit(run="live", facts=[fact(alert()), fact(alert(opened_at=200))], announce=announce))
        first, second = outbox.claim("hook", 1, 10, 60)
        outbox.record([Outcome(first, 2, "503", 5), Outcome(second, 3)])
        outbox.record([Outcome(outbox.claim("hook", 6, 10, 60)[0], 7, "429", 9)])
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    before = ScriptDirectory.from_config(config).get_revision("0020").down_revision

    with closing(connect(url)) as database, database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, str(before))
    migrations.upgrade(url)

    with closing(open_deliveries(url)) as deliveries, closing(open_outbox(url)) as outbox:
        found = [deliveries.find(each.id) for each in (first, second)]
        (again,) = outbox.claim("hook", 10, 10, 60, urgent=False)
    assert [[one.error for one in each.tries] for each in found if each] == [["503", "429"], [""]]
    assert [each.record.message for each in found if each] == [first.message, second.message]
    assert [each.record.severity for each in found if each] == ["warning", None]  # of what waits
    assert (again.message, again.attempts) == (first.message, 2)


def _id(url: str, id_: UUID) -> str:
    return id_.hex if url.startswith("sqlite") else str(id_)


def test_a_model_of_the_version_before_keeps_its_path_and_its_scores(url: str) -> None:
    database = connect(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        connection.exec_driver_sql(
            "INSERT INTO models (id, family, path, manifest, state, created)"
            " VALUES ('ab', 'pumps', '/old/artefacts/pumps/ab', '{}', 'retired', 1),"
            " ('cd', 'pumps', '/old/artefacts/pumps/cd', '{}', 'champion', 2)"
        )
        connection.exec_driver_sql(
            "INSERT INTO scores (stream_id, end_ns, start_ns, imputed, state, model) VALUES (1, 2, 1, 0, 0, 2)"
        )
    migrations.upgrade(url)
    store = open_store(url)

    assert store.registry.champion("pumps") == ModelRow(
        id="cd", family="pumps", manifest="{}", path="/old/artefacts/pumps/cd"
    )
    assert [(change.model, change.at, change.state) for change in store.registry.life("pumps")] == [
        ("ab", 1, "retired"), ("cd", 2, "champion"),
    ]  # fmt: skip
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT model FROM scores").scalar() == 2
    store.close()
    database.close()


def test_another_schema_is_refused_with_the_way_out(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrations.upgrade(url)
    stamp(url, "9999")
    with pytest.raises(StoreError, match="newer than this version of Watchkeeper"):
        open_store(url)
    stamp(url, "0001")
    monkeypatch.setattr(migrations, "head", lambda: "0002")
    with pytest.raises(StoreError, match=r"too old.*watchkeeper db upgrade"):
        open_store(url)


@pytest.mark.postgres
def test_an_empty_server_is_never_migrated_by_itself(postgres_url: str) -> None:
    with pytest.raises(StoreError, match="watchkeeper db upgrade"):
        open_store(postgres_url)
    assert migrations.current(postgres_url) is None


def test_only_a_store_makes_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    for opens in (open_reader, open_outbox, lambda url: open_store(url, migrate=False)):
        with pytest.raises(StoreError, match="no such file"):
            opens(url)
    assert list(tmp_path.iterdir()) == []
    open_store(url).close()
    open_reader(url).close()


def test_a_failed_upgrade_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "half.db"
    with sqlite3.connect(path) as mine:
        mine.execute("CREATE TABLE dead_letters (mine TEXT)")  # the last table of the first revision
    mine.close()
    with pytest.raises(StoreError, match="already exists"):
        migrations.upgrade(f"sqlite:///{path}")
    database = connect(f"sqlite:///{path}")
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == ["dead_letters"]
    database.close()


def test_processes_that_start_together_share_a_new_file(tmp_path: Path) -> None:
    code = f"""
import sys
from monitor.store.sql import open_store
print("ready", flush=True)
sys.stdin.readline()
store = open_store("sqlite:///{tmp_path}/new.db")
print(store.take("live", [("t", 0)])["t", 0].epoch)
store.close()
"""
    start = [sys.executable, "-c", code]
    workers = [subprocess.Popen(start, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    assert sorted(int(worker.communicate()[0]) for worker in workers) == [1, 2, 3]
