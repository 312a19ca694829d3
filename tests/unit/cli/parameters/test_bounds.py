"""What options take, to the edge, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.common import person

HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    ("parser", "given", "expected"),
    [
        (bounds.COUNT, "1", 1),
        (bounds.COUNT, 50, 50),
        (bounds.OFFSET, str(2**63 - 1), 2**63 - 1),
        (bounds.SEED, "0", 0),
        (bounds.N_STD, "1e6", 1e6),
        (bounds.RATE, 250.0, 250.0),
        (bounds.text, "", ""),
        (bounds.text, "m\n\x1b", "m\n\x1b"),
        (bounds.name, " é ", " é "),
        (bounds.path, "no/such/file", Path("no/such/file")),
        (bounds.duration, "1h30m", 3 * HOUR // 2),
        (bounds.duration, HOUR, HOUR),
        (bounds.moment, "1970-01-01T01:00:00Z", HOUR),
    ],
)
def test_what_is_within_the_bounds_is_taken(parser: Callable[[Any], Any], given: object, expected: object) -> None:
    assert parser(given) == expected


@pytest.mark.parametrize(
    ("parser", "given", "why"),
    [
        (bounds.COUNT, "0", "'0' is not a whole number from 1 to 1,000,000,000"),
        (bounds.COUNT, str(10**30), "is not a whole number"),
        (bounds.COUNT, "9" * 5000, r"9\.\.\. is not a whole number"),
        (bounds.COUNT, "1.5", "is not a whole number"),
        (bounds.SEED, "-1", "is not a whole number"),
        (bounds.SEED, str(2**64), "is not a whole number"),
        (bounds.N_STD, "nan", "'nan' is not a number from 0 to 1e"),
        (bounds.N_STD, "inf", "is not a number"),
        (bounds.RATE, "0", "is not a number"),
        (bounds.RATE, "-1e400", "is not a number"),
        (bounds.text, "a\0", "holds a NUL character"),
        (bounds.text, "\udcff", "is not text in UTF-8"),
        (bounds.text, "x" * 10_001, "is too long, 10,000 characters at most"),
        (bounds.name, "  ", "is empty; give a name"),
        (bounds.name, "x" * 501, "is too long, 500 characters at most"),
        (bounds.path, "", "is empty; name a file"),
        (bounds.path, "\udcff.csv", "is not text in UTF-8; rename the file"),
        (bounds.path, "x" * 300, "cannot be used: File name too long"),
        (bounds.duration, "9" * 400 + "d", "is not a duration"),
        (bounds.duration, "10000d", "is too long"),
        (bounds.moment, "0001-01-01", "is too far away"),
        (bounds.moment, "2200-01-01", "is too far away"),
        (bounds.moment, "now", "is not a time"),
    ],
)
def test_what_is_not_is_refused(parser: Callable[[Any], Any], given: str, why: str) -> None:
    with pytest.raises(typer.BadParameter, match=why) as refused:
        parser(given)

    assert len(str(refused.value)) < 300


def test_a_user_without_a_name_says_who(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs as a number."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000700000")

    monkeypatch.setattr("getpass.getuser", nameless)

    assert person("ann") == "ann"
    with pytest.raises(typer.BadParameter, match="say who"):
        person("")
