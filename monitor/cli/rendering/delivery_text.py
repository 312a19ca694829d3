"""What became of a notification, in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.store.deliveries import DeliveryRecord


def outcome(row: DeliveryRecord, shown: Callable[[int], str]) -> str:
    """What it is now, and by which way; `shown` writes a time (wall clock, ns)."""
    parts = [_end(row, shown)]
    if row.digest is not None:
        parts.append(f"in digest {row.digest}")
    if row.fallback_for is not None:
        parts.append(f"stands in for {row.fallback_for}")
    if row.diverted is not None:
        parts.append(f"went to the fallback {shown(row.diverted)}")
    if row.redriven is not None:
        parts.append(f"made due again {shown(row.redriven)}")
    return "; ".join(parts)


def _end(row: DeliveryRecord, shown: Callable[[int], str]) -> str:
    if row.delivered_at is not None:
        return f"delivered {shown(row.delivered_at)}"
    if row.gave_up_at is not None:
        return f"given up {shown(row.gave_up_at)}" + (f": {row.error}" if row.error else "")
    return f"waiting: {row.error}" if row.error else "waiting"
