"""Bytes of outside as text."""

from __future__ import annotations

import pytest

from monitor.records.excerpts import excerpt, hex_excerpt


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, ""),
        (b'{"a": 1}', '{"a": 1}'),
        ("Temp °C".encode(), "Temp °C"),
        (b"a\nb\x00\xff", "a\\nb\\x00\\xff"),
        (b"x" * 21, "x" * 19 + "…"),
        (b"\xff" * 100_000, "\\xff" * 4 + "\\xf…"),
        ("\u202eabc".encode(), "\\u202eabc"),
    ],
)
def test_bytes_of_outside_are_shown_short_and_harmless(data: bytes | None, text: str) -> None:
    assert excerpt(data, 20) == text


def test_hex_is_cut() -> None:
    assert hex_excerpt(b"\x00\xff", 2) == "00 ff"
    assert hex_excerpt(b"\x00\xff\x01", 2) == "00 ff …"
