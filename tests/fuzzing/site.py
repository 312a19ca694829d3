"""A folder in which every command finds what it needs: files, a configuration, a database with a row of everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from monitor.ports.store import Commit
from monitor.records.batches import DeadLetter, Readings
from monitor.records.late import Late, LateBlock
from monitor.sources.embedded import EmbeddedBroker
from monitor.store.sql import open_store
from tests.fuzzing import files
from tests.store_rows import TOPIC, alert, full

CONFIG = """\
models = "models"
store.url = "{url}"
kafka.bootstrap_servers = "{servers}"
[families.machines]
topic = "plant"
interval = "1s"
window.length = 8
detector.kind = "mahalanobis"
"""


@dataclass(frozen=True)
class Site:
    """`alert` is the id of an alert; `files` are all, good and bad."""

    folder: Path
    servers: str
    files: list[Path]
    alert: str = alert().id.hex

    @property
    def config(self) -> str:
        return str(self.folder / "plant.toml")

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
    Path(made.config).write_text(CONFIG.format(url=made.url, servers=made.servers), encoding="utf-8")
    broker.create_topic("plant")
    store = open_store(made.url)
    stream = store.open_streams("live", "machines", ["m-1"])[0]
    rows = Readings(
        np.zeros(1, np.int32), np.array([5 * 10**9]), np.ones((1, 1), np.float32), np.zeros(1, np.int32), np.array([7])
    )
    letter = DeadLetter(topic="plant", partition=0, offset=1, reason="json", error="broken", body=b"{", stream="m-1")
    everything = full(stream, store.take("live", [TOPIC])[TOPIC].epoch)
    late = LateBlock("machines", ["m-1"], Late(rows, np.array([10**9])))
    store.commit(replace(everything, dead=[letter], late=[late]))
    store.commit(Commit("past"))
    store.close()
    return made
