"""Signed HTTP posts after Standard Webhooks 1.0 (https://www.standardwebhooks.com).

Each post carries `webhook-id` (of the transition in this store, equal in every repeat), `webhook-timestamp` (of this
try) and `webhook-signature` with one `v1` signature per secret, so that a secret is rotated by configuring two for a
while. How answers are judged: `monitor.notify.posting`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from monitor.config.notifiers import WebhookNotifier
from monitor.errors import SettingsError
from monitor.notify.hosts import Resolver, resolve
from monitor.notify.posting import JSON, Poster
from monitor.notify.webhook_target import HOW_TO, secrets
from monitor.records.alerts import Delivery

if TYPE_CHECKING:
    import standardwebhooks


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
        self._poster = Poster(settings, clock, resolver)
        self._secrets = list(secrets(settings, environ))
        if not self._secrets:
            raise SettingsError(f"{self!r} has no secret; name one with secret_env or secret_file, and {HOW_TO}")
        self._clock = clock
        self.timeout = self._poster.timeout

    def __repr__(self) -> str:
        return repr(self._poster)

    @cached_property
    def _signers(self) -> list[standardwebhooks.Webhook]:
        import standardwebhooks

        return [standardwebhooks.Webhook(secret) for secret in self._secrets]

    def send(self, delivery: Delivery) -> str:
        """Post once. Raises NotifyError unless the receiver answered 2xx within the timeout."""
        return self._poster.post(delivery.payload, self._headers(delivery))

    def preview(self, delivery: Delivery) -> str:
        """The body of the post."""
        return delivery.payload

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        name = str(delivery.message)
        now = datetime.fromtimestamp(self._clock() // 10**9, UTC)
        signatures = [signer.sign(name, now, delivery.payload) for signer in self._signers]
        return {
            **JSON,
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
