"""What waits is taken in order, under a lease, and never by two: in SQL and by the in-memory twin."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from monitor.ports.notifier import Backlog, Outcome, Queue
from monitor.ports.store import Commit, Store
from monitor.records.alerts import Alert, Delivery, FactKind, Transition
from monitor.store import outbox as sql_outbox
from monitor.store import outbox_queues
from monitor.store.engine import connect
from monitor.store.migrations import upgrade
from monitor.store.open import open_database
from monitor.store.outbox import SqlOutbox
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper
from tests.store_rows import SECOND, alert, fact

LEASE = 60 * SECOND


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertKeeper]:
    if request.param == "memory":
        found: AlertKeeper = MemoryKeeper()
    elif request.param == "sqlite":
        found = SqlKeeper(f"sqlite:///{tmp_path}/store.db")
    else:
        found = SqlKeeper(request.getfixturevalue("postgres_url"))
    with closing(found):
        yield found


def queue(store: Store, *stream_names: str, per_alert: int = 1, channels: tuple[str, ...] = ("hook",)) -> None:
    """Notifications of one alert per stream, oldest alert first."""
    for name in stream_names:
        of = alert(stream=name)
        facts = [fact(of), *(fact(of, FactKind.WORSENED, of.opened_at + i) for i in range(1, per_alert))]

        def announce(change: Transition, about: Alert, *_: object) -> list[tuple[str, str]]:
            return [(channel, f"{about.stream} {change.number}") for channel in channels]

        store.commit(Commit(run="live", facts=facts, announce=announce))


def payloads(deliveries: list[Delivery]) -> list[str]:
    return [delivery.payload for delivery in deliveries]


def test_the_order_within_an_alert_is_kept(keeper: AlertKeeper) -> None:
    queue(keeper.store(), "a", "b", per_alert=2)
    outbox = keeper.outbox()
    a, b = outbox.claim("hook", 1, 10, LEASE)
    assert payloads([a, b]) == ["a 0", "b 0"]
    assert a.transition == fact(alert(stream="a")).id
    outbox.record([Outcome(a, 2, "503", 100), Outcome(b, 2)])
    assert payloads(outbox.claim("hook", 3, 10, LEASE)) == ["b 1"]
    (again,) = outbox.claim("hook", 100, 10, LEASE)
    assert (again.payload, again.attempts) == ("a 0", 1)
    outbox.record([Outcome(again, 101, "410")])
    assert payloads(outbox.claim("hook", 102, 10, LEASE)) == ["a 1"]


def test_what_stands_behind_a_head_is_due_as_soon_as_the_head_has_left(keeper: AlertKeeper) -> None:
    """However often a claim met it meanwhile, and put it off."""
    queue(keeper.store(), "a", per_alert=4)
    outbox, seen = keeper.outbox(), []
    for now in range(1, 5):
        (head,) = outbox.claim("hook", now, 10, LEASE)
        assert outbox.claim("hook", now, 10, LEASE) == []
        outbox.record([Outcome(head, now)])
        seen.append(head.payload)
    assert seen == ["a 0", "a 1", "a 2", "a 3"]


def test_what_waits_behind_a_failed_head_hides_nothing(keeper: AlertKeeper) -> None:
    queue(keeper.store(), "a", per_alert=30)
    queue(keeper.store(), "b")
    outbox = keeper.outbox()
    (head,) = outbox.claim("hook", 1, 1, LEASE)
    outbox.record([Outcome(head, 1, "503", 1000)])
    assert payloads(outbox.claim("hook", 2, 2, LEASE)) == ["b 0"]
    assert payloads(outbox.claim("hook", 1000, 2, LEASE)) == ["a 0"]


def test_the_backlog_is_what_waits_and_what_was_given_up(keeper: AlertKeeper) -> None:
    outbox = keeper.outbox()
    assert outbox.backlog() == Backlog()
    before = time.time_ns()
    queue(keeper.store(), "a", "b", "c")
    queue(keeper.store(), "d", channels=("old",))
    found = outbox.backlog()
    assert (found.waiting, set(found.queues), found.given_up, found.error) == (4, {"hook", "old"}, 0, "")
    assert found.oldest is not None
    assert before <= found.oldest <= time.time_ns()
    a, b, c = outbox.claim("hook", 1, 10, LEASE)
    assert outbox.backlog().queues["hook"].next_at == 1 + LEASE
    outbox.record([Outcome(a, 2), Outcome(b, 2, "503", 500), Outcome(c, 3, "410")])

    found = outbox.backlog()
    assert found.queues["hook"] == Queue(1, found.queues["hook"].oldest, 500, tried=1)
    assert (found.waiting, found.given_up, found.error) == (2, 1, "503")


def test_a_lease_keeps_others_away_until_it_ends_or_is_released(keeper: AlertKeeper) -> None:
    queue(keeper.store(), "a", "b")
    one, two = keeper.outbox(), keeper.outbox()
    a, b = one.claim("hook", 1, 10, LEASE)
    assert two.claim("hook", LEASE, 10, LEASE) == []
    one.release([b])
    assert payloads(two.claim("hook", 2, 10, 5)) == ["b 0"]
    assert payloads(two.claim("hook", LEASE + 1, 10, LEASE)) == ["b 0", a.payload]


def test_what_waits_longer_than_any_lease_is_due_once_the_receiver_answers_again(keeper: AlertKeeper) -> None:
    queue(keeper.store(), "a", "b", "c", channels=("hook", "other"))
    outbox = keeper.outbox()
    a, b, _ = outbox.claim("hook", 1, 10, LEASE)
    (other, *_) = outbox.claim("other", 1, 10, LEASE)
    outbox.record(
        [Outcome(a, 2, "503", 3600 * SECOND), Outcome(b, 2, "503", 5), Outcome(other, 2, "503", 3600 * SECOND)]
    )
    outbox.wake("hook", 1 + LEASE)
    assert payloads(outbox.claim("hook", 3, 10, LEASE)) == ["a 0"]
    assert outbox.claim("other", 3, 10, LEASE) == []


def test_a_channel_takes_its_own_rows_only(keeper: AlertKeeper) -> None:
    queue(keeper.store(), "a", "b", "c", channels=("dead", "hook"))
    outbox = keeper.outbox()
    assert payloads(outbox.claim("hook", 1, 2, LEASE)) == ["a 0", "b 0"]
    assert {delivery.channel for delivery in outbox.claim("dead", 2, 10, LEASE)} == {"dead"}
    assert outbox.claim("nobody's", 2, 10, LEASE) == []


def test_what_is_too_old_is_given_up_of_every_channel_and_the_next_one_is_due(keeper: AlertKeeper) -> None:
    queue(keeper.store(), "a", "b", channels=("dead", "old"))
    outbox, cut = keeper.outbox(), time.time_ns() + 1
    outbox.record([Outcome(outbox.claim("dead", 1, 1, LEASE)[0], 1, "503", 10**18)])
    time.sleep(0.01)
    queue(keeper.store(), "c", channels=("dead",))
    assert outbox.expire(cut, cut, "too old", 3) == {"dead": 2, "old": 1}
    assert outbox.expire(cut, cut, "too old", 3) == {"old": 1}
    assert outbox.expire(cut, cut, "too old", 3) == {}
    assert payloads(outbox.claim("dead", 2, 10, LEASE)) == ["c 0"]
    assert (outbox.backlog().given_up, outbox.backlog().waiting) == (4, 1)


def test_four_dispatchers_never_take_the_same_row(keeper: AlertKeeper) -> None:
    names = [f"m-{i}" for i in range(40)]
    queue(keeper.store(), *names, per_alert=2)
    outboxes = [keeper.outbox() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        claims = pool.map(
            lambda outbox: [d.id for _ in range(5) for d in outbox.claim("hook", 1, 4, LEASE)], outboxes
        )  # fmt: skip
        taken = [id_ for batch in claims for id_ in batch]
    while more := [delivery.id for delivery in outboxes[0].claim("hook", 1, 40, LEASE)]:
        taken += more
    assert len(set(taken)) == len(taken) == 40


@pytest.mark.postgres
def test_what_follows_waits_for_no_lease_where_a_claim_and_a_record_meet(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that meets a row behind a head puts it off; the head may leave at that very moment."""
    with closing(SqlKeeper(postgres_url)) as keeper, ThreadPoolExecutor(1) as pool:
        store = keeper.store()
        queue(store, "a")
        one, two, look, records = keeper.outbox(), keeper.outbox(), outbox_queues.heads, list[Future[None]]()
        (head,) = one.claim("hook", 1, 5, LEASE)
        worse = fact(alert(stream="a"), FactKind.WORSENED, alert().opened_at + 1)
        store.commit(Commit(run="live", facts=[worse], announce=lambda *_: [("hook", "a 1")]))

        def heads(*arguments: Any) -> Any:
            found = look(*arguments)
            if not records:
                records.append(pool.submit(one.record, [Outcome(head, 1)]))
                wait(records, timeout=0.5)  # it waits for the lock of the row that is being put off
            return found

        monkeypatch.setattr(sql_outbox, "heads", heads)
        taken = two.claim("hook", 1, 5, LEASE)
        records[0].result(30)
        assert payloads(taken + two.claim("hook", 1, 5, LEASE)) == ["a 1"]


