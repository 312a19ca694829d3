"""Signed HTTP posts after Standard Webhooks 1.0 (https://www.standardwebhooks.com).

Each post carries `webhook-id` (of the transition in this store, equal in every repeat), `webhook-timestamp` (of this
try) and `webhook-signature` with one `v1` signature per secret, so that a secret is rotated by configuring two for a
while.
2xx is success; everything else is a failure, redirects too. 401, 403, 404, 405, 407, 408, 429, 3xx, 5xx and no answer
speak of the endpoint, or of its URL and secret; 410 says that it is gone for good. Every other 4xx refuses this
message, and the endpoint works.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING

from monitor.config.notifiers import WebhookNotifier
from monitor.errors import NotifyError, SettingsError
from monitor.notify.hosts import Resolver, resolve
from monitor.notify.webhook_target import HOW_TO, Target, secrets
from monitor.records.alerts import Delivery

if TYPE_CHECKING:  # what only sending needs is imported at the first message: it is slow, and `check` sends none
    import httpx
    import standardwebhooks

    from monitor.notify.ssrf_guard import GuardedTransport

_MAX_RETRY_AFTER = 24 * 3600.0  # a receiver cannot silence a channel for longer than a day at a time
_OF_THE_ENDPOINT = (401, 403, 404, 405, 407, 408, 410, 429)  # answers that every message gets alike
_REASON = 300  # bytes of a refusal's body that are kept
_BODY = 65_536  # bytes of a body that are read: a connection can only be used again behind it
_BODY_S = 1.0  # seconds that a body may take; what matters has been said before it


class Webhook:
    """Posts deliveries to one URL. `clock` gives wall time in ns; `resolver` the addresses of a host.

    Raises SettingsError when the URL cannot be used or a secret is absent, too short or not base64.
    """

    def __init__(
        self,
        settings: WebhookNotifier,
        environ: Mapping[str, str],
        clock: Callable[[], int] = time.time_ns,
        resolver: Resolver = resolve,
    ) -> None:
        self._target = Target.of(settings)
        self._secrets = list(secrets(settings, environ))
        if not self._secrets:
            raise SettingsError(f"{self!r} has no secret; name one with secret_env or secret_file, and {HOW_TO}")
        self._clock = clock
        self.timeout = settings.timeout / 1e9
        self._allow_hosts, self._resolver = settings.allow_hosts, resolver

    def __repr__(self) -> str:
        return f"webhook to {self._target.shown}"

    @cached_property
    def _signers(self) -> list[standardwebhooks.Webhook]:
        import standardwebhooks

        return [standardwebhooks.Webhook(secret) for secret in self._secrets]

    @cached_property
    def _transport(self) -> GuardedTransport:
        from monitor.notify.ssrf_guard import GuardedTransport

        return GuardedTransport(self.timeout, self._allow_hosts, self._resolver)

    def send(self, delivery: Delivery) -> None:
        """Post once. Raises NotifyError unless the receiver answered 2xx within the timeout."""
        import httpx

        request = httpx.Request(
            "POST", self._target.url, headers=self._headers(delivery), content=delivery.payload.encode()
        )
        # Straight to the transport: a client would add redirects, cookies, and a log line with the whole URL.
        try:
            response = self._transport.handle_request(request)
            try:
                self._transport.attempt.shorten(_BODY_S)
                self._judge(response, _start(response))
            finally:
                response.close()
        except httpx.TimeoutException:
            raise NotifyError(f"{self!r}: no answer within {self.timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotifyError(f"{self!r}: {self._target.hide(str(error)) or type(error).__name__}") from None

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        name = str(delivery.message)
        now = datetime.fromtimestamp(self._clock() // 10**9, UTC)
        signatures = [signer.sign(name, now, delivery.payload) for signer in self._signers]
        return {
            "content-type": "application/json",
            "user-agent": "watchkeeper",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    def _judge(self, response: httpx.Response, body: bytes) -> None:
        import httpx

        status = response.status_code
        if 200 <= status < 300:
            return
        parts = [f"{self!r}", f"HTTP {status} {httpx.codes.get_reason_phrase(status)}".rstrip()]
        if 300 <= status < 400:
            parts.append("redirects are not followed; configure the final URL")
        parts.append(self._target.hide(_one_line(body)))
        raise NotifyError(
            ": ".join(part for part in parts if part),
            retry_after=_retry_after(response.headers.get("retry-after"), self._clock() / 1e9),
            permanent=status == httpx.codes.GONE,
            refused=400 <= status < 500 and status not in _OF_THE_ENDPOINT,
        )


def _retry_after(header: str | None, now: float) -> float | None:
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


def _start(response: httpx.Response) -> bytes:
    """The start of the body, which is read to its end where that is short and comes soon."""
    import httpx

    start, count = b"", 0
    with suppress(httpx.HTTPError):  # the status is what counts
        for part in response.iter_raw():
            start += part[: _REASON - len(start)]
            count += len(part)
            if count > _BODY:
                break
    return start


def _one_line(body: bytes) -> str:
    """Receivers often say in the body of a refusal what is wrong."""
    text = body.decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
