"""What people say alerts were, and what models learn from then: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.ports.store import Commit
from monitor.records.alerts import CommandKind, Verdict
from monitor.records.labels import Label
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper, render
from tests.store_rows import alert, cleared, command, fact

OPENED = alert()
SILENT = replace(alert(stream="m-2"), kind="silent")


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertKeeper]:
    if request.param == "memory":
        yield MemoryKeeper()
        return
    at = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    found = SqlKeeper(at)
    yield found
    found.close()


def test_the_newest_verdict_says_what_is_learned_from(keeper: AlertKeeper) -> None:
    store, commands = keeper.store(), keeper.commands()
    facts = [fact(OPENED), cleared(OPENED), fact(SILENT), cleared(SILENT), fact(alert(family="pumps"))]
    store.commit(Commit("live", facts=facts, announce=render))
    whole = store.unusual_times("live", "machines")
    assert whole == {"m-1": [(90, 150)]}

    def judge(number: int, verdict: Verdict | None, start: int | None = None, end: int | None = None) -> str:
        of = SILENT if number > 10 else OPENED
        said = replace(command(of, CommandKind.VERDICT, number, "why"), verdict=verdict, start=start, end=end)
        return commands.give(said).refused

    assert judge(1, Verdict.FALSE) == ""
    assert store.unusual_times("live", "machines") == {}
    assert judge(2, Verdict.FALSE, start=120) == ""
    assert store.unusual_times("live", "machines") == {"m-1": [(90, 119)]}
    assert store.labels("live", "machines") == [Label("m-1", 120, 150, alarm=False)]
    assert judge(3, Verdict.TRUE, start=50, end=200) == ""
    assert store.unusual_times("live", "machines") == {"m-1": [(90, 150), (50, 200)]}
    assert store.labels("live", "machines") == [Label("m-1", 50, 200, alarm=True)]
    assert judge(4, Verdict.UNSURE) == ""
    assert store.labels("live", "machines") == []
    assert judge(5, Verdict.FALSE, start=120, end=110) == "the range ends before it begins"
    assert judge(6, None) == "the verdict is missing"
    assert store.unusual_times("live", "machines") == whole
    assert judge(7, Verdict.EXPECTED) == ""
    assert judge(11, Verdict.TRUE) == ""
    assert store.unusual_times("live", "machines") == {"m-2": [(90, 150)]}
    assert store.labels("live", "machines") == [Label("m-1", 90, 150, alarm=False)]  # no window opens a silent one

    kept = keeper.kept()
    assert [kept.alerts[of.id].verdict for of in (OPENED, SILENT)] == [Verdict.EXPECTED, Verdict.TRUE]
    causes = [str(change.cause) for change in kept.transitions[OPENED.id]]
    assert causes == ["opened", "cleared", *["verdict"] * 5]  # all of them are kept
    (newest,) = store.decisions("live", "machines")[-1:]
    assert (newest.command.verdict, newest.command.note) == (Verdict.TRUE, "why")
