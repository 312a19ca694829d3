"""PostgreSQL that goes away: before, during and right after a commit."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from sqlalchemy.engine import make_url

from monitor.errors import FencedError, StoreError
from monitor.ports.store import Commit, HistoryBlock, Position
from monitor.records.batches import DeadLetter
from monitor.store import history, postgres
from monitor.store.migrations import upgrade
from monitor.store.queries import open_reader
from monitor.store.sql import SqlStore, open_store
from tests.integration.postgres import PostgresServer
from tests.store_rows import TOPIC, alert, full, state

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres_url: str) -> str:
    upgrade(postgres_url)
    return postgres_url


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    found = open_store(url)
    yield found
    found.close()


def commit_for(store: SqlStore) -> Commit:
    stream = store.open_streams("live", "machines", ["m-1"])[0]
    return full(stream, store.take("live", [TOPIC])[TOPIC].epoch)


class AnswerEater:
    """A proxy that hands COMMIT on to the server and then cuts the client off, answer or no answer."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.armed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
            threading.Thread(target=self._watch, args=(client, server), daemon=True).start()

    def _watch(self, client: socket.socket, server: socket.socket) -> None:
        while data := _receive(client):
            eat = self.armed and b"COMMIT" in data
            if eat:
                self.armed = False
                client.shutdown(socket.SHUT_RDWR)
            server.sendall(data)
            if eat:
                time.sleep(0.3)  # for the server to do it
                break
        client.close()
        server.close()

    def _pump(self, server: socket.socket, client: socket.socket) -> None:
        while data := _receive(server):
            try:
                client.sendall(data)
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


def _receive(end: socket.socket) -> bytes:
    try:
        return end.recv(65536)
    except OSError:
        return b""


def test_an_unanswered_commit_is_not_written_twice(url: str) -> None:
    server = make_url(url)
    proxy = AnswerEater(str(server.host), int(server.port or 0))
    store = open_store(server.set(port=proxy.port).render_as_string(hide_password=False))
    commit = commit_for(store)
    proxy.armed = True
    with pytest.raises(StoreError, match=r"connection was lost|cannot be reached"):
        store.commit(commit)
    assert not proxy.armed
    reader = open_reader(url)
    assert len(reader.list_alerts("live")) == 1  # the server did it, only nobody here knew
    store.commit(commit)
    assert len(reader.get_alert(alert().id.hex).transitions) == 1
    assert store.take("live", [TOPIC])[TOPIC] == Position(2, 42)
    reader.close()
    store.close()
    proxy.close()


def test_a_connection_lost_in_the_middle_of_a_commit(store: SqlStore, url: str) -> None:
    commit = commit_for(store)
    killer = open_store(url)
    with store._database.writing() as mine:  # wait on a lock, so that the backend dies inside the transaction
        held = mine.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        mine.exec_driver_sql("LOCK TABLE scores IN ACCESS EXCLUSIVE MODE")
        other = open_store(url)
        failed: list[Exception] = []
        thread = threading.Thread(target=lambda: _try(other, commit, failed))
        thread.start()
        with killer._database.reading() as connection:
            query = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid <> %s"
            )
            while connection.exec_driver_sql(query, (held,)).first() is None:
                time.sleep(0.05)
        thread.join()
    assert isinstance(failed[0], StoreError)
    assert "server is going down" in str(failed[0])
    other.commit(commit)
    assert other.take("live", [TOPIC])[TOPIC] == Position(2, 42)
    for opened in (killer, other):
        opened.close()


def _try(store: SqlStore, commit: Commit, failed: list[Exception]) -> None:
    try:
        store.commit(commit)
    except Exception as error:
        failed.append(error)


def test_the_server_is_killed_and_comes_back(postgres: PostgresServer, store: SqlStore) -> None:
    commit = commit_for(store)
    postgres.kill()
    try:
        for _ in range(3):
            with pytest.raises(StoreError, match=r"127\.0\.0\.1"):
                store.commit(commit)
    finally:
        postgres.start()
    store.commit(commit)
    assert store.take("live", [TOPIC])[TOPIC] == Position(2, 42)


