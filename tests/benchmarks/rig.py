"""Lanes as processes of their own, around one real broker and databases of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from monitor.config.families import Family
from monitor.config.services import Kafka
from monitor.config.settings import parse
from monitor.sources.kafka_client import ensure_topic
from monitor.store.migrations import upgrade
from monitor.store.sql import open_store
from tests.benchmarks import plant

_NUMBERS = count(1)
PARTITIONS = 4
ROOT = Path(__file__).parents[2]


@dataclass
class Rig:
    """A topic full of readings, and what it takes to run the product on it again and again."""

    folder: Path
    servers: str
    streams: int
    hop: int = 10
    interval: str = "1s"
    detector: str = "options = { epochs = 2 }"
    store: str = ""  # more lines of [store]
    family: str = ""  # more lines of the family
    samples: int = 1  # readings per message
    recipe: str = "plain"  # others judge each reading, by windows of their length

    def __post_init__(self) -> None:
        self.messages = 0
        self.model: Path | None = None
        self.renew()

    def renew(self) -> None:
        """Another topic from now on."""
        self.topic = f"bench-{os.getpid()}-{next(_NUMBERS)}"

    def make_topic(self) -> None:
        """On the broker."""
        ensure_topic(Kafka(bootstrap_servers=self.servers), self.topic, PARTITIONS)

    def fill(self, steps: int) -> None:
        """Readings of every stream, so many steps long."""
        self.make_topic()
        sender, where = plant.producer(self.servers), (self.topic, PARTITIONS, self.streams, steps)
        one = self.samples == 1
        self.messages = plant.fill(sender, *where) if one else plant.fill_batches(sender, *where, self.samples)

    def decode(self) -> dict[str, Any]:
        """Consume and decode the topic, nothing else."""
        return lane("bare.decode", self.servers, self.topic, self.messages)

    def product(self, url: str = "") -> dict[str, Any]:
        """The whole product on the topic, from its beginning, every stream known."""
        return lane("product.backlog", self.prepare(url), self.messages)

    def prepare(self, url: str = "") -> Path:
        """A new database in which every stream is known, and the TOML file that goes with it."""
        number = next(_NUMBERS)
        url = url or f"sqlite:///{self.folder}/bench-{number}.db"
        text = self.config(url, number)
        family = self._family(text)
        if self.model is None:
            self.model = plant.trained(self.folder / f"model-{self.topic}", family, self.streams)
        upgrade(url)
        store = open_store(url)
        places = [(self.topic, partition) for partition in range(PARTITIONS)]
        plant.warm(store, self.model, family, self.streams, places)
        store.close()
        config = self.folder / f"bench-{number}.toml"
        config.write_text(text)
        return config

    def config(self, url: str, number: int) -> str:
        """The TOML file."""
        layout = '\nformat = { kind = "json-batch" }' if self.samples > 1 else ""
        window = f"length = 140, hop = {self.hop}" if self.recipe == "plain" else ""
        return CONFIG.format(folder=self.folder, servers=self.servers, number=number, url=url, store=self.store,
                             topic=self.topic, recipe=self.recipe, window=window, interval=self.interval,
                             detector=self.detector, family=self.family + layout)  # fmt: skip

    @staticmethod
    def _family(text: str) -> Family:
        return parse(tomllib.loads(text)).families[plant.FAMILY]


CONFIG = """
models = "{folder}/models"
[kafka]
bootstrap_servers = "{servers}"
group = "bench-{number}"
[store]
url = "{url}"
{store}
[families.plant]
topic = "{topic}"
interval = "{interval}"
recipe = "{recipe}"
window = {{ {window} }}
detector = {{ {detector} }}
{family}
"""


def lane(*arguments: object) -> dict[str, Any]:
    """Run `tests.benchmarks.lane` in a process of its own, on one thread; what it prints last."""
    return finish(start(*arguments))


def start(*arguments: object) -> subprocess.Popen[str]:
    """The same, but go on meanwhile."""
    command = [sys.executable, "-m", "tests.benchmarks.lane", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ(), cwd=ROOT)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for it."""
    out, err = process.communicate()
    assert process.returncode == 0, err[-3000:]
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def environ() -> dict[str, str]:
    """One thread, as every worker has in a container of its own."""
    return os.environ | {"OMP_NUM_THREADS": "1"}
