"""What a replay says of people's commands of the live run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.store.repeated_commands import Repeated


def repeated_line(found: Repeated) -> str:
    """One line, "" where no person has given a command."""
    if not any(found):
        return ""
    parts = [f"{found.carried_out} repeated"]
    if found.refused:
        parts.append(f"{found.refused} refused")
    if found.without_alert:
        parts.append(f"{found.without_alert} about alerts that did not open here")
    return f"Commands of people in the live run: {', '.join(parts)}."
