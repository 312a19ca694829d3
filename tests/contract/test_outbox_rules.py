"""Digests, fallbacks, urgent messages and those made due again: in SQL and by the in-memory twin."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select

from monitor.ports.notifier import Outbox, Outcome
from monitor.ports.store import Commit, Store
from monitor.records.alerts import Alert, Delivery, FactKind, Severity, Transition
from monitor.store import digests, schema
from tests.alert_keepers import AlertKeeper, SqlKeeper
from tests.contract.test_outboxes import LEASE, keeper, payloads, queue
from tests.store_rows import SECOND, alert, fact

__all__ = ["keeper"]
FOREVER = 2**62


def render(deliveries: Sequence[Delivery], id_: UUID) -> str:
    return json.dumps([delivery.payload for delivery in deliveries])


def worsen(store: Store, stream: str, step: int, channels: tuple[str, ...] = ("hook",)) -> None:
    """One more change of the stream's alert; it is critical from here on."""
    of = alert(stream=stream)

    def announce(change: Transition, about: Alert, *_: object) -> list[tuple[str, str]]:
        return [(channel, f"{about.stream} {change.number}") for channel in channels]

    worse = replace(fact(of, FactKind.WORSENED, of.opened_at + step), severity=Severity.CRITICAL)
    store.commit(Commit(run="live", facts=[worse], announce=announce))


def drained(outbox: Outbox, channel: str, now: int) -> list[str]:
    """Payloads in the order in which they can be delivered at `now`."""
    found = []
    while taken := outbox.claim(channel, now, 1, LEASE):
        found += payloads(taken)
        outbox.record([Outcome(each, now) for each in taken])
    return found


def test_a_digest_stands_for_what_is_due_and_what_follows_comes_after_it(keeper: AlertKeeper) -> None:
    store, outbox = keeper.store(), keeper.outbox()
    queue(store, "a", "b", per_alert=2)
    assert outbox.join("hook", 5, FOREVER, render) == 4
    worsen(store, "a", 9)
    (digest,) = outbox.claim("hook", 6, 10, LEASE)
    assert json.loads(digest.payload) == ["a 0", "a 1", "b 0", "b 1"]
    assert digest.transition == digest.message
    assert outbox.claim("hook", 7, 10, LEASE) == []
    assert (outbox.backlog().waiting, outbox.backlog().given_up) == (2, 0)  # the digest, and what stands behind it
    outbox.record([Outcome(digest, 7, "503", 50)])
    assert outbox.claim("hook", 8, 10, LEASE) == []
    (again,) = outbox.claim("hook", 50, 10, LEASE)
    assert (again.message, again.payload, again.attempts) == (digest.message, digest.payload, 1)
    outbox.record([Outcome(again, 51)])
    assert drained(outbox, "hook", 52) == ["a 2"]
    assert outbox.backlog().waiting == 0


def test_a_digest_that_is_given_up_ends_what_it_stands_for_and_comes_back_with_it(keeper: AlertKeeper) -> None:
    store, outbox, now = keeper.store(), keeper.outbox(), time.time_ns()
    queue(store, "a", "b")
    outbox.join("hook", now, FOREVER, render)
    worsen(store, "a", 9)
    (digest,) = outbox.claim("hook", now, 10, LEASE)
    outbox.record([Outcome(digest, now, "410")])
    assert outbox.backlog().dead == {"hook": 1}
    assert drained(outbox, "hook", now + 1) == ["a 1"]
    assert outbox.redrive(now, now + 2, alert=alert(stream="b").id) == {"hook": 1}
    (again,) = outbox.claim("hook", now + 3, 10, LEASE)
    assert (again.message, again.attempts) == (digest.message, 0)
    outbox.record([Outcome(again, now + 4)])
    assert outbox.backlog().waiting == outbox.backlog().given_up == 0
    assert drained(outbox, "hook", FOREVER - LEASE - 1) == []


def test_any_number_of_digests_comes_back(keeper: AlertKeeper) -> None:
    """More than a query has parameters."""
    outbox = keeper.outbox()
    queue(keeper.store(), "a", "b")
    outbox.join("hook", 1, FOREVER, render)
    (digest,) = outbox.claim("hook", 2, 10, LEASE)
    outbox.record([Outcome(digest, 3, "410")])
    if isinstance(keeper, SqlKeeper):
        waiting = select(schema.outbox.c.id).where(schema.outbox.c.gave_up_at.is_(None))
        with keeper.database.writing() as connection:
            digests.reopen(connection, list(range(300_000)))
            assert len(connection.execute(waiting).all()) == 2  # those that were joined


