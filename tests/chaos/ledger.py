"""The check of every chaos test: nothing lost, nothing twice, and every number as if the run had been undisturbed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from confluent_kafka import Consumer, TopicPartition
from sqlalchemy import Connection, create_engine, text

from monitor import bootstrap
from monitor.alerts.lifecycle import merge
from monitor.config.settings import Settings
from monitor.pipeline.alerting.health_alerts import UNREADABLE
from monitor.records.alerts import Alert, Command, CommandKind, Evidence, Transition
from monitor.records.batches import LIVE, Poll
from monitor.records.counters import READINGS
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Records
from monitor.training.profile_files import load_profiles
from monitor.worker.unreadable import UnreadableRecords
from tests.chaos.plant import Plant, Record

Bits = tuple[int, ...]
Sent = tuple[bytes, bytes, int]  # key, value, and Kafka's timestamp in ms


@dataclass
class Facts:
    """What a run left behind, or should have; every float as its bits."""

    counters: dict[str, dict[str, int]] = field(default_factory=dict)  # by stream and fate
    dead: Counter[tuple[int, int]] = field(default_factory=Counter)  # (partition, offset)
    scores: dict[tuple[str, int], Bits] = field(default_factory=dict)  # by stream and end of the window
    alerts: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    transitions: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    outbox: Counter[str] = field(default_factory=Counter)  # rows per transition
    evidence: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)  # of people: why each was refused, "" = carried out


def check(plant: Plant, settings: Settings, model: Path, given: Mapping[UUID, str]) -> Facts:
    """Compare what SQL holds with what was sent; returns what was found.

    `given` are the commands that people gave, and the answers they got.
    """
    url = settings.store.url
    log = read_log(plant.servers, plant.topic, plant.ends)
    for partition, kept in log.items():
        sent = [record for record in plant.sent if record.partition == partition]
        assert [record[:2] for record in kept] == [(record.key, record.value) for record in sent], (
            "the producer is to blame"
        )
    found, wanted = in_sql(url), undisturbed(log, settings, model, commands_in_sql(url))
    _every_record_once(plant.sent, found)
    assert found.counters == wanted.counters
    assert found.dead == wanted.dead
    _equal(found.scores, wanted.scores, "scores")
    _equal(found.alerts, wanted.alerts, "alerts")
    _equal(found.transitions, wanted.transitions, "transitions")
    _equal(found.evidence, wanted.evidence, "evidence")
    _equal(found.commands, {id_.hex: refused for id_, refused in given.items()}, "answers to people")
    assert found.commands == wanted.commands
    done = {id_ for id_, refused in found.commands.items() if not refused}
    assert done == {id_ for id_, row in found.transitions.items() if row[-2] != "monitor"}
    assert found.outbox == Counter(dict.fromkeys(wanted.transitions, 1))
    _moves_are_contiguous(url, plant.ends)
    return found


def read_log(servers: str, topic: str, ends: dict[int, int]) -> dict[int, list[Sent]]:
    """Every record in the topic, by partition."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "ledger", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    log: dict[int, list[Sent]] = {partition: [] for partition in ends}
    deadline = time.monotonic() + 120
    while any(len(log[partition]) < end for partition, end in ends.items()):
        assert time.monotonic() < deadline, {partition: len(kept) for partition, kept in log.items()}
        for message in consumer.consume(10_000, 1.0):
            assert message.error() is None, message.error()
            sent = (message.key() or b"", message.value() or b"", message.timestamp()[1])
            log[int(message.partition() or 0)].append(sent)
    low_high = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30) for p in ends}
    consumer.close()
    assert low_high == {partition: (0, end) for partition, end in ends.items()}
    return log


