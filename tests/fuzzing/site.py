"""A folder in which every command finds what it needs: files, a configuration, a database with a row of everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from monitor.cli import demo
from monitor.cli.parameters import publishing
from monitor.config.settings import load
from monitor.errors import ModelError
from monitor.ports.store import Commit, HistoryBlock
from monitor.records.batches import DeadLetter, Readings
from monitor.records.incidents import incident_id
from monitor.records.late import Late, LateBlock
from monitor.records.maintenance import Maintenance
from monitor.sources.embedded import EmbeddedBroker
from monitor.store.sql import open_store
from monitor.training import fit
from tests.champions import train_champion
from tests.fuzzing import files
from tests.store_rows import alert, full

CONFIG = """\
models = "{folder}/models"
store.url = "{url}"
kafka.bootstrap_servers = "{servers}"
[families.machines]
topic = "plant"
interval = "1s"
recipe = "plain"
window.length = 8
detector.kind = "mahalanobis"
"""


CALENDAR = """\
BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:1
SUMMARY:Cleaning
DTSTART;TZID=Europe/Berlin:20260104T010000
DURATION:PT4H
RRULE:FREQ=WEEKLY
END:VEVENT
END:VCALENDAR
"""


@dataclass(frozen=True)
class Site:
    """`alert` and `incident` are the ids of one; `files` are all, good and bad."""

    folder: Path
    servers: str
    files: list[Path] = field(repr=False)
    alert: str = alert().id.hex
    incident: str = incident_id("live", "machines", 100).hex

    @property
    def config(self) -> str:
        return str(self.folder / "plant.toml")

    @property
    def notifying(self) -> str:
        """The configuration with a channel."""
        return str(self.folder / "notifying.toml")

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/plant.db"

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Put the database back as it was."""
        database = self.folder / "plant.db"
        before = database.read_bytes()
        try:
            yield
        finally:
            database.write_bytes(before)


def build(folder: Path, broker: EmbeddedBroker) -> Site:
    made = Site(folder, broker.bootstrap_servers, files.write(folder))
    Path(made.config).write_text(CONFIG.format(folder=folder, url=made.url, servers=made.servers), encoding="utf-8")
    text = CONFIG.format(folder=folder, url=made.url, servers=made.servers)
    Path(made.notifying).write_text(f'{text}[notify.hook]\nkind = "log"\n', encoding="utf-8")
    broker.create_topic("plant")
    store = open_store(made.url)
    stream = store.open_streams("live", "machines", ["m-1"])[0]
    rows = Readings(
        np.zeros(1, np.int32), np.array([5 * 10**9]), np.ones((1, 1), np.float32), np.zeros(1, np.int32), np.array([7])
    )
    letter = DeadLetter(topic="plant", partition=0, offset=1, reason="json", error="broken", body=b"{", stream="m-1")
    everything = full(stream, 0)
    late = LateBlock("machines", ["m-1"], Late(rows, np.array([10**9])))
    block = HistoryBlock(stream.id, 10**9 * np.arange(1, 401), np.sin(np.arange(400, dtype=np.float32))[:, None])
    store.commit(replace(everything, dead=[letter], late=[late], history=[block], positions={}))
    store.commit(Commit("past"))
    week = datetime(2026, 1, 4, 1), datetime(2026, 1, 4, 5)  # noqa: DTZ001 (wall-clock times)
    store.maintenance.add([Maintenance(name="planned", start=week[0], end=week[1], rrule="FREQ=WEEKLY")])
    (folder / "plant.ics").write_text(CALENDAR, encoding="utf-8")
    settings = load(Path(made.config))
    history = list(fit.first(store.history("live", "machines"), settings.families["machines"]))
    train_champion(settings, store, "machines", history)
    store.close()
    return made


@contextmanager
def hurried() -> Iterator[None]:
    """No command waits for a broker that is not there, and the demo, which takes a minute, is not played."""

    def not_played(*_: object) -> None:
        raise ModelError("not played")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "BROKER_S", 0.2)
        patch.setattr(demo, "play", not_played)
        yield