def history(url: str, delivered: int, waiting: int) -> None:
    """Rows without alerts: many that were delivered, and some that wait, two of each alert."""
    rows = (
        "INSERT INTO outbox (transition, alert, channel, payload, created, next_at, attempts, delivered_at)"
        " SELECT lpad(to_hex({own} + i), 32, '0')::uuid, lpad(to_hex({alert}), 32, '0')::uuid, 'hook', '{{}}', 1, 0, 0,"
        " {done} FROM generate_series(1, {count}) AS n(i)"
    )
    with closing(connect(url)) as database, database.writing() as connection:
        connection.execute(text("ALTER TABLE outbox DROP CONSTRAINT fk_outbox_transition"))
        connection.execute(text(rows.format(own=10**7, alert="1000000 + i", done=1, count=delivered)))
        connection.execute(text(rows.format(own=2 * 10**7, alert="(i + 1) / 2", done="NULL", count=waiting)))


@pytest.mark.parametrize("analyzed", ["never", "while it was empty", "when it was full"])
@pytest.mark.postgres
def test_claims_cost_the_same_whatever_the_statistics_say(analyzed: str, postgres_url: str) -> None:
    """20,000 waiting rows beside 300,000 delivered ones once took 40 s a claim, and longer than a statement may."""
    upgrade(postgres_url)
    with closing(SqlOutbox(open_database(postgres_url))) as outbox, closing(connect(postgres_url)) as database:

        def analyze() -> None:
            with database.writing() as connection:
                connection.execute(text("ANALYZE outbox"))

        if analyzed == "while it was empty":
            analyze()
        history(postgres_url, 300_000, 20_000)
        if analyzed == "when it was full":
            analyze()
        began, taken = time.monotonic(), 0
        while found := outbox.claim("hook", 1, 128, LEASE):
            outbox.record([Outcome(each, 1) for each in found])
            taken += len(found)
        assert taken == 20_000
        assert time.monotonic() - began < 120  # about 10 s; by a plan for one row, 40 s for each of 160 claims
        assert outbox.backlog() == Backlog()
