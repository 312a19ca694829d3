"""A channel's stand-in gets what follows of alerts of which it got the beginning: in SQL and by the in-memory twin."""

from __future__ import annotations

import pytest

from monitor.ports.notifier import Outbox, Outcome
from monitor.records.alerts import Delivery
from monitor.store.outbox import SqlOutbox
from tests.alert_keepers import AlertKeeper
from tests.contract.test_outbox_rules import FOREVER, drained, render, worsen
from tests.contract.test_outboxes import LEASE, keeper, queue
from tests.plans import plans

__all__ = ["keeper"]


def fail(outbox: Outbox) -> None:
    """What is due is given up, and the fallback takes it."""
    (head,) = outbox.claim("hook", 1, 10, LEASE)
    outbox.record([Outcome(head, 2, "410", None, "mail")])
    (copy,) = outbox.claim("mail", 3, 10, LEASE)
    outbox.record([Outcome(copy, 4)])


def deliver(outbox: Outbox, now: int) -> list[Delivery]:
    """Everything of the channel with a fallback arrives, and is recorded."""
    found = []
    while taken := outbox.claim("hook", now, 1, LEASE):
        found += taken
        outbox.record([Outcome(each, now, fallback="mail") for each in taken])
    return found


def test_a_fallback_that_got_the_beginning_of_an_alert_gets_its_end_too(keeper: AlertKeeper) -> None:
    store, outbox = keeper.store(), keeper.outbox()
    queue(store, "a")
    fail(outbox)
    queue(store, "b")
    worsen(store, "a", 8)
    worsen(store, "a", 9)
    arrived = {each.payload: each.message for each in deliver(outbox, 5)}
    assert arrived.keys() == {"a 1", "a 2", "b 0"}

    first, second = (outbox.claim("mail", now, 1, LEASE)[0] for now in (6, 6 + LEASE))
    assert (first.payload, first.message, second.id) == ("a 1", arrived["a 1"], first.id)  # in order, by its id
    outbox.record([Outcome(second, 7 + LEASE)])
    assert drained(outbox, "mail", 8 + LEASE) == ["a 2"]  # and nothing of the alert that it knows nothing of
    assert outbox.divert("hook", "mail", 9 + LEASE) == 0


def test_what_a_fallback_gets_later_is_what_it_has_not_already(keeper: AlertKeeper) -> None:
    store, outbox = keeper.store(), keeper.outbox()
    queue(store, "a")
    fail(outbox)
    worsen(store, "a", 9, ("hook", "mail"))
    deliver(outbox, 5)
    assert drained(outbox, "mail", 6) == ["a 1"]


@pytest.mark.parametrize("joined", ["beginning", "end"])
def test_a_fallback_gets_the_end_of_what_began_or_ends_in_a_digest(keeper: AlertKeeper, joined: str) -> None:
    store, outbox = keeper.store(), keeper.outbox()
    queue(store, "a")
    if joined == "beginning":
        queue(store, "b")
        outbox.join("hook", 1, FOREVER, render)
    fail(outbox)
    worsen(store, "a", 9)
    if joined == "end":
        queue(store, "b")
        assert outbox.join("hook", 5, FOREVER, render) == 2
    deliver(outbox, 6)
    assert drained(outbox, "mail", 7) == ["a 1"]


def test_what_a_fallback_knows_is_found_by_index(keeper: AlertKeeper) -> None:
    outbox = keeper.outbox()
    queue(keeper.store(), *(f"m-{number}" for number in range(50)))
    first, *others = outbox.claim("hook", 1, 50, LEASE)
    outbox.record([Outcome(each, 2, "410", None, "mail") for each in others])
    if isinstance(outbox, SqlOutbox):
        found = plans(outbox._database, lambda: outbox.record([Outcome(first, 3, fallback="mail")]))
        assert len([plan for plan in found if "ix_outbox_diverted" in plan]) == 2
        assert [plan for plan in found if "SCAN outbox" in plan.splitlines() or "Seq Scan" in plan] == []
