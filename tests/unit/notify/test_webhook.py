"""The webhook against real servers on this machine: signatures, refusals, time limits, secrets."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from uuid import UUID

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.notifiers import WebhookNotifier
from monitor.errors import NotifyError, SettingsError
from monitor.notify.posting import retry_after
from monitor.notify.webhook import Webhook
from monitor.records.alerts import Delivery
from monitor.testing.webhook_receiver import Answer, Receiver

OLD = "whsec_" + base64.b64encode(b"the old secret of 24 byt").decode()
NEW = "whsec_" + base64.b64encode(b"the new secret, 32 bytes or more").decode()
RAW = "a raw passphrase, used as its bytes"
DELIVERY = Delivery(
    id=1, message=UUID(int=9), transition=UUID(int=7), alert=UUID(int=8), channel="ops", payload='{"é":1}', attempts=0
)


def make_webhook(url: str, secrets: Sequence[str] = (NEW,), timeout: int = 5 * 10**9) -> Webhook:
    environ = {f"SECRET_{i}": secret for i, secret in enumerate(secrets)}
    settings = WebhookNotifier(
        kind="webhook", url=url, secret_env=tuple(environ), allow_hosts=("127.0.0.1", "hooks.test"), timeout=timeout
    )
    return Webhook(settings, environ, resolver=lambda host, port: ["127.0.0.1"])


def failure(*answers: Answer, timeout: int = 5 * 10**9) -> NotifyError:
    """How a post fails when it is answered like this; it is posted exactly once."""
    with Receiver(NEW, answers) as receiver:
        with pytest.raises(NotifyError) as caught:
            make_webhook(receiver.url, timeout=timeout).send(DELIVERY)
        assert len(receiver.received) == 1
    return caught.value


@contextmanager
def dripping_server() -> Iterator[str]:
    """Sends a byte of a never-ending header every 50 ms."""
    server = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                while not done.wait(0.05):
                    connection.sendall(b"x")
            except OSError:
                pass  # the client left, as it should

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
    finally:
        done.set()
        thread.join()
        server.close()


@pytest.mark.parametrize("secret", [OLD, NEW, NEW.rstrip("="), RAW])
def test_a_receiver_with_the_secret_accepts_the_signature(secret: str) -> None:
    with Receiver(secret) as receiver:
        make_webhook(receiver.url, [secret]).send(DELIVERY)

    assert [(str(DELIVERY.message), {"é": 1})] == [(r.id, r.message) for r in receiver.received]


def test_a_receiver_with_another_secret_refuses() -> None:
    with Receiver(OLD) as receiver, pytest.raises(NotifyError, match="HTTP 401 Unauthorized: wrong signature"):
        make_webhook(receiver.url, [NEW]).send(DELIVERY)

    assert (receiver.refused, receiver.received) == (1, [])


@pytest.mark.parametrize("known", [OLD, NEW])
def test_during_rotation_receivers_with_either_secret_accept(known: str) -> None:
    with Receiver(known) as receiver:
        make_webhook(receiver.url, [NEW, OLD]).send(DELIVERY)

    assert len(receiver.received) == 1


def test_the_headers_are_those_of_the_standard() -> None:
    headers = make_webhook("http://127.0.0.1/", [NEW, OLD])._headers(DELIVERY)

    assert headers["webhook-id"] == str(DELIVERY.message)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5
    assert [part.split(",")[0] for part in headers["webhook-signature"].split(" ")] == ["v1", "v1"]
    assert standardwebhooks.Webhook(OLD).verify(DELIVERY.payload, headers) == {"é": 1}


def test_secrets_come_from_files_too(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(NEW + "\n")
    with Receiver(NEW) as receiver:
        settings = WebhookNotifier(kind="webhook", url=receiver.url, secret_file=(path,), allow_hosts=("127.0.0.1",))
        Webhook(settings, {}).send(DELIVERY)

    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "environment variable HOOK must hold"),
        ({"HOOK": "  "}, "environment variable HOOK must hold"),
        ({"HOOK": "short-one"}, "HOOK: the secret has 9 bytes and needs 24"),
        ({"HOOK": "whsec_c2hvcnQ="}, "HOOK: the secret has 5 bytes and needs 24"),
        ({"HOOK": "whsec_not*base64!"}, "HOOK: what follows whsec_ is not base64"),
    ],
)
def test_an_unusable_secret_stops_the_start_and_is_not_shown(environ: dict[str, str], message: str) -> None:
    settings = WebhookNotifier(kind="webhook", url="https://hooks.example/x", secret_env=("HOOK",))

    with pytest.raises(SettingsError, match=message.replace("*", r"\*")) as caught:
        Webhook(settings, environ)

    assert "secrets.token_bytes" in str(caught.value)  # says how to make one
    assert not any(secret.strip() and secret.strip() in str(caught.value) for secret in environ.values())


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    settings = WebhookNotifier(kind="webhook", url="https://hooks.example/x", secret_file=(tmp_path / "absent",))

    with pytest.raises(SettingsError, match="absent must hold the webhook's secret: No such file"):
        Webhook(settings, {})


def test_a_webhook_without_any_secret_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"https://hooks\.example has no secret"):
        Webhook(WebhookNotifier(kind="webhook", url="https://hooks.example/token"), {})


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://hooks.example/", "must start with http:// or https://"),
        ("file:///etc/passwd", "must start with http:// or https://"),
        ("hooks.example/x", "must start with http:// or https://"),
        ("https://user:hunter2@hooks.example/", "must not hold a user or password"),
        ("http://[::1", "is not a URL"),
        ("http://0177.0.0.1/", "is not a URL"),
        ("http://192.168.1.5/hook", r'add allow_hosts = \["192.168.1.5"\]'),
        ("http://[::1]/hook", r'add allow_hosts = \["::1"\]'),
    ],
)
def test_an_unusable_url_stops_the_start(url: str, message: str) -> None:
    settings = WebhookNotifier(kind="webhook", url=url, secret_env=("HOOK",))

    with pytest.raises(SettingsError, match=message) as caught:
        Webhook(settings, {"HOOK": NEW})

    assert "hunter2" not in str(caught.value)


def test_nothing_shows_secret_or_path() -> None:
    webhook = make_webhook("https://hooks.test/services/T0KEN", [NEW, RAW])

    shown = f"{webhook!r} {webhook}"
    assert shown == "webhook to https://hooks.test webhook to https://hooks.test"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_redirects_are_failures_and_not_followed(status: int) -> None:
    with Receiver(NEW) as elsewhere:
        error = failure(Answer(status, {"location": elsewhere.url}))

    assert "redirects are not followed" in str(error)
    assert not error.permanent
    assert elsewhere.received == []


@pytest.mark.parametrize("status", [400, 402, 409, 413, 415, 422, 451, 499])
def test_a_refused_message_says_nothing_against_the_endpoint(status: int) -> None:
    error = failure(Answer(status))

    assert f"HTTP {status}" in str(error)
    assert (error.retry_after, error.permanent, error.refused) == (None, False, True)


@pytest.mark.parametrize("status", [302, 304, 401, 403, 404, 405, 407, 408, 429, 500, 501, 502, 503, 504, 599])
def test_other_statuses_are_failures_of_the_endpoint(status: int) -> None:
    error = failure(Answer(status))

    assert f"HTTP {status}" in str(error)
    assert (error.retry_after, error.permanent, error.refused) == (None, False, False)


def test_gone_is_permanent() -> None:
    error = failure(Answer(410))

    assert (error.permanent, error.refused) == (True, False)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_success_and_its_body_is_not_read(status: int) -> None:
    body = b"" if status == 204 else b"x" * 50_000_000
    with Receiver(NEW, [Answer(status, body=body)]) as receiver:
        began = time.monotonic()
        make_webhook(receiver.url).send(DELIVERY)

    assert time.monotonic() - began < 2


def test_only_the_start_of_a_big_refusal_is_kept() -> None:
    error = failure(Answer(500, body=b"line one\nline \x1b[31mtwo " + b"x" * 50_000_000))

    assert len(str(error)) < 500
    assert "HTTP 500 Internal Server Error: line one line [31mtwo xxx" in str(error)


@pytest.mark.parametrize(("header", "seconds"), [("0", 0.0), ("17", 17.0), ("99999999", 86400.0)])
def test_retry_after_in_seconds(header: str, seconds: float) -> None:
    assert seconds == failure(Answer(429, {"retry-after": header})).retry_after


@pytest.mark.parametrize(("offset", "low", "high"), [(120, 110, 121), (-60, 0, 0), (10**8, 86400, 86400)])
def test_retry_after_as_a_date(offset: int, low: float, high: float) -> None:
    header = formatdate(time.time() + offset, usegmt=True)

    wait = failure(Answer(503, {"retry-after": header})).retry_after

    assert wait is not None
    assert low <= wait <= high


@given(st.text(max_size=40) | st.sampled_from(["-1", "1.5", "inf", "nan", "soon", "9" * 400, "Mon, 99 Foo 2024"]))
def test_any_other_retry_after_is_harmless(header: str) -> None:
    wait = retry_after(header, 0.0)

    assert wait is None or 0 <= wait <= 86400


@pytest.mark.parametrize("header", ["-1", "1.5", "inf", "nan", "soon", "9" * 400, "", "٣"])
def test_an_unreadable_retry_after_is_ignored(header: str) -> None:
    assert retry_after(header, 0.0) is None


def test_a_slow_receiver_is_given_up_after_the_timeout() -> None:
    began = time.monotonic()

    error = failure(Answer(delay=5), timeout=300_000_000)

    assert "no answer within 0.3 s" in str(error)
    assert time.monotonic() - began < 2


def test_a_receiver_that_drips_bytes_is_given_up_after_the_timeout() -> None:
    began = time.monotonic()

    with dripping_server() as url, pytest.raises(NotifyError, match="no answer within"):
        make_webhook(url, timeout=400_000_000).send(DELIVERY)

    assert time.monotonic() - began < 2


def test_a_refused_connection_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(NotifyError, match="refused"):
        make_webhook(f"http://127.0.0.1:{port}/").send(DELIVERY)


def test_proxies_from_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Receiver(NEW) as receiver:
        make_webhook(receiver.url).send(DELIVERY)

    assert len(receiver.received) == 1
