"""One guarded HTTP post of JSON: what every channel that speaks HTTP sends through, and how an answer is judged.

2xx is success; everything else is a failure, redirects too. 401, 403, 404, 405, 407, 408, 429, 3xx, 5xx and no answer
speak of the endpoint, or of its URL and secret; 410 says that it is gone for good. Every other 4xx refuses this
message, and the endpoint works.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

from monitor.config.secrets import hidden
from monitor.errors import NotifyError
from monitor.notify.hosts import Resolver, resolve
from monitor.notify.webhook_target import Endpoint, Target

if TYPE_CHECKING:  # what only sending needs is imported at the first message: it is slow, and `check` sends none
    import httpcore

    from monitor.notify.ssrf_guard import GuardedTransport

_MAX_RETRY_AFTER = 24 * 3600.0  # a receiver cannot silence a channel for longer than a day at a time
_OF_THE_ENDPOINT = (401, 403, 404, 405, 407, 408, 410, 429)  # answers that every message gets alike
_REASON = 300  # bytes of a refusal's body that are kept
_BODY = 65_536  # bytes of a body that are read: a connection can only be used again behind it
_BODY_S = 1.0  # seconds that a body may take; what matters has been said before it
JSON = {"content-type": "application/json", "user-agent": "watchkeeper"}


class Poster:
    """Posts to the URL of one channel. Any thread may use it.

    `clock` gives wall time in ns; `resolver` the addresses of a host; `secrets` never stand in an error. Raises
    SettingsError when the URL cannot be used.
    """

    def __init__(
        self,
        settings: Endpoint,
        clock: Callable[[], int] = time.time_ns,
        resolver: Resolver = resolve,
        secrets: Iterable[str] = (),
    ) -> None:
        self._target = Target.of(settings)
        self._shown = f"{settings.kind} to {self._target.shown}"
        self.timeout = settings.timeout / 1e9  # seconds
        self._allow_hosts, self._clock, self._resolver = settings.allow_hosts, clock, resolver
        self._secrets = tuple(secrets)

    def __repr__(self) -> str:
        return self._shown

    @cached_property
    def _transport(self) -> GuardedTransport:
        from monitor.notify.ssrf_guard import GuardedTransport

        return GuardedTransport(self.timeout, self._allow_hosts, self._resolver)

    @cached_property
    def _address(self) -> tuple[httpcore.URL, bytes]:
        """The URL as it is sent, and the header `host`."""
        import httpcore
        import httpx

        url = httpx.URL(self._target.url)
        parts = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        return parts, url.netloc

    def post(self, body: str, headers: Mapping[str, str] = JSON) -> str:
        """Post once, and return the status as text. Raises NotifyError unless it is 2xx within the timeout."""
        import httpcore

        from monitor.notify.ssrf_guard import FAILURES

        (url, host), content = self._address, body.encode()
        sent = [(b"host", host), (b"content-length", b"%d" % len(content))]
        sent += [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        try:
            with self._transport.answer(httpcore.Request(b"POST", url, headers=sent, content=content)) as response:
                self._transport.attempt.shorten(_BODY_S)
                return self._judged(response, _start(response))
        except httpcore.TimeoutException:
            raise NotifyError(f"{self!r}: no answer within {self.timeout:g} s") from None
        except FAILURES as error:
            raise NotifyError(f"{self!r}: {self._hide(str(error)) or type(error).__name__}") from None

    def _hide(self, text: str) -> str:
        return self._target.hide(hidden(text, self._secrets))

    def _judged(self, response: httpcore.Response, body: bytes) -> str:
        status, shown = response.status, _shown(response.status)
        if 200 <= status < 300:
            return shown
        parts = [f"{self!r}", shown]
        if 300 <= status < 400:
            parts.append("redirects are not followed; configure the final URL")
        parts.append(self._hide(_one_line(body)))
        asked = [value.decode("latin-1") for name, value in response.headers if name.lower() == b"retry-after"]
        raise NotifyError(
            ": ".join(part for part in parts if part),
            retry_after=retry_after(", ".join(asked) if asked else None, self._clock() / 1e9),
            permanent=status == HTTPStatus.GONE,
            refused=400 <= status < 500 and status not in _OF_THE_ENDPOINT,
        )


@cache
def _shown(status: int) -> str:
    import httpx

    return f"HTTP {status} {httpx.codes.get_reason_phrase(status)}".rstrip()


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header: a number of seconds, or an HTTP date. None when it cannot be read."""
    if header is None:
        return None
    text = header.strip()
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        seconds = float(text)
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        # HTTP dates are GMT; one that does not say so is taken as such.
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    return min(max(0.0, math.ceil(seconds)), _MAX_RETRY_AFTER)


def _start(response: httpcore.Response) -> bytes:
    """The start of the body, which is read to its end where that is short and comes soon."""
    from monitor.notify.ssrf_guard import FAILURES

    start, count = b"", 0
    with suppress(*FAILURES):  # the status is what counts
        for part in response.iter_stream():
            start += part[: _REASON - len(start)]
            count += len(part)
            if count > _BODY:
                break
    return start


def _one_line(body: bytes) -> str:
    """Receivers often say in the body of a refusal what is wrong."""
    text = body.decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
