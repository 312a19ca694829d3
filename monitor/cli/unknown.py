"""One answer for a name that does not exist: what is not there, what is near to it, and which command shows all."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.config.sections import nearest
from monitor.errors import SettingsError


def unknown(what: str, name: str, known: Sequence[str], command: str) -> SettingsError:
    """The error to raise; `what` is the noun with which the sentence begins, `command` lists those that exist."""
    return SettingsError(f"there is no {what} called {name!r}{nearest(name, known)}; `{command}` shows all")