def undisturbed(log: dict[int, list[Sent]], settings: Settings, model: Path, commands: Sequence[Command]) -> Facts:
    """What one pipeline makes of the same records, in one batch, and of the commands at their event times."""
    index = StreamIndex()
    (topic, (_, decoder)), *_ = bootstrap.decoders(settings, {"plant": index}).items()
    pipeline = bootstrap.pipeline("plant", settings.families["plant"], index=index)
    kept = [(p, offset, *record) for p, records in log.items() for offset, record in enumerate(records)]
    partition, offset, keys, values, stamps = map(list, zip(*kept, strict=True))
    columns = (np.array(partition, np.int32), np.array(offset, np.int64))
    readings, dead = decoder.decode(Records(topic, keys, values, *columns, lambda: stamps))
    pipeline.adopt(model.name, bootstrap.load_detector(model / "detector"), load_profiles(model))
    outcome = pipeline.process(readings, time.time_ns())
    facts = Facts(dead=Counter((letter.partition, letter.offset) for letter in dead))
    codes = np.array(list(index.codes.values()), np.int32)
    totals = pipeline.counters(codes)
    for i, name in enumerate(index.codes):
        facts.counters[name] = dict(zip(READINGS, totals[i].tolist(), strict=False))
    s = outcome.scores
    for i in range(len(s)):
        numbers = (s.score[i], s.limit[i], s.ratio[i], s.imputed[i])
        facts.scores[index.name(int(s.stream[i])), int(s.end[i])] = (int(s.start[i]), int(s.state[i]), *_bits(numbers))
    facts.evidence = {item.alert.hex: _evidence(item) for item in outcome.evidence}
    poll = Poll({"plant": readings}, dead, {(topic, number): len(records) for number, records in log.items()})
    reported = outcome.facts + UnreadableRecords(LIVE, {"plant": pipeline}).judge(poll, time.time_ns())
    assert any(fact.alert_kind == UNREADABLE for fact in reported)
    for id_ in dict.fromkeys(fact.alert for fact in reported):
        about = [fact for fact in reported if fact.alert == id_]
        merged = merge(None, about, [command for command in commands if command.alert == id_])
        facts.alerts[id_.hex] = _alert(merged.alert)
        facts.transitions |= {change.id.hex: _transition(change) for change, _ in merged.changes}
        facts.commands |= {command.id.hex: refused for command, refused in merged.commands}
    return facts


def commands_in_sql(url: str) -> list[Command]:
    """What people asked for, with its event time, in the order in which it took effect."""
    engine = create_engine(url)
    with engine.connect() as connection:
        columns = 'id, alert, kind, "by", "at", effective, note'
        rows = _rows(connection, f"SELECT {columns} FROM commands ORDER BY position")
    engine.dispose()
    return [
        Command(
            id=UUID(_hex(row[0])), alert=UUID(_hex(row[1])), kind=CommandKind(row[2]), by=row[3], at=row[4],
            effective=row[5], note=row[6],
        )
        for row in rows
    ]  # fmt: skip


def in_sql(url: str) -> Facts:
    """What the tables hold."""
    facts = Facts()
    engine = create_engine(url)
    with engine.connect() as connection:
        for row in _rows(connection, f"SELECT name, {', '.join(READINGS)} FROM streams"):
            facts.counters[row[0]] = dict(zip(READINGS, row[1:], strict=True))
        facts.dead.update(
            (row[0], row[1]) for row in _rows(connection, 'SELECT "partition", "offset" FROM dead_letters')
        )
        columns = 'name, end_ns, start_ns, scores.state, score, "limit", ratio, scores.imputed'
        for row in _rows(connection, f"SELECT {columns} FROM scores JOIN streams ON streams.id = stream_id"):
            facts.scores[row[0], row[1]] = (row[2], row[3], *_bits(row[4:]))
        columns = "id, run, family, stream, kind, channel, state, severity, opened_at, started_at, last_at, resolved_at"
        columns += ", peak_ratio, peak_at, windows, cause, acknowledged_at, coalesce(acknowledged_by, '')"
        columns += ", coalesce(note, '')"
        for row in _rows(connection, f"SELECT {columns} FROM alerts"):
            facts.alerts[_hex(row[0])] = tuple(row[1:])
        columns = 'id, alert, number, cause, "at", state, severity, ratio, actor, note'
        for row in _rows(connection, f"SELECT {columns} FROM transitions"):
            facts.transitions[_hex(row[0])] = (_hex(row[1]), *row[2:])
        for row in _rows(connection, "SELECT id, coalesce(refused, '') FROM commands"):
            facts.commands[_hex(row[0])] = row[1]
        facts.outbox.update(_hex(row[0]) for row in _rows(connection, "SELECT transition FROM outbox"))
        columns = "alert, start_ns, end_ns, readings, reconstruction, contribution"
        for row in _rows(connection, f"SELECT {columns} FROM evidence"):
            facts.evidence[_hex(row[0])] = (row[1], row[2], *map(bytes, row[3:]))
    engine.dispose()
    return facts


