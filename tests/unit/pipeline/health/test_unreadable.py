"""Records that cannot be read: when a share of them is an alert, of which stream, and since when."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.health.unreadable import FAMILY, MOST_STREAMS, Partition
from monitor.records.alerts import Fact, FactKind
from monitor.records.batches import DeadLetter, Readings

Record = tuple[str, bool]  # stream ("" = it has no key), and whether it can be read
SECOND = 10**9


class Feed:
    """Records of one partition, given to a `Partition` in batches; offset `n` was sent at `n` seconds."""

    def __init__(self) -> None:
        self.partition, self.names = Partition(), dict[str, int]()
        self.facts: list[Fact] = []
        self._next = 0

    def send(self, records: Sequence[Record], *, restart: bool = False) -> list[Fact]:
        """One batch; returns its facts."""
        if restart:
            self.partition = Partition.of(json.loads(json.dumps(self.partition.dump())))
        offsets = range(self._next, self._next + len(records))
        self._next += len(records)
        rows = list(zip(offsets, records, strict=True))
        good = [(offset, self.names.setdefault(name, len(self.names))) for offset, (name, fine) in rows if fine]
        offset = np.array([at for at, _ in good], np.int64)
        stream = np.array([code for _, code in good], np.int32)
        values, partition = np.zeros((len(good), 1), np.float32), np.full(len(good), 3, np.int32)
        dead = [letter(at, name) for at, (name, fine) in rows if not fine]
        found = HealthFacts("live", "machines")
        self.partition.step(Readings(stream, offset * SECOND, values, partition, offset), dead, self.names, found)
        self.facts += found.facts
        return found.facts


def letter(offset: int, stream: str = "") -> DeadLetter:
    error = f"no field value in {offset}"
    return DeadLetter(
        topic="t", partition=3, offset=offset, reason="missing-value", error=error, stream=stream, time=offset * SECOND
    )


def lives(facts: Sequence[Fact]) -> list[tuple[str, str, int]]:
    """Transitions: stream, kind, second."""
    return [(f.stream, str(f.kind), f.at // SECOND) for f in facts if f.kind is not FactKind.CONTINUED]


def final(facts: Sequence[Fact]) -> dict[object, tuple[object, ...]]:
    """What rows in SQL say after these facts, which only rise."""
    newest = {fact.alert: fact for fact in facts}
    return {
        id_: (f.stream, f.opened_at, f.started_at, f.last_at, f.peak_ratio, f.peak_at, f.windows, f.cause)
        for id_, f in newest.items()
    }


def test_a_family_of_which_nothing_can_be_read_is_an_alert_from_the_fourth_record_on() -> None:
    feed = Feed()
    assert lives(feed.send([("", False)] * 3)) == []
    (opened,) = feed.send([("", False)])
    assert (opened.family, opened.stream, opened.alert_kind, opened.kind) == ("machines", "", "unreadable", "opened")
    assert (opened.opened_at, opened.started_at, opened.ratio, opened.windows) == (3 * SECOND, 0, 2.0, 4)
    assert opened.cause == ("4 of the newest 4 records cannot be read: no field value in 3 (partition 3, offset 3)")
    (more,) = feed.send([("", False)] * 50)
    assert (more.kind, more.windows, more.last_at) == (FactKind.CONTINUED, 54, 53 * SECOND)
    assert more.cause.startswith("40 of the newest 40 records cannot be read: no field value in 53")


def test_a_family_recovers_when_less_than_a_quarter_of_the_newest_40_cannot_be_read() -> None:
    feed = Feed()
    feed.send([("", False)] * 60)
    assert feed.send([("m", True)] * 30) == []
    assert lives(feed.send([("m", True)])) == [("", "cleared", 90)]
    assert lives(feed.send([("m", True)] * 40)) == []
    assert feed.partition.settled


def test_one_stream_beside_four_good_ones_is_an_alert_at_its_fourth_record() -> None:
    feed = Feed()
    good = [(name, True) for name in "abcd"]
    feed.send(good * 20)
    for _ in range(3):
        assert feed.send([*good, ("bad", False)]) == []
    (opened,) = feed.send([*good, ("bad", False)])
    assert (opened.stream, opened.alert_kind, opened.ratio) == ("bad", "unreadable", 2 * 4 / 7)
    assert lives(feed.send([*good, ("bad", False)] * 30)) == []
    assert lives(feed.send([*good, ("bad", True)] * 5)) == []
    assert [life[:2] for life in lives(feed.send([*good, ("bad", True)]))] == [("bad", "cleared")]


def test_streams_have_no_alert_while_the_family_has_one() -> None:
    feed = Feed()
    names = [f"m-{number}" for number in range(30)]
    feed.send([(name, True) for name in names] * 3)
    feed.send([(name, False) for name in names] * 4)
    assert [life[:2] for life in lives(feed.facts)] == [("", "opened")]
    mended = [(name, name != "m-7") for name in names]
    feed.send(mended * 4)
    assert [life[:2] for life in lives(feed.facts)] == [("", "opened"), ("", "cleared"), ("m-7", "opened")]


def test_a_tenth_that_cannot_be_read_is_no_alert() -> None:
    feed = Feed()
    feed.send(([("m", True)] * 9 + [("m", False)]) * 50)
    assert feed.facts == []


def test_single_unreadable_records_leave_nothing_behind() -> None:
    feed = Feed()
    settled = []
    for fine, count in ((True, 40), (False, 1), (True, 40)):
        feed.send([("m", fine)] * count)
        settled.append(feed.partition.settled)
    assert settled == [True, False, True]
    assert feed.facts == []


def test_a_message_of_many_readings_is_one_record() -> None:
    partition, found = Partition(), HealthFacts("live", "machines")
    offset = np.repeat(np.arange(4), 1000)
    none = np.zeros(4000, np.int32)
    readings = Readings(none, offset * SECOND, np.zeros((4000, 1), np.float32), none, offset)
    partition.step(readings, [letter(at, "m") for at in range(4, 9)], {"m": 0}, found)
    assert sorted(lives(found.facts)) == [("", "opened", 8), ("m", "opened", 7)]


def test_names_that_come_once_do_not_fill_the_memory_and_hide_no_stream() -> None:
    feed = Feed()
    feed.send([("m", True)] * 40)
    for number in range(3 * MOST_STREAMS):
        feed.send([(f"x{number}", False), ("m", True), ("m", True)])
    assert len(feed.partition.dump()["streams"]) <= MOST_STREAMS
    feed.send([("bad", False), *[("m", True)] * 3] * 4)
    assert [life[:2] for life in lives(feed.facts)] == [("bad", "opened")]


def test_no_more_streams_are_kept_when_all_of_them_have_an_alert() -> None:
    feed = Feed()
    for number in range(MOST_STREAMS + 20):
        feed.send([(f"x{number}", False), ("m", True), ("m", True)] * 4)
    assert len(feed.partition.dump()["streams"]) == MOST_STREAMS
    assert len([life for life in lives(feed.facts) if life[1] == "opened"]) == MOST_STREAMS
    feed.send([("x0", True)] * 7)
    feed.send([("late", False), ("m", True), ("m", True)] * 4)
    assert [life[:2] for life in lives(feed.facts)[-2:]] == [("x0", "cleared"), ("late", "opened")]


STREAMS = st.sampled_from(["", "a", "b"])


@settings(max_examples=150, deadline=None)
@given(
    runs=st.lists(st.tuples(STREAMS, st.booleans(), st.integers(1, 30)), min_size=1, max_size=30),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=20),
)
def test_any_cut_and_any_restart_give_the_same_alerts(runs: list[tuple[str, bool, int]], cuts: list[int]) -> None:
    records = [(name or "c", fine) if fine else (name, fine) for name, fine, count in runs for _ in range(count)]
    whole, pieces = Feed(), Feed()
    whole.send(records)
    rest, turn = records, 0
    while rest:
        size = cuts[turn % len(cuts)]
        pieces.send(rest[:size], restart=turn % 2 == 1)
        rest, turn = rest[size:], turn + 1
    assert lives(sorted(pieces.facts, key=key)) == lives(sorted(whole.facts, key=key))
    assert final(pieces.facts) == final(whole.facts)
    assert pieces.partition.dump() == whole.partition.dump()


def key(fact: Fact) -> tuple[int, str]:
    return fact.at, fact.stream


@settings(max_examples=100, deadline=None)
@given(fine=st.lists(st.booleans(), min_size=1, max_size=150))
def test_more_than_half_is_always_an_alert_and_less_than_a_quarter_never(fine: list[bool]) -> None:
    """The rule, one record after the other."""
    feed = Feed()
    is_open, seen = False, list[bool]()
    for good in fine:
        feed.send([("", False) if not good else ("m", True)])
        seen = [*seen, not good][-FAMILY.newest :]
        if not is_open and not good:
            is_open = sum(seen) >= FAMILY.least and 2 * sum(seen) > len(seen)
        elif is_open and good:
            is_open = 4 * sum(seen) >= len(seen)
        family = [fact for fact in feed.facts if not fact.stream and fact.kind is not FactKind.CONTINUED]
        assert bool(family and family[-1].kind is FactKind.OPENED) is is_open
