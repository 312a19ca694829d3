"""Text from outside, such as the names of streams, made safe for a terminal."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    r"""The text with what would steer the terminal or turn its order about written out: \x1b, \n, \u202e.

    These are the characters of the Unicode categories Cc, Cf, Cs, Zl and Zp.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _UNSEEN else char for char in text)


_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
