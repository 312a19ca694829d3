"""Text as both databases take it."""

from __future__ import annotations

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator


def storable(text: str) -> str:
    """NUL and lone surrogates, which a broken record may bring, are written out."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


class StorableText(TypeDecorator[str]):
    """A TEXT column, whose values and search terms are made `storable`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The value as the driver gets it; called by SQLAlchemy."""
        return None if value is None else storable(value)