@pytest.mark.parametrize("kept_out", ["leased", "later", "tried", "one alone"])
def test_what_is_in_flight_or_not_due_is_in_no_digest(keeper: AlertKeeper, kept_out: str) -> None:
    outbox = keeper.outbox()
    queue(keeper.store(), "a", per_alert=3)
    if kept_out == "one alone":
        assert outbox.join("hook", 1, FOREVER, render) == 3
        assert outbox.join("hook", 1, FOREVER, render) == 0
        return
    (head,) = outbox.claim("hook", 1, 1, LEASE)
    if kept_out == "later":
        outbox.record([Outcome(head, 1, "503", 1000)])
    if kept_out == "tried":  # the receiver may have taken it: a repeat keeps its id
        outbox.record([Outcome(head, 1, "timed out", 2)])
    queue(keeper.store(), "b", "c")
    assert outbox.join("hook", 2, FOREVER, render) == 2
    singly = [] if kept_out != "tried" else ["a 0", "a 1", "a 2"]
    assert sorted(drained(outbox, "hook", 3)) == ['["b 0", "c 0"]', *singly]


def test_what_was_written_later_and_other_channels_are_in_no_digest(keeper: AlertKeeper) -> None:
    store, outbox = keeper.store(), keeper.outbox()
    queue(store, "a", "b", channels=("hook", "other"))
    before = time.time_ns() + 1
    while time.time_ns() <= before:
        time.sleep(0.001)
    worsen(store, "a", 9, ("hook", "other"))
    queue(store, "c")
    assert outbox.join("hook", before + 1, before, render) == 2
    assert drained(outbox, "hook", before + 2) == ["c 0", '["a 0", "b 0"]', "a 1"]
    assert sorted(drained(outbox, "other", before + 2)) == ["a 0", "a 1", "b 0"]


def test_waking_a_channel_leaves_what_waits_for_its_digest(keeper: AlertKeeper) -> None:
    outbox = keeper.outbox()
    queue(keeper.store(), "a", "b")
    outbox.join("hook", 1, FOREVER, render)
    outbox.wake("hook", LEASE)
    assert drained(outbox, "hook", 2) == ['["a 0", "b 0"]']


def test_urgent_is_what_is_critical_with_what_stands_before_it(keeper: AlertKeeper) -> None:
    store, outbox = keeper.store(), keeper.outbox()
    queue(store, "a", "b")
    worsen(store, "b", 9)
    assert payloads(outbox.claim("hook", 1, 10, LEASE, urgent=True)) == ["b 0"]
    assert outbox.claim("hook", 1, 10, LEASE, urgent=True) == []
    assert payloads(outbox.claim("hook", 1, 10, LEASE)) == ["a 0"]


def test_a_digest_of_critical_alerts_is_urgent(keeper: AlertKeeper) -> None:
    store, outbox = keeper.store(), keeper.outbox()
    queue(store, "a", "b")
    assert outbox.join("hook", 1, FOREVER, render, urgent=True) == 0
    worsen(store, "b", 9)
    assert outbox.join("hook", 1, FOREVER, render, urgent=True) == 2
    assert payloads(outbox.claim("hook", 2, 10, LEASE, urgent=True)) == ['["b 0", "b 1"]']


def test_what_is_given_up_goes_to_the_fallback_once_and_never_in_circles(keeper: AlertKeeper) -> None:
    outbox = keeper.outbox()
    queue(keeper.store(), "a")
    (first,) = outbox.claim("hook", 1, 10, LEASE)
    outbox.record([Outcome(first, 2, "410", None, "mail")])
    (copy,) = outbox.claim("mail", 3, 10, LEASE)
    assert (copy.message, copy.transition, copy.payload) == (first.message, first.transition, "a 0")
    outbox.record([Outcome(copy, 4, "410", None, "hook")])
    assert outbox.claim("hook", 5, 10, LEASE) == outbox.claim("mail", 5, 10, LEASE) == []
    assert outbox.backlog().dead == {"hook": 1, "mail": 1}


def test_a_copy_says_for_which_channel_it_stands_in(keeper: AlertKeeper) -> None:
    outbox = keeper.outbox()
    of = alert(stream="a")
    keeper.store().commit(Commit(run="live", facts=[fact(of)], announce=lambda *_: [('h"k', '{"type": "alert"}')]))
    outbox.divert('h"k', "mail", 3)
    (copy,) = outbox.claim("mail", 4, 10, LEASE)
    assert json.loads(copy.payload) == {"fallback_for": 'h"k', "type": "alert"}