def keep_moves(url: str) -> None:
    """Make the database keep every move of a partition's offset, in the order of the commits."""
    engine = create_engine(url)
    columns = "partition_ INTEGER, epoch_ BIGINT, before_ BIGINT, after_ BIGINT, at_ DOUBLE PRECISION"
    row = 'INSERT INTO moves (partition_, epoch_, before_, after_, at_) VALUES (NEW."partition", NEW.epoch, '
    row += "OLD.next_offset, NEW.next_offset, "
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            clock = "(julianday('now') - 2440587.5) * 86400.0"
            connection.execute(text(f"CREATE TABLE moves (id INTEGER PRIMARY KEY, {columns})"))
            when = "AFTER UPDATE ON positions WHEN OLD.next_offset IS NOT NEW.next_offset"
            connection.execute(text(f"CREATE TRIGGER moved {when} BEGIN {row} {clock}); END"))
        else:
            clock = "extract(epoch FROM clock_timestamp())"
            connection.execute(text(f"CREATE TABLE moves (id BIGSERIAL PRIMARY KEY, {columns})"))
            body = f"BEGIN {row} {clock}); RETURN NULL; END"
            connection.execute(text(f"CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
            when = "AFTER UPDATE ON positions FOR EACH ROW WHEN (OLD.next_offset IS DISTINCT FROM NEW.next_offset)"
            connection.execute(text(f"CREATE TRIGGER moved {when} EXECUTE FUNCTION moved()"))
    engine.dispose()


@dataclass(frozen=True, slots=True)
class Move:
    """One commit moved a partition from `before` to `after`; `at` in seconds."""

    epoch: int
    before: int
    after: int
    at: float


def moves(url: str) -> dict[int, list[Move]]:
    """Every move of every partition, in order."""
    engine = create_engine(url)
    found: defaultdict[int, list[Move]] = defaultdict(list)
    with engine.connect() as connection:
        query = "SELECT partition_, epoch_, before_, after_, at_ FROM moves ORDER BY id"
        for partition, epoch, before, after, at in _rows(connection, query):
            found[partition].append(Move(epoch, before or 0, after, at))
    engine.dispose()
    return dict(found)


def _every_record_once(sent: Sequence[Record], found: Facts) -> None:
    """Each record was accepted, late, duplicate, future or dead, as the plant meant it; windows follow from that."""
    fates: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in sent:
        fates[record.key.decode()][record.fate] += 1
    dead = sum(found.dead.values())
    assert sum(sum(counts.values()) for counts in found.counters.values()) + dead == len(sent)
    assert dead == sum(counts["dead"] for counts in fates.values())
    assert found.counters == {name: {fate: counts[fate] for fate in READINGS} for name, counts in fates.items()}
    windows = Counter(name for name, _ in found.scores)
    assert windows == {name: counts["accepted"] - 15 for name, counts in fates.items()}  # length 16, no reading waits


def _moves_are_contiguous(url: str, ends: dict[int, int]) -> None:
    found = moves(url)
    assert {partition: kept[-1].after for partition, kept in found.items()} == ends
    for kept in found.values():
        assert kept[0].before == 0
        for earlier, later in pairwise(kept):
            assert later.before == earlier.after < later.after
            assert later.epoch >= earlier.epoch


def _equal(found: dict[Any, Any], wanted: dict[Any, Any], what: str) -> None:
    """As `assert found == wanted`, without printing a hundred thousand rows."""
    missing, extra = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    assert not missing, f"{len(missing)} {what} are missing, for example {sorted(missing)[:3]}"
    assert not extra, f"{len(extra)} {what} too many, for example {sorted(extra)[:3]}"
    differ = [key for key in wanted if found[key] != wanted[key]]
    assert not differ, f"{len(differ)} {what} differ: {[(k, found[k], wanted[k]) for k in sorted(differ)[:3]]}"


def _rows(connection: Connection, query: str) -> Iterable[Any]:
    return connection.execute(text(query)).all()


def _bits(numbers: Iterable[float | None]) -> Bits:
    return tuple(np.float32(np.nan if number is None else number).view(np.uint32).item() for number in numbers)


def _hex(value: object) -> str:
    return str(value).replace("-", "")  # SQLite keeps ids as hex digits


def _alert(a: Alert) -> tuple[Any, ...]:
    return (
        a.run, a.family, a.stream, a.kind, a.channel, a.state.value, a.severity.value, a.opened_at, a.started_at,
        a.last_at, a.resolved_at, a.peak_ratio, a.peak_at, a.windows, a.cause, a.acknowledged_at, a.acknowledged_by,
        a.note,
    )  # fmt: skip


def _transition(t: Transition) -> tuple[Any, ...]:
    ratio = None if np.isnan(t.ratio) else t.ratio
    return (t.alert.hex, t.number, t.cause.value, t.at, t.state.value, t.severity.value, ratio, t.actor, t.note)


def _evidence(e: Evidence) -> tuple[Any, ...]:
    parts = (e.values, e.reconstruction, e.contribution)
    return (e.start, e.end, *(None if part is None else part.astype("<f4").tobytes() for part in parts))