def test_taking_waits_for_the_commit_in_flight(store: SqlStore, url: str) -> None:
    """The new owner goes on behind what the old one commits at that moment, or the old one is refused."""
    commit_for(store)
    taker, taken = open_store(url), []
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE positions SET next_offset = 77")
        thread = threading.Thread(target=lambda: taken.append(taker.take("live", [TOPIC])[TOPIC]))
        thread.start()
        time.sleep(0.3)
        assert taken == []
    thread.join()
    assert taken == [Position(2, 77)]
    with pytest.raises(FencedError):
        store.commit(Commit(run="live", positions={TOPIC: (1, 80)}))
    taker.close()


def test_a_worker_that_stands_still_within_a_copy_does_not_hold_its_successor_up(
    store: SqlStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own timeouts do not end a COPY whose client sends nothing more. All of them are a tenth here."""
    commit = commit_for(store)
    for name in ("_TIMEOUTS", "_END_FROZEN"):
        monkeypatch.setattr(postgres, name, re.sub(r"(\d+) ?s(econds)?\b", r"\g<1>00ms", getattr(postgres, name)))
    stands, goes_on = threading.Event(), threading.Event()

    def stand_still(_copy: psycopg.Copy, _rows: bytes) -> None:
        stands.set()
        goes_on.wait(120)

    def freeze() -> None:
        with pytest.raises(StoreError):
            frozen.commit(commit)

    monkeypatch.setattr(psycopg.Copy, "write", stand_still)
    frozen, successor = open_store(url), open_store(url)
    zombie = threading.Thread(target=freeze)
    zombie.start()
    assert stands.wait(20)
    with pytest.raises(StoreError, match="another transaction has held a lock") as caught:
        successor.take("live", [TOPIC])
    assert caught.value.transient
    assert successor.take("live", [TOPIC])[TOPIC].epoch > commit.positions[TOPIC][0]
    goes_on.set()
    zombie.join(20)
    assert not zombie.is_alive()
    frozen.close()
    successor.close()


def test_many_streams_and_their_states(store: SqlStore) -> None:
    names = [f"machine-{i}" for i in range(25_000)]
    opened = store.open_streams("live", "machines", names)
    assert len({stream.id for stream in opened}) == 25_000
    blobs = [os.urandom(20) for _ in names]
    states = [state(stream.id, blob) for stream, blob in zip(opened, blobs, strict=True)]
    store.commit(Commit(run="live", streams=states))
    assert [stream.state for stream in store.open_streams("live", "machines", names)] == blobs


def test_text_that_postgresql_refuses_is_kept_all_the_same(store: SqlStore) -> None:
    letter = DeadLetter(topic="t", partition=0, offset=1, reason="json", error="at \x00", key=b"\x00", body=b"\xff")
    store.commit(Commit(run="live", dead=[letter]))
    with store._database.reading() as connection:
        row = connection.exec_driver_sql("SELECT error, key, body FROM dead_letters").one()
    assert tuple(map(bytes, row[1:])) == (b"\x00", b"\xff")
    assert row[0] == "at \\x00"


def test_readings_that_two_processes_pack_at_once_are_packed_once(url: str, store: SqlStore) -> None:
    """The one that comes second finds nothing left to pack; it must not fail for that."""
    stream = store.open_streams("live", "machines", ["m-1"])[0].id
    blocks = [HistoryBlock(stream, np.array([at, at + 1]), np.ones((2, 1), np.float32)) for at in (0, 2)]
    store.commit(Commit("live", history=blocks))
    other, failures = open_store(url), list[BaseException]()

    def second() -> None:
        try:
            other.pack_history([stream], 100)
        except StoreError as error:
            failures.append(error)

    with store._database.writing() as connection:
        history.pack(connection, [stream], 100)
        packer = threading.Thread(target=second)
        packer.start()
        time.sleep(0.5)  # it waits for the rows by now
    packer.join(30)
    other.close()

    assert failures == []
    assert [len(block.time) for _, block in store.history("live", "machines")] == [4]
