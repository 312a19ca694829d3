"""What a channel may send now: outside its quiet hours, within its rate, and the rest as digests."""

from __future__ import annotations

from datetime import datetime

from monitor.config.channels import Channel
from monitor.notify.digest import digest
from monitor.ports.notifier import Outbox
from monitor.records.alerts import Delivery

FOREVER = 2**62  # ns


class Gate:
    """Claims messages of one channel as its settings allow.

    In quiet hours only alerts that are critical are let through; after them, what was written until their end goes as
    one digest. Of a rate, the last try in a minute is kept for a digest of all that is due beyond it; critical alerts
    are let through before the others. Several dispatchers share the rate.
    """

    def __init__(self, name: str, channel: Channel, outbox: Outbox) -> None:
        self._name, self._channel, self._outbox = name, channel, outbox
        self._ended = 0  # ns: of the quiet hours after which a digest was made
        self._full_until = 0  # ns: the rate allows nothing before

    def shut_until(self, now: int) -> int:
        """Until when nothing, or nothing that is not critical, is let through; wall clock, ns."""
        return max(self._full_until, self._channel.quiet_hours.until(now) or 0)

    def held(self, now: int) -> str:
        """Until when, and by which rule, what waits is held; "" where all is let through."""
        quiet, zone = self._channel.quiet_hours.until(now), self._channel.quiet_hours.zone
        if quiet is not None:
            return f"held until {datetime.fromtimestamp(quiet // 10**9, zone):%H:%M} ({zone.key}) by quiet hours"
        if self._full_until > now:
            at = datetime.fromtimestamp(self._full_until // 10**9, zone)
            return f"held until {at:%H:%M:%S} ({zone.key}) by per_minute"
        return ""

    def claim(self, now: int, limit: int, lease: int) -> list[Delivery]:
        """As `Outbox.claim`, of what is let through at `now`. Raises StoreError."""
        if now < self._full_until:
            return []
        quiet = self._channel.quiet_hours
        urgent = quiet.until(now) is not None
        if not urgent and (ended := quiet.ended(now) or 0) > self._ended:
            while self._outbox.join(self._name, now, ended, digest("quiet", now)):
                pass
            self._ended = ended
        if self._channel.per_minute is None:
            return self._outbox.claim(self._name, now, limit, lease, urgent=urgent)
        return self._within_rate(self._channel.per_minute, now, limit, lease, urgent=urgent)

    def _within_rate(self, per_minute: int, now: int, limit: int, lease: int, *, urgent: bool) -> list[Delivery]:
        limit = min(limit, per_minute)
        taken = self._outbox.claim(self._name, now, limit, lease, urgent=True)
        if not urgent and len(taken) < limit:
            taken += self._outbox.claim(self._name, now, limit - len(taken), lease)
        if not taken:
            return []
        free, next_at = self._outbox.channels.spend(self._name, now, per_minute, len(taken))
        if len(taken) < free:
            return taken
        kept = taken[: max(0, free - 1)]
        self._outbox.release(taken[len(kept) :])
        if not free:
            self._full_until = next_at
            return []
        self._outbox.join(self._name, now, FOREVER, digest("rate", now), urgent=urgent)
        return kept + self._outbox.claim(self._name, now, 1, lease, urgent=urgent)
