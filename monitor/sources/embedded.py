"""The embedded broker: librdkafka's own in-process cluster, for the demo, tests and a first look.

It lives in the memory of this process and forgets everything with it. Of each partition it keeps about 5 MB and
**silently drops the oldest records beyond that, read or not**; a reader that has fallen so far behind gets an error
that counts them (see `monitor.sources.kafka`), and who writes beside it must pace itself on the group's progress.
For anything that must survive, run a real broker: `deploy/kafka`.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from monitor.config.settings import Settings
from monitor.errors import SourceError

log = structlog.get_logger()

PARTITIONS = 4  # of every topic; the cluster makes a topic when it is first named, always with so many


class EmbeddedBroker:
    """A broker on 127.0.0.1 for this process and others, until `close`. With `port` 0 it picks a free port."""

    def __init__(self, port: int = 0) -> None:
        self._cluster: AdminClient | None = AdminClient({"test.mock.num.brokers": 1, "log_level": 0})
        try:
            broker = next(iter(self._cluster.list_topics(timeout=10).brokers.values()))
        except (KafkaException, StopIteration) as error:
            raise SourceError(f"the embedded broker did not start: {error}") from None
        self._door = None if port == 0 else _open_door(port, (str(broker.host), broker.port))
        self.bootstrap_servers = f"{broker.host}:{port or broker.port}"

    def create_topic(self, name: str) -> int:
        """Make the topic where it is missing, and return its number of partitions, always `PARTITIONS`."""
        if self._cluster is None:
            raise SourceError("the embedded broker is closed")
        return len(self._cluster.list_topics(name, timeout=10).topics[name].partitions)

    def close(self) -> None:
        """Stop, and forget all records. May be called twice."""
        if self._door is not None:
            self._door.shutdown()
            self._door.server_close()
            self._door = None
        self._cluster = None  # librdkafka ends the cluster with the client that holds it

    def __enter__(self) -> EmbeddedBroker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def embedded_broker(settings: Settings) -> Iterator[Settings]:
    """Run a broker until the exit; gives the settings with its address."""
    with EmbeddedBroker(settings.kafka.embedded_port) as running:
        kafka = settings.kafka.model_copy(update={"bootstrap_servers": running.bootstrap_servers})
        log.warning("embedded_broker", bootstrap_servers=running.bootstrap_servers, keeps="about 5 MB per partition")
        yield settings.model_copy(update={"kafka": kafka})


class _Door(socketserver.ThreadingTCPServer):
    """A known port in front of the cluster's random one.

    Clients come here to ask where the brokers are; for records they then connect to the cluster itself.
    """

    allow_reuse_address = True
    daemon_threads = True
    target: tuple[str, int]


class _Visitor(socketserver.BaseRequestHandler):
    server: _Door

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as cluster:
            threading.Thread(target=_pump, args=(cluster, self.request), daemon=True).start()
            _pump(self.request, cluster)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # either side is gone, and so is the visit
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _open_door(port: int, target: tuple[str, int]) -> _Door:
    try:
        door = _Door(("127.0.0.1", port), _Visitor)
    except OSError as error:
        raise SourceError(f"kafka.embedded_port = {port}: the port cannot be opened: {error.strerror}") from None
    door.target = target
    threading.Thread(target=door.serve_forever, name="embedded-broker-door", daemon=True).start()
    return door
