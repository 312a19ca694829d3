"""Where a score lies among those of seven days, and messages that say so: in SQL and by the in-memory twin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from monitor.config.channels import Channel
from monitor.errors import StoreError
from monitor.notify import ranking
from monitor.notify.announcement import announcement
from monitor.notify.dispatcher import Dispatcher
from monitor.notify.ranking import Ranking
from monitor.ports.notifier import Outcome
from monitor.ports.score_ranks import Scored, ScoreRanks
from monitor.ports.store import Commit
from monitor.records.alerts import Delivery, FactKind
from monitor.store import score_ranks
from monitor.store.memory_score_ranks import MemoryScoreRanks
from monitor.store.score_ranks import SqlScoreRanks
from monitor.testing.in_memory import ListNotifier
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper
from tests.contract.test_outboxes import LEASE, keeper
from tests.store_rows import SECOND, alert, block, evidence, fact, scores
from tests.unit.notify.test_alert_message_schema import VALIDATOR

__all__ = ["keeper"]
HOUR = 3600 * SECOND
AT = 1_700_000_000 * SECOND
BEGIN = AT - 7 * 24 * HOUR
OPENED = replace(alert(opened_at=AT + 10 * SECOND), started_at=AT)


def ranks_of(keeper: AlertKeeper) -> ScoreRanks:
    if isinstance(keeper, SqlKeeper):
        return SqlScoreRanks(keeper.database)
    assert isinstance(keeper, MemoryKeeper)
    return MemoryScoreRanks(keeper.shared)


def score(keeper: AlertKeeper, *rows: tuple[int, float], stream: str = "m-1") -> None:
    """Scores of a stream by the end of their windows; NaN where it was not judged."""
    store = keeper.store()
    ends, values = zip(*rows, strict=True)
    kept = replace(scores(ends), score=np.array(values, np.float32))
    id_ = store.open_streams("live", "machines", [stream])[0].id
    store.commit(Commit("live", scores=[block(id_, kept)]))


def percentile(keeper: AlertKeeper, value: float = 5.0) -> float | None:
    (found,) = ranks_of(keeper).percentiles([Scored("live", "machines", "m-1", AT, value)])
    return found


def test_it_counts_what_is_lower_within_seven_days(keeper: AlertKeeper) -> None:
    score(keeper, (BEGIN - SECOND, 1), (BEGIN, 1), (AT - 3, 5), (AT - 2, np.nan), (AT - 1, 2), (AT, 9), (AT + 1, 1))
    score(keeper, (AT - 5, 1), stream="m-2")
    assert percentile(keeper) == 50.0
    assert percentile(keeper, 100) == 100.0
    assert percentile(keeper, 0.5) == 0.0


def test_it_is_not_said_of_a_stream_that_is_not_known_or_too_young(keeper: AlertKeeper) -> None:
    assert percentile(keeper) is None
    score(keeper, (BEGIN + HOUR + 1, 1), (AT - 1, 2))
    assert percentile(keeper) is None
    score(keeper, (BEGIN + HOUR, 1))
    assert percentile(keeper) == 100.0


def test_the_scores_that_are_read_are_bounded(keeper: AlertKeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_ranks, "MOST", 3)
    score(keeper, (BEGIN, 1), (AT - 2, 1), (AT - 1, 1))
    assert percentile(keeper) == 100.0
    score(keeper, (AT, 1))
    assert percentile(keeper) is None


def announced(keeper: AlertKeeper, *streams: str, kind: FactKind = FactKind.OPENED) -> None:
    commit = Commit("live", announce=announcement({"hook": Channel()}))
    for stream in streams:
        of = replace(alert(stream=stream, opened_at=OPENED.opened_at), started_at=AT)
        commit.facts.append(fact(of, kind))
        commit.evidence.append(replace(evidence(of), facts={"score": 5.0, "limit": 2.0}))
    keeper.store().commit(commit)


def completed(keeper: AlertKeeper, ranks: ScoreRanks, now: int) -> list[Delivery]:
    outbox = keeper.outbox()
    return Ranking(ranks).complete(outbox.claim("hook", now, 100, LEASE))


def data(delivery: Delivery) -> dict[str, object]:
    message = json.loads(delivery.payload)
    VALIDATOR.validate(message)
    found: dict[str, object] = message["data"]
    return found


def test_a_message_says_it_and_says_the_same_in_every_repeat(keeper: AlertKeeper) -> None:
    """Also where the first dispatcher is killed between its post and the record, and scores come late."""
    score(keeper, (BEGIN, 1), (AT - 1, 7))
    announced(keeper, "m-1")
    (first,) = completed(keeper, ranks_of(keeper), 1)
    assert data(first)["percentile_7d"] == 50.0
    score(keeper, (AT - 2, 1))
    (again,) = completed(keeper, ranks_of(keeper), LEASE + 2)
    assert (again.payload, again.message) == (first.payload, first.message)


class Failing:
    """The look-up fails, and the message can be kept."""

    def __init__(self, keeper: AlertKeeper) -> None:
        self.reword = ranks_of(keeper).reword

    def percentiles(self, asked: Sequence[Scored]) -> list[float | None]:
        raise StoreError("away", transient=True)


def test_where_the_look_up_fails_the_message_is_sent_without_and_stays_so(keeper: AlertKeeper) -> None:
    score(keeper, (BEGIN, 1))
    announced(keeper, "m-1")
    (first,) = completed(keeper, Failing(keeper), 1)
    assert data(first)["percentile_7d"] is None
    (again,) = completed(keeper, ranks_of(keeper), LEASE + 2)
    assert again.payload == first.payload


def test_in_a_flood_only_some_are_looked_up(keeper: AlertKeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "AT_ONCE", 2)
    for stream in "abc":
        score(keeper, (BEGIN, 1), stream=stream)
    announced(keeper, *"abc")
    said = [data(each)["percentile_7d"] for each in completed(keeper, ranks_of(keeper), 1)]
    assert said == [100.0, 100.0, None]


def test_messages_that_were_tried_or_say_no_score_are_left_as_they_are(keeper: AlertKeeper) -> None:
    outbox = keeper.outbox()
    announced(keeper, "a")
    (tried,) = outbox.claim("hook", 1, 10, LEASE)
    outbox.record([Outcome(tried, 2, "503", 3)])
    commit = Commit("live", announce=announcement({"hook": Channel()}), facts=[fact(alert(stream="b"))])
    keeper.store().commit(commit)
    for each in completed(keeper, ranks_of(keeper), 4):
        assert "percentile_7d" not in data(each)


def test_a_dispatcher_sends_it(keeper: AlertKeeper) -> None:
    score(keeper, (BEGIN, 1))
    announced(keeper, "m-1")
    outbox, hook = keeper.outbox(), ListNotifier()
    dispatcher = Dispatcher(outbox, {"hook": hook}, clock=lambda: 1)
    dispatcher.complete_with(Ranking(ranks_of(keeper)).complete)
    assert dispatcher.run_once(1) == 1
    assert data(hook.received[0])["percentile_7d"] == 100.0
