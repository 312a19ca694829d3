"""Option values that several commands read the same way."""

from __future__ import annotations

from typing import overload

from monitor.config.durations import parse_time
from monitor.errors import SettingsError


@overload
def time_option(text: str, name: str) -> int: ...
@overload
def time_option(text: None, name: str) -> None: ...
@overload
def time_option(text: str | None, name: str) -> int | None: ...


def time_option(text: str | None, name: str) -> int | None:
    """ISO 8601 text to ns, None stays None. Raises SettingsError that names the option."""
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None
