"""Long texts in messages, cut so that a message has a bounded size."""

from __future__ import annotations

LONGEST_NAME = 200  # characters; a character takes at most 6 bytes in JSON


def cut(text: str, limit: int = LONGEST_NAME) -> str:
    r"""At most `limit` characters that UTF-8 can hold; those that JSON may write as two \uXXXX count twice."""
    if not text.isascii():
        units = text.encode("utf-16-le", "replace")
        text = units[: 2 * limit].decode("utf-16-le", "ignore") + ("…" if len(units) > 2 * limit else "")
    return text if len(text) <= limit else text[: limit - 1] + "…"
