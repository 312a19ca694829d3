"""An HTTP receiver on this machine that takes any JSON: what services such as PagerDuty are, less the service."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from monitor.testing.webhook_receiver import Answer, Receiver


class Post(NamedTuple):
    """One post: its headers with names in lower case, what its body says, and the status it was answered with."""

    headers: Mapping[str, str]
    body: Any
    status: int


class JsonReceiver(Receiver):
    """As `Receiver`, without signatures: answers with `answers` first, then with 202. `posts` has every post."""

    def __init__(self, answers: Iterable[Answer] = ()) -> None:
        super().__init__("any secret, as none is checked", answers)
        self.posts: list[Post] = []

    def take(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Keep one post, and answer it."""
        with self._lock:
            answer = self.answers.popleft() if self.answers else Answer(202)
            try:
                said = json.loads(body)
            except ValueError:
                said = body.decode("utf-8", "replace")
            self.posts.append(Post(dict(headers), said, answer.status))
        self._stopping.wait(answer.delay)
        return answer

    @property
    def accepted(self) -> list[Any]:
        """The bodies of those that were answered 2xx."""
        return [post.body for post in self.posts if 200 <= post.status < 300]
