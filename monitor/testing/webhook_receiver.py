"""A webhook receiver on this machine: shows in the demo what arrives, and lets tests meet a real HTTP server.

It is also the shortest example of the receiving side: check the signature, drop ids seen before, answer 2xx.

`python -m monitor.testing.webhook_receiver LOG ANSWER ...` is one in a process: it prints its URL, writes a line of
JSON to LOG for each post whose signature is right, and gives the answers in turn, again and again: a status such as
503, `429:2` (with Retry-After, in seconds), or `hang`, `close`, `garbage`, `drip`. The secret is in WEBHOOK_SECRET.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import standardwebhooks
from standardwebhooks.webhooks import WebhookVerificationError

_MAX_BODY = 1_000_000
_DRIP_S = 0.2  # seconds between two bytes


class Fault(StrEnum):
    """What is wrong with an answer: there is none, the connection is closed, it is no HTTP, its body does not end."""

    HANG = "hang"
    CLOSE = "close"
    GARBAGE = "garbage"
    DRIP = "drip"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver says to one post, after `delay` seconds."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    fault: Fault | None = None

    @classmethod
    def parse(cls, text: str) -> Answer:
        """That of the command line: a status, with seconds of Retry-After behind a colon, or a fault."""
        if text in list(Fault):
            return cls(503, fault=Fault(text))
        status, _, seconds = text.partition(":")
        return cls(int(status), {"retry-after": seconds} if seconds else {})


@dataclass(frozen=True, slots=True)
class Received:
    """A post whose signature was right: the message's id, the JSON message, and the status it was answered with.

    `at` is when it came (wall clock, ns); of an answer with a fault `fault` says so.
    """

    id: str
    message: dict[str, Any]
    status: int
    at: int = 0
    fault: Fault | None = None


class Receiver:
    """Listens on 127.0.0.1 while the `with` block runs. Answers with `answers` first, then with 204.

    `received` has every post with a right signature, repeats too, in order of arrival; others get 401 and are counted
    in `refused`. `secret` is text as in the sender's configuration.
    """

    def __init__(self, secret: str, answers: Iterable[Answer] = ()) -> None:
        key: str | bytes = secret if secret.startswith("whsec_") else secret.encode()
        self.answers = deque(answers)
        self.received: list[Received] = []
        self.refused = 0
        self._verifier = standardwebhooks.Webhook(key)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True)

    @property
    def url(self) -> str:
        """Where to post to."""
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Judge one post and keep it."""
        with self._lock:
            try:
                message = self._verifier.verify(body, dict(headers))
            except (WebhookVerificationError, ValueError):
                self.refused += 1
                return Answer(401, body=b"wrong signature")
            answer = self.answers.popleft() if self.answers else Answer()
            self.keep(Received(headers["webhook-id"], message, answer.status, time.time_ns(), answer.fault))
        self._stopping.wait(answer.delay)
        return answer

    def wait(self, seconds: float) -> bool:
        """Wait so long; true, and earlier, where the receiver stops."""
        return self._stopping.wait(seconds)

    def keep(self, post: Received) -> None:
        """Keep a post; called for one at a time."""
        self.received.append(post)

    def fail(self, handler: BaseHTTPRequestHandler, fault: Fault) -> None:
        """Answer as the fault says, and close the connection."""
        handler.close_connection = True
        if fault is Fault.GARBAGE:
            handler.wfile.write(b"\x00\xff SMTP 220 hello\r\n\r\n")
        elif fault is Fault.HANG:
            self.wait(3600)
        elif fault is Fault.DRIP:
            handler.send_response(503)
            handler.send_header("content-length", str(_MAX_BODY))
            handler.end_headers()
            while not self.wait(_DRIP_S):
                handler.wfile.write(b".")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                if length > _MAX_BODY:
                    answer = Answer(413)
                else:
                    body = self.rfile.read(length)
                    answer = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
                with suppress(ConnectionError):  # the sender had heard enough, or did not wait
                    if answer.fault is None:
                        self._reply(answer)
                    else:
                        receiver.fail(self, answer.fault)

            def _reply(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
                """No access log: the caller of the receiver shows what arrived."""

        return Handler


class LoggedReceiver(Receiver):
    """Gives its answers in turn, again and again, and writes a line of JSON for each post to a file."""

    def __init__(self, secret: str, answers: Iterable[Answer], log: Path) -> None:
        super().__init__(secret)
        self._turn, self._log = cycle(answers), log.open("a", buffering=1, encoding="utf-8")
        self.answers.append(next(self._turn))

    def keep(self, post: Received) -> None:
        """Write the post down, and have the next answer ready."""
        self._log.write(json.dumps(asdict(post)) + "\n")
        self.answers.append(next(self._turn))


def main(arguments: list[str]) -> None:
    """Receive until the process is killed."""
    answers = [Answer.parse(text) for text in arguments[1:]] or [Answer()]
    with LoggedReceiver(os.environ["WEBHOOK_SECRET"], answers, Path(arguments[0])) as receiver:
        sys.stdout.write(f"{receiver.url}\n")
        sys.stdout.flush()
        while not receiver.wait(3600):
            pass


if __name__ == "__main__":
    main(sys.argv[1:])
