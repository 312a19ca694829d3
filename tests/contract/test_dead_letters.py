"""Dead letters as people look at them: alike on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.ports.store import Commit
from monitor.records.batches import DeadLetter
from monitor.store.dead_letters import PAGE, Chosen, DeadLetters, open_dead_letters
from monitor.store.migrations import upgrade
from monitor.store.sql import open_store


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path}/s.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    upgrade(found)
    return str(found)


@pytest.fixture
def letters(url: str) -> Iterator[DeadLetters]:
    found = open_dead_letters(url)
    yield found
    found.close()


def letter(offset: int, topic: str = "t", partition: int = 0, stream: str = "m", reason: str = "json") -> DeadLetter:
    return DeadLetter(
        topic=topic, partition=partition, offset=offset, reason=reason, error=f"{reason} at {offset}", stream=stream,
        time=offset, key=b"\x00k", body=b"\xff",
    )  # fmt: skip


def keep(url: str, *dead: DeadLetter, run: str = "live") -> None:
    store = open_store(url)
    store.commit(Commit(run, dead=list(dead)))
    store.close()


def test_kinds_are_counted_and_have_an_example(url: str, letters: DeadLetters) -> None:
    keep(url, letter(1), letter(2), letter(1, partition=1, stream=""), letter(9, "u", reason="utf8"))
    keep(url, letter(3), letter(1), run="past")
    found = letters.summaries(Chosen())
    assert [(each.topic, each.stream, each.reason, each.count) for each in found] == [
        ("t", "m", "json", 2), ("t", "", "json", 1), ("u", "m", "utf8", 1),
    ]  # fmt: skip
    assert (found[2].example, found[2].partition, found[2].offset) == ("utf8 at 9", 0, 9)
    assert letters.summaries(Chosen(run="past", topic="t"))[0].count == 2
    assert letters.summaries(Chosen(stream=""), 1)[0].count == 1
    kept = letters.find("live", "t", 1, 1)
    assert kept is not None
    assert (kept.stream, kept.time, kept.key, kept.body, kept.size, kept.cut) == ("", 1, b"\x00k", b"\xff", 1, False)
    assert letters.find("live", "t", 1, 2) is None


def test_what_waits_comes_in_pages_that_end_where_it_ended(url: str, letters: DeadLetters) -> None:
    keep(url, *(letter(offset) for offset in range(PAGE + 20)), *(letter(n, partition=2) for n in range(3)))
    pages = letters.waiting(Chosen(topic="t"))
    first = next(pages)
    keep(url, letter(PAGE + 20), letter(3, partition=2), letter(0, partition=3))
    assert [len(first), *map(len, pages)] == [PAGE, 23]
    letters.mark_retried("live", first[:5], 77)
    assert letters.summaries(Chosen())[0].retried == 5
    marked = letters.find("live", "t", 0, 0)
    assert marked is not None
    assert marked.retried == 77
    assert sum(map(len, letters.waiting(Chosen(stream="m")))) == PAGE + 21
