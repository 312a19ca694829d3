"""An alarm flood: many notifications that wait for several channels, receivers in processes of their own, and what
each of them got.

`python -m tests.flood KIND LOG` is a receiver: it prints its port and writes a line for each message that it takes.
`python -m tests.flood deliver DATABASE NAME=URL ...` is a dispatcher, to be killed.
`python -m tests.flood dispatch CONFIG` is `watchkeeper dispatch` with short leases, first tries and minutes.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from monitor.cli.app import main
from monitor.config.notifiers import WebhookNotifier
from monitor.notify import lane, retry_schedule
from monitor.notify.dispatcher import Dispatcher
from monitor.notify.payload import payload
from monitor.notify.webhook import Webhook
from monitor.ports.notifier import Backlog
from monitor.ports.store import Commit
from monitor.records.alerts import FactKind
from monitor.store import channel_states
from monitor.store.migrations import upgrade
from monitor.store.outbox import open_outbox
from monitor.store.sql import open_store
from tests.store_rows import alert, fact

SECRET = "whsec_" + "QUJD" * 12
SLOW_S = 0.05
PER_COMMIT = 500
TRIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # s: of a refused message; minutes, in the time of a test


class Message(NamedTuple):
    """One that a receiver took."""

    id: str
    alert: str
    number: int


def fill(url: str, alerts: int, channels: tuple[str, ...], *, first: int = 0, cleared: bool = True) -> int:
    """Commit so many alerts, each opened and resolved, announced to all channels; returns the rows that wait.

    `first` is the number of the first stream; each has one alert.
    """
    upgrade(url)
    store = open_store(url)
    for begin in range(first, first + alerts, PER_COMMIT):
        commit = Commit(
            "live", announce=lambda change, of, _, at: [(name, payload(of, change, None, at)) for name in channels]
        )
        for number in range(begin, min(begin + PER_COMMIT, first + alerts)):
            opened = alert(stream=f"m-{number}", opened_at=5, family="temperature")
            commit.facts += [fact(opened), fact(opened, FactKind.CLEARED, 9, 0.5)][: 1 + cleared]
        store.commit(commit)
    store.close()
    return (1 + cleared) * alerts * len(channels)


def refused(id_: str) -> bool:
    """Whether the picky receiver refuses this message: every third, whenever it comes."""
    return crc32(id_.encode()) % 3 == 0


def serve(kind: str, log: Path) -> None:
    """`quick` takes everything, `slow` takes `SLOW_S` for each, `picky` refuses every third message."""
    out = log.open("w", buffering=1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            id_, status = self.headers["webhook-id"], 204
            if kind == "slow":
                time.sleep(SLOW_S)
            if kind == "picky" and refused(id_):
                status = 400
            else:
                out.write(f"{id_} {body['data']['alert_id']} {body['data']['number']}\n")
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
            """No access log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


@contextmanager
def receiver(kind: str, log: Path) -> Iterator[str]:
    """A receiver in its own process; yields its URL."""
    process = subprocess.Popen([sys.executable, "-m", "tests.flood", kind, str(log)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
    finally:
        process.kill()
        process.communicate()


def taken(log: Path) -> list[Message]:
    """What a receiver took, in order."""
    rows = (line.split() for line in log.read_text().splitlines())
    return [Message(id_, of, int(number)) for id_, of, number in rows]


def nothing_listens() -> str:
    """A URL at which connections are refused."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}/"


def wait_until_only(channel: str, url: str, seconds: float) -> Backlog:
    """What waits once all other channels have nothing to do, or after a long time."""
    deadline = time.monotonic() + seconds
    with closing(open_outbox(url)) as outbox:
        while (left := outbox.backlog()).queues.keys() != {channel} and time.monotonic() < deadline:
            time.sleep(0.1)
    return left


def in_order(messages: list[Message]) -> bool:
    """Whether the messages of each alert came in the order of its changes."""
    newest: dict[str, int] = {}
    for message in messages:
        if message.number < newest.get(message.alert, -1):
            return False
        newest[message.alert] = message.number
    return True


def webhook(url: str, timeout: float = 15) -> Webhook:
    """A channel to a receiver on this machine."""
    settings = WebhookNotifier(
        kind="webhook", url=url, secret_env=("S",), allow_hosts=("127.0.0.1",), timeout=round(timeout * 1e9)
    )
    return Webhook(settings, {"S": SECRET})


def deliver(url: str, *channels: str) -> None:
    """A dispatcher in this process until it is killed; channels as NAME=URL. Its leases and first tries are short."""
    lane.MARGIN = 2 * 10**9
    retry_schedule.TRIES = (*TRIES, *retry_schedule.TRIES[len(TRIES) :])
    named = dict(channel.split("=", 1) for channel in channels)
    Dispatcher(open_outbox(url), {name: webhook(at, timeout=2) for name, at in named.items()}).start()
    threading.Event().wait()


def dispatch(config: str) -> None:
    """The real command; a minute of a rate has five seconds."""
    lane.MARGIN = 2 * 10**9
    lane.PROBE = 10**9
    retry_schedule.TRIES = (*TRIES, *retry_schedule.TRIES[len(TRIES) :])
    channel_states.MINUTE = 5 * 10**9  # type: ignore[misc]
    main(["dispatch", config, "--json"])


if __name__ == "__main__":
    if sys.argv[1] == "deliver":
        deliver(*sys.argv[2:])
    elif sys.argv[1] == "dispatch":
        dispatch(sys.argv[2])
    else:
        serve(sys.argv[1], Path(sys.argv[2]))
