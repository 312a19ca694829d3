"""What the outbox reads to take and record messages does not depend on how many wait, nor on statistics."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from monitor.ports.notifier import Outcome
from monitor.store.open import open_database
from monitor.store.outbox import SqlOutbox
from tests import flood
from tests.alert_keepers import AlertKeeper
from tests.contract.test_outbox_rules import render
from tests.contract.test_outboxes import LEASE, keeper, queue
from tests.plans import plans

__all__ = ["keeper"]
ALERTS = 2000


@pytest.mark.parametrize("kind", ["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.postgres)])
def test_rows_are_changed_by_their_primary_key(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """PostgreSQL knows nothing of a table that a flood has just filled; it read all that waits for each message."""
    url = f"sqlite:///{tmp_path}/w.db" if kind == "SQLite" else request.getfixturevalue("postgres_url")
    flood.fill(url, ALERTS, ("hook", "other"))
    database = open_database(url)

    def some_turns() -> None:
        for _ in range(3):
            taken = outbox.claim("hook", now, 20, LEASE)
            outbox.record([Outcome(each, now, None if each.id % 2 else "503", now + 9) for each in taken[:10]])
            outbox.release(taken[10:])

    with closing(SqlOutbox(database)) as outbox:
        now = outbox.backlog().queues["hook"].oldest + 10**9
        found = plans(database, some_turns, "UPDATE outbox")
    assert found
    for plan in found:
        assert re.search(r"pk_outbox|INTEGER PRIMARY KEY", plan), plan
        assert "ix_outbox" not in plan, plan


def test_a_lease_that_has_ended_does_not_take_a_message_out_of_its_digest(keeper: AlertKeeper) -> None:
    outbox = keeper.outbox()
    queue(keeper.store(), "a", "b")
    late = outbox.claim("hook", 1, 10, LEASE)
    assert outbox.join("hook", LEASE + 1, 2**62, render) == 2
    outbox.release(late)
    (only,) = outbox.claim("hook", LEASE + 2, 10, LEASE)
    assert only.message not in {each.message for each in late}
