"""Messages to people by Apprise (extra `apprise`): e-mail, Slack, Teams, Telegram, ntfy and others, as text.

The outbox decides when a message is sent again, so Apprise sends once. One address is one channel: each has its retries
and its pauses, and a dead one has no message sent twice to another. An address is a secret; errors come without it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import UUID

from monitor.config.notifiers import AppriseNotifier
from monitor.config.secrets import hidden
from monitor.errors import NotifyError, SettingsError
from monitor.notify.apprise_log import said_by_this_thread
from monitor.notify.message import Message, message_of
from monitor.notify.secret_text import secret_text
from monitor.notify.socket_guard import RefusedError, guarded
from monitor.records.alerts import Delivery, Evidence, Severity

if TYPE_CHECKING:
    from apprise import AppriseAsset
    from apprise.plugins.base import NotifyBase

# Services over HTTPS and SMTP. Not among them: what runs or shows something on this machine, writes to its files or
# log, or opens connections in ways that the guard does not see.
_SCHEMAS = (
    "bark", "barks", "discord", "gchat", "gotify", "gotifys", "json", "jsons", "line", "mailgun", "mailto", "mailtos",
    "matrix", "matrixs", "mmost", "mmosts", "msg91", "nctalk", "nctalks", "ntfy", "ntfys", "o365", "onesignal", "pbul",
    "pover", "prowl", "revolt", "rocket", "rockets", "sendgrid", "ses", "signal", "signals", "sinch", "slack",
    "smtp2go", "sns", "sparkpost", "tgram", "threema", "twilio", "victorops", "vonage", "webex", "whatsapp", "workflow",
    "workflows", "wxteams", "zulip",
)  # fmt: skip
SCHEMAS = frozenset(_SCHEMAS)
_AT_ONCE = 8  # tries that run; one that has not answered in time may go on for a while


class Apprise:
    """Sends each change of an alert to one address. Raises SettingsError where the address cannot be used."""

    def __init__(self, settings: AppriseNotifier, environ: Mapping[str, str]) -> None:
        if find_spec("apprise") is None:
            raise SettingsError("Apprise is not installed; pip install 'watchkeeper[apprise]'")
        self._settings = settings
        self._url = secret_text("url", settings.url_env, settings.url_file, environ)
        schema = self._url.partition("://")[0].lower()
        if schema not in SCHEMAS:  # never repeats it: it may be all of the secret
            raise SettingsError(f"the address begins with none of the schemas that are allowed: {', '.join(_SCHEMAS)}")
        self._schema = schema
        self.timeout = settings.timeout / 1e9
        self._evidence: Callable[[UUID], Evidence | None] = lambda _: None
        self._running = threading.BoundedSemaphore(_AT_ONCE)
        self._made()

    def __repr__(self) -> str:
        return f"apprise by {self._schema}"

    def illustrate(self, evidence: Callable[[UUID], Evidence | None]) -> None:
        """Take the evidence behind an alert from there, and attach a picture of it where the service takes one."""
        self._evidence = evidence

    def send(self, delivery: Delivery) -> None:
        """Send once. Raises NotifyError unless the service has taken it within the timeout."""
        message = message_of(delivery)
        if not self._running.acquire(blocking=False):
            raise NotifyError(f"{self!r}: {_AT_ONCE} earlier tries have not ended yet")
        answer: Future[None] = Future()

        def run() -> None:
            try:
                self._send(message)
                answer.set_result(None)
            except BaseException as error:
                answer.set_exception(error)
            finally:
                self._running.release()

        threading.Thread(target=run, name="apprise", daemon=True).start()
        try:
            answer.result(self.timeout)
        except TimeoutError:
            raise NotifyError(f"{self!r}: no answer within {self.timeout:g} s") from None
        except NotifyError:
            raise
        except Exception as error:
            raise NotifyError(f"{self!r}: {self._hide(str(error)) or type(error).__name__}") from None

    def preview(self, delivery: Delivery) -> str:
        """Title and body."""
        title, body = self._text(message_of(delivery))
        return f"{title}\n\n{body}"

    def _text(self, message: Message) -> tuple[str, str]:
        title = message.title(self._settings.title) or message.summary
        return title, message.fill(self._settings.body) or title

    def _send(self, message: Message) -> None:
        plugin, (title, body) = self._made(), self._text(message)
        with said_by_this_thread() as said:
            try:
                with guarded(self._settings.allow_hosts):
                    taken = plugin.notify(
                        body=body, title=title, notify_type=_type(message), body_format="text",
                        attach=self._picture(message, plugin),
                    )  # fmt: skip
            except RefusedError as error:
                raise NotifyError(f"{self!r}: {error}") from None
        if not taken:
            raise NotifyError(f"{self!r}: {self._hide(' '.join(said)) or 'the service has not taken it'}")

    def _picture(self, message: Message, plugin: NotifyBase) -> Any:
        """The picture as an attachment of Apprise, or None: without one the message is sent all the same."""
        if not (self._settings.picture and plugin.attachment_support and message.type == "alert.opened"):
            return None
        evidence = self._evidence(UUID(str(message.data["alert_id"])))
        if evidence is None:
            return None
        from apprise import AppriseAttachment
        from apprise.attachment.memory import AttachMemory

        from monitor.notify.picture import picture

        attachment: Any = AttachMemory  # without types
        drawn = attachment(content=picture(evidence, message.summary), name="evidence.png", mimetype="image/png")
        attached = AppriseAttachment()
        attached.add(drawn)
        return attached

    def _made(self) -> NotifyBase:
        """The service of the address. Raises SettingsError."""
        from apprise import Apprise as Library

        with said_by_this_thread():
            made = Library.instantiate(self._url, asset=_asset())
        if made is None:
            raise SettingsError(f"the address is none that Apprise understands as {self._schema}")
        if not made.verify_certificate:
            raise SettingsError(
                "the address has verify=no: certificates are always verified; trust the plant's CA instead"
            )
        made.redirects = False
        return made

    def _hide(self, text: str) -> str:
        whole = self._url.partition("://")[2]
        parts = [part for part in re.split(r"[/:@?&=,;]+", whole) if part]
        return hidden(text, [form for part in (whole, *parts) for form in (part, unquote(part))])


def _asset() -> AppriseAsset:
    from apprise import AppriseAsset, PersistentStoreMode

    return AppriseAsset(
        app_id="Watchkeeper", app_desc="Watchkeeper", async_mode=False, http_redirects=False, pgp_autogen=False,
        pem_autogen=False, interpret_escapes=False, interpret_emojis=False, storage_mode=PersistentStoreMode.MEMORY,
        service_timeout=0,
    )  # fmt: skip


def _type(message: Message) -> Any:
    from apprise import NotifyType

    if message.is_over:
        return NotifyType.SUCCESS
    if message.is_seen:
        return NotifyType.INFO
    return NotifyType.FAILURE if message.get("severity") == Severity.CRITICAL else NotifyType.WARNING
