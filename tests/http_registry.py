"""A schema registry over HTTP that answers as a test wants it to: late, with garbage, without end, or not at all."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from monitor.config.formats import SchemaRegistry

UNKNOWN: dict[str, Any] = {"error_code": 40403, "message": "no such schema"}
Answer = tuple[int, Any] | Callable[[BaseHTTPRequestHandler], None]  # a status and a document, or what writes both


class HttpRegistry:
    """`answers` by path may be changed at any time; `asked` has the paths that were asked for, `most` at once."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.delay = 0.0  # seconds before each answer
        self.url = ""
        self.most = self.now = 0
        self.lock = threading.Lock()

    def settings(self, **options: Any) -> SchemaRegistry:
        return SchemaRegistry(url=self.url.replace("//", "//user:secret@"), options=options)

    def knows(self, number: int, schema: Any, kind: str = "AVRO") -> bytes:
        """Let it know a schema; returns the five bytes that its messages begin with."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        self.answers[f"/schemas/ids/{number}"] = 200, {"schema": text, "schemaType": kind}
        return frame(number)


def frame(number: int) -> bytes:
    return b"\x00" + number.to_bytes(4, "big")


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False
    request_queue_size = 64


@contextmanager
def http_registry() -> Iterator[HttpRegistry]:
    found = HttpRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            with found.lock:
                found.asked.append(path)
                found.now += 1
                found.most = max(found.most, found.now)
            time.sleep(found.delay)
            with found.lock:  # before the client has its answer, and asks the next question
                found.now -= 1
            try:
                answer = found.answers.get(path, (404, UNKNOWN))
                if callable(answer):
                    answer(self)  # type: ignore[no-untyped-call]  # (typeshed: a callable of BaseHTTPRequestHandler)
                else:
                    send(self, answer[0], json.dumps(answer[1]).encode())
            except OSError:
                pass  # the client has hung up

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield found
        server.shutdown()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
