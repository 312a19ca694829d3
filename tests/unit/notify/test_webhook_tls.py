"""The webhook over TLS: the certificate must show the configured name, whatever address is dialled."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor.errors import NotifyError
from monitor.testing.webhook_receiver import Receiver
from tests.unit.notify.test_webhook import DELIVERY, NEW, make_webhook


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for hooks.test with its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hooks.test",
        "-addext", "subjectAltName=DNS:hooks.test", "-keyout", str(folder / "key.pem"),
        "-out", str(folder / "cert.pem"),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no usable openssl command to make a certificate with: {error}")
    both = folder / "both.pem"
    both.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    return both


@contextmanager
def tls_receiver(certificate: Path) -> Iterator[tuple[Receiver, int]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    receiver = Receiver(NEW)
    receiver._server.socket = context.wrap_socket(receiver._server.socket, server_side=True)
    with receiver:
        yield receiver, receiver._server.server_port


def test_tls_is_checked_against_the_name_although_an_address_is_dialled(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with tls_receiver(certificate) as (receiver, port):
        make_webhook(f"https://hooks.test:{port}/hook").send(DELIVERY)
        with pytest.raises(NotifyError, match="certificate"):
            make_webhook(f"https://127.0.0.1:{port}/hook").send(DELIVERY)

    assert len(receiver.received) == 1


def test_an_unknown_certificate_authority_is_refused(certificate: Path) -> None:
    with tls_receiver(certificate) as (receiver, port), pytest.raises(NotifyError, match="certificate"):
        make_webhook(f"https://hooks.test:{port}/hook").send(DELIVERY)

    assert receiver.received == []
