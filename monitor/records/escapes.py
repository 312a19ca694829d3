r"""Text from outside, such as names of streams, made safe to show: a terminal obeys none of its characters.

>>> print(visible("pump\x1b[31m \u202e7"))
pump\x1b[31m \u202e7
>>> print(dumps({"stream": "pump\x1b[31m \u202e7", "site": "Köln"}))
{"stream": "pump\u001b[31m \u202e7", "site": "Köln"}
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

# The Unicode categories Cc, Cf, Cs, Zl and Zp, and what else is drawn as nothing: Default_Ignorable_Code_Point.
UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    r"\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    r"""One line of text, with what steers a terminal, turns the order about or is not seen written out: \x1b, \u202e.

    A line break is written out too, so that a name cannot begin a line of output.
    """
    if text.isascii() and text.isprintable():
        return text
    return UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def visible_lines(text: str) -> str:
    """Text of several lines, each made `visible`."""
    return "\n".join(map(visible, text.split("\n")))


def safe_json(text: str) -> str:
    r"""A JSON text that means the same and holds no such character: within its strings they become \uXXXX."""
    if text.isascii() and text.isprintable():
        return text
    return UNSEEN.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], text)


def dumps(value: Any, *, indent: int | None = None, default: Callable[[Any], Any] | None = None) -> str:
    """A value as JSON, with letters of all languages as they are."""
    return safe_json(json.dumps(value, indent=indent, default=default, ensure_ascii=False))
