"""What tables on a terminal show of names from outside, and what they leave out when it is narrow."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from monitor.cli import late
from monitor.cli.rendering.alert_table import FittedTable
from monitor.records.escapes import visible
from monitor.store.late import LateRecord

DAY = 1_700_000_000 * 10**9


def drawn(table: FittedTable, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Gerät [1]", "Gerät [1]"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("a\nb\x9bc", "a\\nb\\x9bc"),
        ("\u202egnp", "\\u202egnp"),
        ("Ger\udce4t", "Ger\\udce4t"),
    ],
)
def test_what_would_steer_the_terminal_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert drawn(FittedTable({"stream": [text]}, ()), 80).split("\n")[2].strip() == shown


@pytest.mark.parametrize("width", [40, 80])
def test_a_long_name_hides_no_column(width: int) -> None:
    columns = {"stream": ["m-1", "x" * 512], "late": ["1", "2"], "readiness": ["ready", "812 of 2,000, 3 h 18 min"]}
    lines = drawn(FittedTable(columns, ("late",)), width)
    assert ("late" in lines) == (width == 80)
    assert lines.count("x") == 512
    assert "min" in lines


def test_the_narrowest_terminal_folds_what_must_not_be_left_out() -> None:
    columns = {"stream": ["m-1"], "last seen (UTC)": ["2026-01-31 10:00:00"], "readiness": ["812 of 2,000"]}
    words = drawn(FittedTable(columns, ()), 24).split()
    assert {"812", "of", "2,000"} <= set(words)


def test_late_readings_of_several_families_say_which() -> None:
    row = LateRecord(
        family="pumps", stream="m-1", time=DAY, behind=10**9, values=(1.5,), partition=0, offset=7, recorded=DAY
    )
    other = replace(row, family="motors")
    assert "motors" in drawn(late._table([row, other]), 80)
    assert "family" not in drawn(late._table([row, row]), 80)
