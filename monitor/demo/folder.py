"""The demo's work folder: its configuration, which people may read and reuse, and the webhook's secret."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
from pathlib import Path

from monitor.errors import SettingsError
from monitor.outputs.replacing import replacing, why

MARKER = ".watchkeeper-demo"
CONFIG = "watchkeeper.toml"
DATABASE = "watchkeeper.db"
SECRET = "webhook.secret"  # noqa: S105 (the name of a file)

_CONFIG = """\
# Written by `watchkeeper demo`. Explain it with: watchkeeper check {file}
# For a plant of your own: a real broker (`make kafka`), your topics, and a receiver that is always there.
models = {models}

[kafka]
bootstrap_servers = "embedded"  # in memory, for trying out; else "localhost:9092"
group = "watchkeeper-demo"

[store]
url = {url}

[families.temperature]  # machines, a reading every 10 s; recipe `default`
topic = "temperature"
interval = "10s"
alerts = {{ open_count = 4, open_of = 5 }}  # what lasts for 40 s is worth a call

[families.temperature.detector]
kind = "dense"
options = {{ epochs = 40, batch_size = 256, learning_rate = 0.004 }}  # a demo is in a hurry

[families.ecg]  # patients; each message is a heartbeat of 70 numbers; recipe `vectors`
topic = "ecg"
interval = "none"
window = {{ kind = "message", length = 70 }}

[families.ecg.detector]
kind = "lstm"
options = {{ epochs = 20, batch_size = 32, learning_rate = 0.01 }}

[notify]
max_age = "none"  # the hours that are simulated lie in the past; with the default, 1h, nothing would be sent

[notify.receiver]  # the demo's own; it ended with the demo
kind = "webhook"
url = {receiver}
secret_file = [{secret}]
allow_hosts = ["127.0.0.1"]

[notify.log]
kind = "log"
"""


def prepare(folder: Path) -> str:
    """Empty the folder, make a new secret in it and return the secret. Raises SettingsError if it is not the demo's."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    try:
        if folder.exists():
            _empty(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARKER).write_text("`watchkeeper demo` empties this folder each time it starts.\n", encoding="utf-8")
        (folder / SECRET).touch(mode=0o600)
        (folder / SECRET).write_text(secret, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{folder} cannot be used: {why(error)}; or give another with --folder") from None
    return secret


def write_config(folder: Path, receiver: str) -> Path:
    """Write the configuration; `receiver` is the URL that webhooks go to."""
    file = folder / CONFIG
    text = _CONFIG.format(
        file=file, url=_toml(f"sqlite:///{folder / DATABASE}"), models=_toml(str(folder / "artefacts")),
        receiver=_toml(receiver), secret=_toml(str(folder / SECRET)),
    )  # fmt: skip
    with replacing(file) as output:
        output.write(text.encode())
    return file


def _empty(folder: Path) -> None:
    inside = list(folder.iterdir())
    if inside and folder / MARKER not in inside:
        raise SettingsError(f"{folder} holds files that are not the demo's; give another folder with --folder")
    for path in inside:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _toml(text: str) -> str:
    """A TOML string; JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False)
