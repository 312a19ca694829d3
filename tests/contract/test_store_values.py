"""What a database cannot keep is explained, or written so that it can; no driver's error leaves the store bare."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from monitor import bootstrap
from monitor.bootstrap.neighbours import refuse_shared_families
from monitor.config.settings import Settings, parse
from monitor.errors import StoreError
from monitor.ports.store import Commit
from monitor.records.batches import DeadLetter, Gap
from monitor.store import migrations, schema
from monitor.store.dead_letters import Chosen, open_dead_letters
from monitor.store.engine import Database, connect
from monitor.store.open import open_database
from monitor.store.queries import open_reader
from monitor.store.sql import SqlStore, open_store
from tests.integration.postgres import PostgresServer
from tests.store_rows import TOPIC, alert, block, fact, scores
from tests.workers import serve

NUL_AND_MORE = "a\x00b\udc80ö\u202e"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    lite = request.param == "sqlite"
    found: str = f"sqlite:///{tmp_path}/store.db" if lite else request.getfixturevalue("postgres_url")
    migrations.upgrade(found)
    return found


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    with closing(open_store(url)) as found:
        yield found


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(connect(url)) as found:
        yield found


@pytest.mark.postgres
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
@pytest.mark.parametrize("use", [open_database, open_store, migrations.upgrade, migrations.current, open_reader])
def test_a_database_that_is_not_utf8_is_refused(
    postgres: PostgresServer, encoding: str, use: Callable[[str], object]
) -> None:
    with pytest.raises(StoreError, match=rf"keeps text as {encoding}; its encoding must be UTF8.*createdb"):
        use(postgres.database(encoding))


@pytest.mark.postgres
@pytest.mark.parametrize("query", ["", "?client_encoding=latin1"])
def test_the_client_speaks_utf8_whatever_its_surroundings_say(
    postgres: PostgresServer, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "PGCLIENTENCODING", "LATIN1")
    url = postgres.database() + query
    migrations.upgrade(url)
    with closing(open_store(url)) as store:
        store.open_streams("live", "machines", ["Öfen 日本 €"])
        store.commit(Commit("live", facts=[fact(alert(stream="Öfen 日本 €"))]))
    with closing(open_reader(url)) as reader:
        assert [found.stream for found in reader.list_alerts("live", stream="Öfen 日本 €")] == ["Öfen 日本 €"]


def test_texts_that_no_database_keeps_are_written_out(store: SqlStore, url: str) -> None:
    opened = replace(alert(), cause=NUL_AND_MORE, channel=NUL_AND_MORE)
    letter = DeadLetter(topic=NUL_AND_MORE, partition=0, offset=1, reason="json", error=NUL_AND_MORE, body=b"\x00\xff")
    gap = Gap(topic=NUL_AND_MORE, partition=0, start=1, end=2, reason=NUL_AND_MORE)
    store.commit(Commit("live", facts=[fact(opened)], dead=[letter], gaps=[gap]))
    with closing(open_reader(url)) as reader:
        (found,) = reader.list_alerts("live")
    assert found.cause == found.channel == "a\\x00b\\udc80ö\u202e"
    with closing(open_dead_letters(url)) as letters:
        (kept,) = letters.summaries(Chosen(run="live", topic=NUL_AND_MORE))
    assert kept.example == "a\\x00b\\udc80ö\u202e"


def test_a_stream_name_of_a_dead_letter_is_never_too_long_to_be_indexed(store: SqlStore, url: str) -> None:
    text = "".join(chr(0x4E00 + i * 7 % 20_000) for i in range(5_000))  # which no index compresses
    letter = DeadLetter(topic="t", partition=0, offset=1, reason="bad-key", error="no", body=b"", stream=text)
    store.commit(Commit("live", dead=[letter]))
    with closing(open_dead_letters(url)) as letters:
        (kept,) = letters.summaries(Chosen(run="live"))
    assert text.startswith(kept.stream)


@pytest.mark.parametrize("row", [{"partition": 2**80}, {"offset": 2**63}, {"topic": None}])
def test_a_value_that_no_column_takes_is_explained(database: Database, row: dict[str, object]) -> None:
    whole = {
        "run": "live", "topic": "t", "partition": 0, "offset": 0, "reason": "json", "error": "", "size": 0,
        "recorded": 1,
    }  # fmt: skip
    with (
        pytest.raises(StoreError, match=r"does not fit its column|as Watchkeeper makes them") as error,
        database.writing() as connection,
    ):
        connection.execute(insert(schema.dead_letters), whole | row)
    assert database.label in str(error.value)


def test_a_number_without_end_in_a_question_is_explained(database: Database) -> None:
    query = select(schema.dead_letters).where(schema.dead_letters.c.offset == 2**70)
    with pytest.raises(StoreError, match="does not fit its column"), database.reading() as connection:
        connection.execute(query)


def test_a_row_that_is_there_already_is_explained(database: Database) -> None:
    row = {"id": alert().id, "created": 1}
    with pytest.raises(StoreError, match="such a row is there already"), database.writing() as connection:
        connection.execute(insert(schema.identity), [row, row])


def test_the_same_family_in_two_configurations_names_stream_and_workers(store: SqlStore, url: str) -> None:
    (stream,) = store.open_streams("live", "machines", ["m-1"])
    epoch = store.take("live", [TOPIC])[TOPIC].epoch
    serve(url, store, "plant-b", 0, families={"machines": "plant-b"})
    for topic in ("plant-a", "plant-c", "plant-a"):
        store.note_settings("live", "machines", settings(url, topic).families["f"].noted())
    store.commit(Commit("live", scores=[block(stream.id, scores([100]))], positions={TOPIC: (epoch, 1)}))

    with pytest.raises(StoreError) as error:
        store.commit(Commit("live", scores=[block(stream.id, scores([100]))], positions={TOPIC: (epoch, 2)}))

    text = str(error.value)
    assert "stream m-1 of family machines, run live, has these rows already" in text
    assert "its topics so far: plant-a, plant-c; " in text
    assert "topic plant-b" in text
    assert "another name" in text
    assert "store.url" in text
    assert store.take("live", [TOPIC])[TOPIC].next_offset == 1


def settings(url: str, topic: str, family: str = "f") -> Settings:
    table = {"topic": topic, "interval": "10s", "recipe": "plain", "window": {"length": 8}}
    return parse({"store": {"url": url}, "families": {family: table}})


def test_a_worker_does_not_begin_where_another_reads_a_family_of_its_name_from_another_topic(
    store: SqlStore, url: str
) -> None:
    id_ = serve(url, store, "plant-b", 0)  # its family is f

    refuse_shared_families(settings(url, "plant-b"))
    refuse_shared_families(settings(url, "plant-a", "g"))
    with pytest.raises(StoreError, match=rf"families\.f: worker {id_[:8]} \(plant-pc, pid 7, topic plant-b\).*plant-a"):
        refuse_shared_families(settings(url, "plant-a"))
    with pytest.raises(StoreError, match=r"families\.f"), bootstrap.worker(settings(url, "plant-a")):
        pytest.fail("it began")


@pytest.mark.parametrize("what", ["ended", "failed", "died"])
def test_a_worker_that_is_gone_is_in_no_way(store: SqlStore, url: str, what: str) -> None:
    serve(url, store, "plant-b", 0, what)
    refuse_shared_families(settings(url, "plant-a"))
