"""Heartbeats of the monitor, for services that raise an alarm when they stop: a dead-man's switch.

```
type        "heartbeat"
timestamp   when it was sent (wall clock)
data        period_s workers committed_at
            workers       living worker processes
            committed_at  their newest commit
```
"""

from __future__ import annotations

from uuid import uuid4

import msgspec
import structlog

from monitor.config.channels import Channel
from monitor.errors import NotifyError
from monitor.ports.channel_states import Beat, ChannelStates
from monitor.ports.notifier import Notifier
from monitor.records.alerts import Delivery
from monitor.records.times import iso

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class DeadMan:
    """Sends the heartbeat of one channel, of all processes the one that takes it. A heartbeat is not sent again.

    It is sent while a worker has committed lately, so that a monitor that lives and does nothing is noticed too.
    """

    def __init__(self, name: str, channel: Channel, notifier: Notifier, states: ChannelStates) -> None:
        self.name, self._notifier, self._states = name, notifier, states
        self._period, self._commit_age = channel.heartbeat or 0, channel.heartbeat_commit_age
        self._failed = False

    @property
    def pause(self) -> float:
        """Seconds between two turns."""
        return min(1.0, self._period / 10e9)

    def turn(self) -> int:
        """Send the heartbeat if it is due; 0. Raises StoreError."""
        beat = self._states.beat(self.name, self._period, self._commit_age)
        if beat is None:
            return 0
        try:
            self._notifier.send(self._message(beat))
        except NotifyError as error:
            if not self._failed:
                log.warning("heartbeat_not_delivered", channel=self.name, error=str(error))
            self._failed = True
        else:
            if self._failed:
                log.info("heartbeat_delivered_again", channel=self.name)
            self._failed = False
        return 0

    def _message(self, beat: Beat) -> Delivery:
        id_ = uuid4()
        data = {"period_s": self._period / 1e9, "workers": beat.workers, "committed_at": iso(beat.committed)}
        text = msgspec.json.encode({"type": "heartbeat", "timestamp": iso(beat.at), "data": data}).decode()
        return Delivery(id=0, message=id_, transition=id_, alert=id_, channel=self.name, payload=text, attempts=0)