def test_what_waits_for_a_broken_channel_is_copied_once_and_in_order(keeper: AlertKeeper) -> None:
    store, outbox = keeper.store(), keeper.outbox()
    queue(store, "a", per_alert=3)
    queue(store, "b", channels=("hook", "mail"))
    (head, _) = outbox.claim("hook", 1, 10, LEASE)
    outbox.record([Outcome(head, 2, "503", 1000)])
    assert outbox.divert("hook", "mail", 3) == 4
    assert outbox.divert("hook", "mail", 4) == 0
    assert sorted(drained(outbox, "mail", 5)) == ["a 0", "a 1", "a 2", "b 0"]
    worsen(store, "a", 9)
    assert outbox.divert("hook", "mail", 6) == 1
    assert drained(outbox, "mail", 7) == ["a 3"]
    assert outbox.backlog().queues["hook"].waiting == 5  # they are delivered there too, once it answers


def test_a_digest_goes_to_the_fallback_as_one_message_and_once(keeper: AlertKeeper) -> None:
    outbox = keeper.outbox()
    queue(keeper.store(), "a", "b")
    outbox.join("hook", 1, FOREVER, render)
    assert outbox.divert("hook", "mail", 2) == 1
    assert outbox.divert("mail", "hook", 3) == 1
    assert drained(outbox, "mail", 4) == drained(outbox, "hook", 4) == ['["a 0", "b 0"]']


def test_what_is_too_old_goes_to_the_fallback(keeper: AlertKeeper) -> None:
    outbox = keeper.outbox()
    queue(keeper.store(), "a", "b", channels=("hook", "other"))
    now = time.time_ns() + 1
    assert outbox.expire(now, now, "too old", 100, {"hook": "mail"}) == {"hook": 2, "other": 2}
    assert sorted(drained(outbox, "mail", now)) == ["a 0", "b 0"]


def test_a_digest_that_is_too_old_ends_with_what_it_stands_for(keeper: AlertKeeper) -> None:
    store, outbox = keeper.store(), keeper.outbox()
    queue(store, "a", "b")
    now = time.time_ns() + SECOND
    outbox.join("hook", now, FOREVER, render)
    worsen(store, "a", 9)
    assert outbox.expire(now + 1, now + 1, "too old", 2) == {"hook": 2}
    assert outbox.expire(now + 1, now + 1, "too old", 2) == {}
    assert outbox.claim("hook", now + 2, 10, LEASE) == []
    assert outbox.backlog().dead == {"hook": 2}


def test_what_was_given_up_is_made_due_again_with_its_id(keeper: AlertKeeper) -> None:
    outbox = keeper.outbox()
    queue(keeper.store(), "a", "b", "c", channels=("hook", "other"))
    hook, other = (outbox.claim(channel, 1, 10, LEASE) for channel in ("hook", "other"))
    outbox.record([Outcome(each, 100 * SECOND, "410") for each in (*hook[:2], *other[:2])])
    outbox.record([Outcome(hook[2], 100 * SECOND), Outcome(other[2], 1, "410")])

    assert outbox.redrive(101 * SECOND, 200 * SECOND) == {}
    assert outbox.redrive(2, 200 * SECOND, "hook", hook[1].alert) == {"hook": 1}
    (again,) = outbox.claim("hook", 201 * SECOND, 10, LEASE)
    assert (again.id, again.message, again.attempts) == (hook[1].id, hook[1].message, 0)
    assert outbox.redrive(2, 200 * SECOND) == {"hook": 1, "other": 2}
    assert outbox.redrive(0, 200 * SECOND, "nobody's") == {}
    assert outbox.backlog().dead == {"other": 1}


def test_what_was_made_due_again_is_not_too_old_at_once(keeper: AlertKeeper) -> None:
    outbox = keeper.outbox()
    queue(keeper.store(), "a")
    now = time.time_ns() + 1
    outbox.expire(now, now, "too old", 10)
    assert outbox.redrive(0, now + 10) == {"hook": 1}
    assert outbox.expire(now + 5, now + 20, "too old", 10) == {}
    assert outbox.expire(now + 15, now + 20, "too old", 10) == {"hook": 1}


def test_what_a_filter_keeps_back_is_no_row_and_is_noted(keeper: AlertKeeper) -> None:
    change = fact(alert(stream="a"))
    announce = lambda *_: [("hook", None), ("mail", "text"), ("log", None)]  # noqa: E731
    keeper.store().commit(Commit(run="live", facts=[change], announce=announce))
    assert keeper.outbox().backlog().queues.keys() == {"mail"}
    assert keeper.filtered() == {(change.id, "hook"), (change.id, "log")}
