"""Signed HTTP posts after Standard Webhooks 1.0 (https://www.standardwebhooks.com).

Each post carries `webhook-id` (of the transition in this store, equal in every repeat), `webhook-timestamp` (of this
try) and `webhook-signature` with one `v1` signature per secret, so that a secret is rotated by configuring two for a
while.
2xx is success; everything else is a failure, redirects too; 410 means that the receiver is gone for good.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
import standardwebhooks

from monitor.config.services import WebhookNotifier
from monitor.errors import NotifyError, SettingsError
from monitor.notify.ssrf_guard import GuardedTransport, Resolver, is_public, refusal, resolve, same_host
from monitor.records.alerts import Delivery

_PREFIX = "whsec_"
_MIN_SECRET = 24  # bytes, as the standard asks
_MAX_RETRY_AFTER = 24 * 3600.0  # a receiver cannot silence a channel for longer than a day at a time
_REASON = 300  # bytes of a refusal's body that are read and kept
_HOW_TO = (
    'make one with: python -c "import base64, secrets; '
    "print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\""
)


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
        self._url = _checked(settings)
        self._signers = [standardwebhooks.Webhook(secret) for secret in _secrets(settings, environ)]
        if not self._signers:
            raise SettingsError(f"{self!r} has no secret; name one with secret_env or secret_file, and {_HOW_TO}")
        self._clock = clock
        self._timeout = settings.timeout / 1e9
        self._transport = GuardedTransport(self._timeout, settings.allow_hosts, resolver)

    def __repr__(self) -> str:
        # The path is left out: with many services it is itself a secret.
        return f"webhook to {self._url.scheme}://{self._url.netloc.decode()}"

    def send(self, delivery: Delivery) -> None:
        """Post once. Raises NotifyError unless the receiver answered 2xx within the timeout."""
        request = httpx.Request("POST", self._url, headers=self._headers(delivery), content=delivery.payload.encode())
        # Straight to the transport: a client would add redirects, cookies, and a log line with the whole URL.
        try:
            response = self._transport.handle_request(request)
            try:
                self._judge(response)
            finally:
                response.close()
        except httpx.TimeoutException:
            raise NotifyError(f"{self!r}: no answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotifyError(f"{self!r}: {error or type(error).__name__}") from None

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

    def _judge(self, response: httpx.Response) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        parts = [f"{self!r}", f"HTTP {status} {httpx.codes.get_reason_phrase(status)}".rstrip()]
        if 300 <= status < 400:
            parts.append("redirects are not followed; configure the final URL")
        parts.append(_reason(response))
        raise NotifyError(
            ": ".join(part for part in parts if part),
            retry_after=_retry_after(response.headers.get("retry-after"), self._clock() / 1e9),
            permanent=status == httpx.codes.GONE,
        )


def _checked(settings: WebhookNotifier) -> httpx.URL:
    """The URL, if it can be posted to at all. What a name resolves to is checked at each post."""
    try:
        url = httpx.URL(settings.url)
        urlsplit(settings.url)  # refuses other mistakes: a bracket that is left open
    except (httpx.InvalidURL, ValueError) as error:
        raise SettingsError(f"the webhook's url is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError("the webhook's url must start with http:// or https:// and name a host")
    if url.userinfo:
        raise SettingsError("the webhook's url must not hold a user or password; receivers check the signature instead")
    try:
        address = str(ipaddress.ip_address(url.host))
    except ValueError:
        return url
    if not is_public(address) and same_host(url.host) not in map(same_host, settings.allow_hosts):
        raise SettingsError(refusal(url.host, address))
    return url


def _secrets(settings: WebhookNotifier, environ: Mapping[str, str]) -> Iterator[bytes]:
    for name in settings.secret_env:
        if not environ.get(name, "").strip():
            raise SettingsError(f"the environment variable {name} must hold the webhook's secret; {_HOW_TO}")
        yield _secret(environ[name], f"the environment variable {name}")
    for path in settings.secret_file:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise SettingsError(f"{path} must hold the webhook's secret: {why}; {_HOW_TO}") from None
        yield _secret(text, str(path))


def _secret(text: str, where: str) -> bytes:
    """The key: `whsec_` and base64, or any other text as its UTF-8 bytes. Messages never show it."""
    text = text.strip()
    if text.startswith(_PREFIX):
        encoded = text.removeprefix(_PREFIX).rstrip("=")
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except binascii.Error:
            raise SettingsError(f"{where}: what follows {_PREFIX} is not base64; {_HOW_TO}") from None
    else:
        key = text.encode()
    if len(key) < _MIN_SECRET:
        raise SettingsError(f"{where}: the secret has {len(key)} bytes and needs {_MIN_SECRET}; {_HOW_TO}")
    return key


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


def _reason(response: httpx.Response) -> str:
    """The start of the body on one line: receivers often say there what is wrong."""
    body = b""
    try:
        for part in response.iter_raw():
            body += part
            if len(body) >= _REASON:
                break
    except httpx.HTTPError:
        pass  # the status is what counts
    text = body[:_REASON].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
