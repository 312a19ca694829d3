"""A webhook receiver on this machine: shows in the demo what arrives, and lets tests meet a real HTTP server.

It is also the shortest example of the receiving side: check the signature, drop ids seen before, answer 2xx.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import standardwebhooks
from standardwebhooks.webhooks import WebhookVerificationError

_MAX_BODY = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver says to one post, after `delay` seconds."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Received:
    """A post whose signature was right: the transition's id, the JSON message, and the status it was answered with."""

    id: str
    message: dict[str, Any]
    status: int


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
            self.received.append(Received(headers["webhook-id"], message, answer.status))
        self._stopping.wait(answer.delay)
        return answer

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
                    self._reply(answer)

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
