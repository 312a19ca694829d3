"""Commits in flight, and who takes their offsets."""

from __future__ import annotations

from monitor.ports.store import Commit, Position
from monitor.records.totals import Totals
from monitor.store.memory import MemoryStore
from monitor.worker.committer import Committer

PLACE = ("topic", 0)


def test_offsets_of_a_commit_that_another_call_waited_for_are_still_to_be_taken() -> None:
    """No other commit need follow: who waits for the group's offsets would wait for ever."""
    store = MemoryStore()
    position: Position = store.take("live", [PLACE])[PLACE]
    committer = Committer(store, lambda: False)
    committer.start(Commit("live", positions={PLACE: (position.epoch, 7)}), Totals(records=7))
    committer.call(lambda: None, lambda _: True)

    assert not committer.busy
    assert committer.finished
    assert committer.take_durable() == {PLACE: 7}
    assert not committer.finished
