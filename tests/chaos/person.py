"""A person beside the workers: acknowledges alerts at random, takes that back, and adds notes."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import create_engine, text

from monitor import bootstrap
from monitor.config.settings import Settings
from monitor.errors import StoreError
from monitor.ports.alert_commands import AlertCommands
from monitor.records.alerts import Command, CommandKind

NEWEST = 12  # alerts to choose from: open ones and those that were resolved just now
PAUSE_S = 0.3
ACKNOWLEDGE, UNACKNOWLEDGE, NOTE = CommandKind.ACKNOWLEDGE, CommandKind.UNACKNOWLEDGE, CommandKind.NOTE
KINDS = (ACKNOWLEDGE, ACKNOWLEDGE, ACKNOWLEDGE, UNACKNOWLEDGE, NOTE)  # what `watchkeeper alerts` gives


@dataclass
class Person:
    """Works on a thread until `stop`; `given` has the answer to every command."""

    settings: Settings
    rng: random.Random
    given: dict[UUID, str] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _failed: deque[BaseException] = field(default_factory=deque)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> dict[UUID, str]:
        """Finish the command in hand, and return why each was refused, "" = carried out."""
        assert self._thread is not None
        self._over.set()
        self._thread.join(timeout=120)
        assert not self._thread.is_alive()
        assert not self._failed, self._failed
        return self.given

    def _run(self) -> None:
        commands = bootstrap.alert_commands(self.settings)
        try:
            while not self._over.wait(self.rng.uniform(0, PAUSE_S)):
                for alert in self._choose():
                    self._give(commands, alert)
        except BaseException as error:
            self._failed.append(error)
        finally:
            commands.close()

    def _choose(self) -> list[UUID]:
        engine = create_engine(self.settings.store.url)
        try:
            with engine.connect() as connection:
                query = f"SELECT id FROM alerts ORDER BY opened_at DESC LIMIT {NEWEST}"
                found = [UUID(str(row[0])) for row in connection.execute(text(query))]
        finally:
            engine.dispose()
        return [self.rng.choice(found)] if found else []

    def _give(self, commands: AlertCommands, alert: UUID) -> None:
        """Give a command, once more with the same id where SQL was away, and at times once more for nothing."""
        kind = self.rng.choice(KINDS)
        id_ = UUID(int=self.rng.getrandbits(128))
        command = Command(id=id_, alert=alert, kind=kind, by="ann", at=time.time_ns(), note=f"look {len(self.given)}")
        for _ in range(self.rng.choice((1, 1, 2))):
            while True:
                try:
                    answer = commands.give(command)
                except StoreError as error:
                    if not error.transient:
                        raise
                    time.sleep(0.2)
                else:
                    assert self.given.setdefault(id_, answer.refused) == answer.refused
                    break
