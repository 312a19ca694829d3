"""No command shows a password or token of a URL or an option, or a long part of one, however it is written."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.bootstrap import NOTIFIERS
from monitor.cli.app import main
from monitor.config.notifiers import AppriseNotifier, PagerdutyNotifier, WebhookNotifier
from monitor.config.secrets import PART, hidden, is_unclear, shown_url
from monitor.errors import NotifyError, SettingsError
from monitor.notify.apprise import Apprise
from monitor.notify.pagerduty import Pagerduty
from monitor.notify.sample import sample
from monitor.notify.webhook import Webhook
from monitor.notify.webhook_target import Target
from monitor.records.escapes import visible
from monitor.testing.json_receiver import JsonReceiver
from monitor.testing.webhook_receiver import Answer

pytestmark = pytest.mark.usefixtures("frozen_heap")

HOSTILE = "@/#:?&=%+ []{}\\'\"$,;!~|<>`^"
secret = st.builds(
    lambda parts, end: "".join(parts) + end,
    st.lists(st.sampled_from([*HOSTILE, "qzx", "JKV7", "wjq", "@zzq"]), min_size=4, max_size=12),
    st.text("qzxjkvQZXJKV", min_size=10, max_size=20),
)
NOWHERE = "127.0.0.1:1"  # a port where none listens
URLS = {
    "store": [
        "postgresql://wk:{}@" + NOWHERE + "/watch",
        "postgresql://" + NOWHERE + "/watch?user=wk&password={}",
        "postgresql://wk@" + NOWHERE + "/watch?sslpassword={}",
        "mysql://wk:{}@" + NOWHERE + "/watch",
        "postgresql:/wk:{}@" + NOWHERE,
    ],
    "schema_registry": [
        "http://wk:{}@" + NOWHERE,
        "http://{}@" + NOWHERE,
        "http://" + NOWHERE + "/?token={}",
        "ftp://wk:{}@" + NOWHERE,
        "http://" + NOWHERE + "/a?{}",
    ],
    "notify": [
        "http://" + NOWHERE + "/hook/{}",
        "http://" + NOWHERE + "/hook?token={}",
        "http://wk:{}@" + NOWHERE + "/hook",
        "ftp://wk:{}@" + NOWHERE + "/hook",
    ],
    "kafka": ["wk:{}@" + NOWHERE, "SASL_SSL://wk:{}@" + NOWHERE],
}
FORMS = [(where, form, how) for where, forms in URLS.items() for form in forms for how in (str, lambda s: quote(s, ""))]
OPTIONS = [
    {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "wk", "sasl.password": "{}"},
    {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.config": "{}",
     "enable.sasl.oauthbearer.unsecure.jwt": True},
    {"security.protocol": "ssl", "ssl.key.pem": "{}", "ssl.key.password": "{}"},
    {"sasl.pasword": "{}"},
]  # fmt: skip
# Tables of channels with a secret wherever one may stand, by mistake too; WK_SECRET holds it as well.
CHANNELS: list[dict[str, Any]] = [
    *(
        {"kind": kind, "url": form, "allow_hosts": ["127.0.0.1"], **more}
        for kind, more in (("pagerduty", {"routing_key_env": "WK_SECRET"}), ("alertmanager", {}))
        for form in URLS["notify"]
    ),
    {"kind": "pagerduty", "routing_key_env": "WK_SECRET", "url": f"http://{NOWHERE}/", "allow_hosts": ["127.0.0.1"]},
    {"kind": "pagerduty", "routing_key_env": "{}"},
    {"kind": "pagerduty", "routing_key_file": "{}"},
    {"kind": "pagerduty", "routing_key": "{}"},
    {"kind": "apprise", "url_env": "WK_SECRET"},
    {"kind": "apprise", "url_env": "{}"},
    {"kind": "apprise", "url_file": "{}"},
    {"kind": "apprise", "url": "slack://{}"},
    *(
        {"kind": "apprise", "url_env": "WK_ADDRESS", "address": address, "allow_hosts": ["127.0.0.1"]}
        for address in (
            "slack://{}/{}/{}", "json://wk:{}@" + NOWHERE + "/{}", "mailto://wk:{}@" + NOWHERE + "/a@b.example?x={}",
            "tgram://{}/12", "ntfy://{}@" + NOWHERE + "/{}", "syslog://{}",
        )
    ),
    *(
        {"kind": "kafka", "topic": "t", "bootstrap_servers": NOWHERE, "timeout": "100ms", "options": options}
        for options in OPTIONS
    ),
    {"kind": "kafka", "topic": "t", "bootstrap_servers": "wk:{}@" + NOWHERE},
]  # fmt: skip


def config(folder: Path, **urls: str) -> Path:
    """A configuration in which these settings hold the URLs."""
    registry: dict[str, object] = {"url": urls.get("schema_registry", ""), "options": {"max.retries": 0, "timeout": 1}}
    tables: dict[str, dict[str, object]] = {
        "store": {"url": urls.get("store", f"sqlite:///{folder}/w.db")},
        "kafka": {"bootstrap_servers": urls.get("kafka", "embedded")},
        "schema_registry": registry if "schema_registry" in urls else {},
        "families.f": {
            "topic": "t", "interval": "10s",
            "format.kind": "avro" if "schema_registry" in urls else "json",
            "window.length": 8,
        },
    }  # fmt: skip
    if "notify" in urls:
        tables["notify.hook"] = {
            "kind": "webhook", "url": urls["notify"], "secret_env": ["WK_HOOK"], "allow_hosts": ["127.0.0.1"],
        }  # fmt: skip
    return written(folder, tables)


def written(folder: Path, tables: dict[str, dict[str, object]]) -> Path:
    path = folder / "w.toml"
    lines = []
    for table, keys in tables.items():
        lines += [f"[{table}]"] if keys else []
        for key, value in keys.items():
            if isinstance(value, dict):
                inner = ", ".join(f"{json.dumps(name)} = {json.dumps(each)}" for name, each in value.items())
                lines.append(f"{key} = {{ {inner} }}")
            else:
                lines.append(f"{key} = {json.dumps(value)}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def said(*arguments: str) -> str:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out), suppress(SystemExit):
        patch.setenv("WK_HOOK", "x" * 40)
        main(arguments)
    return out.getvalue()


def assert_kept(secret: str, output: str) -> None:
    """`output` shows no `PART` characters of the secret, as it is, as it is shown, or as JSON or a URL writes it."""
    assert output
    for form in {secret, visible(secret), json.dumps(secret)[1:-1], quote(secret, "")}:
        for i in range(len(form) - PART + 1):
            assert form[i : i + PART] not in output, output


@settings(max_examples=6)
@example("p@ss/w#o:r?d&x=yQZXJKVqzxjkv")
@given(secret)
@pytest.mark.parametrize(("where", "form", "how"), FORMS)
def test_no_command_shows_what_a_url_holds(where: str, form: str, how: type[str], secret: str) -> None:
    with TemporaryDirectory() as folder:
        path = config(Path(folder), **{where: form.format(how(secret))})
        outputs = [said("check", str(path)), said("check", str(path), "--json")]
        if where != "kafka":
            outputs.append(said("check", str(path), "--connect"))
        if where == "store":
            outputs += [said("status", "--config", str(path)), said("run", str(path), "--until-end", "--json")]
            outputs += [said("alerts", "list", "--url", form.format(how(secret)))]
    for output in outputs:
        assert_kept(secret, output)


@settings(max_examples=10)
@given(secret)
@pytest.mark.parametrize("options", OPTIONS)
def test_no_option_of_the_kafka_client_is_shown(options: dict[str, object], secret: str) -> None:
    filled = {name: value.format(secret) if isinstance(value, str) else value for name, value in options.items()}
    with TemporaryDirectory() as folder:
        tables: dict[str, dict[str, object]] = {
            "store": {"url": f"sqlite:///{folder}/w.db"},
            "kafka": {"bootstrap_servers": NOWHERE, "options": filled},
            "families.f": {"topic": "t", "interval": "10s", "window.length": 8},
        }
        path = written(Path(folder), tables)
        for output in (said("check", str(path)), said("check", str(path), "--json")):
            assert_kept(secret, output)


def filled(value: object, secret: str) -> object:
    """The value with the secret in all its texts."""
    if isinstance(value, dict):
        return {name: filled(each, secret) for name, each in value.items()}
    return value.replace("{}", secret) if isinstance(value, str) else value


@settings(max_examples=4)
@example("p@ss/w#o:r?d&x=yQZXJKVqzxjkv")
@given(secret)
@pytest.mark.parametrize("how", [str, lambda text: quote(text, "")])
@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: f"{channel['kind']}-{list(channel)[1]}")
def test_no_command_shows_a_secret_of_a_channel(channel: dict[str, object], how: type[str], secret: str) -> None:
    written_as = how(secret)
    table = {name: filled(value, written_as) for name, value in channel.items() if name != "address"}
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WK_SECRET", secret)
        patch.setenv("WK_ADDRESS", str(filled(channel.get("address", ""), written_as)))
        tables: dict[str, dict[str, object]] = {
            "store": {"url": f"sqlite:///{folder}/w.db"},
            "families.f": {"topic": "t", "interval": "10s", "window.length": 8},
            "notify.it": table,
        }
        path = str(written(Path(folder), tables))
        commands = [["check", path], ["check", path, "--json"], ["notify", "preview", path, "it"]]
        if "address" not in channel or NOWHERE in str(channel["address"]):  # others may be sent to
            commands.append(["notify", "test", path, "it"])
        for command in commands:
            assert_kept(secret, said(*command))


@pytest.mark.parametrize("kind", NOTIFIERS)
def test_every_kind_of_channel_is_asked_for_its_secrets(kind: str) -> None:
    assert kind in {"webhook", "log"} or kind in {channel["kind"] for channel in CHANNELS}


@settings(max_examples=5)
@given(st.text("qzxjkvQZXJKV", min_size=16, max_size=30))
def test_a_receiver_that_repeats_a_secret_does_not_bring_it_into_an_error(secret: str) -> None:
    """Errors are kept in SQL and logged."""
    with JsonReceiver([Answer(400, body=secret.encode())] * 2) as receiver:
        key = PagerdutyNotifier(kind="pagerduty", routing_key_env="S", url=receiver.url, allow_hosts=("127.0.0.1",))
        address = AppriseNotifier(kind="apprise", url_env="U", allow_hosts=("127.0.0.1",))
        url = receiver.url.replace("http://", f"json://wk:{secret}@")
        for notifier in (Pagerduty(key, {"S": secret}), Apprise(address, {"U": url})):
            with pytest.raises(NotifyError) as caught:
                notifier.send(sample("it", 10**18).deliveries[0])
            assert_kept(secret, str(caught.value))
        assert len(receiver.posts) == 2


@pytest.mark.parametrize("key", ["secret_env", "secret_file"])
def test_a_secret_in_place_of_a_name_is_not_repeated(key: str) -> None:
    table = {"kind": "webhook", "url": "https://hooks.example/x", key: ["whsec_QZXJKVqzxjkvQZXJKVqzxjkv"]}
    with pytest.raises(SettingsError) as error:
        Webhook(WebhookNotifier.model_validate(table), {})
    assert_kept("QZXJKVqzxjkvQZXJKVqzxjkv", str(error.value))


def test_an_answer_that_repeats_the_path_of_a_webhook_comes_without_it() -> None:
    hook = WebhookNotifier(kind="webhook", url="https://hooks.example/services/T0/QZXJKVqzxjkv?code=12")
    target = Target.of(hook)
    assert target.hide("no such hook: /services/T0/QZXJKVqzxjkv") == "no such hook: ***"
    assert target.hide("no such hook: QZXJKVqzxjkv, bye") == "no such hook: ***, bye"
    assert target.hide("bad request") == "bad request"
    assert "QZXJKVqzxjkv" not in repr(hook)


@given(secret)
def test_what_is_shown_of_a_url_holds_no_part_of_its_password(secret: str) -> None:
    for scheme in ("postgresql", "postgresql+psycopg", "http", "https"):
        assert_kept(secret, shown_url(f"{scheme}://wk:{secret}@db.plant:5432/watch?sslmode=require"))
        assert_kept(secret, shown_url(f"{scheme}://db.plant:5432/watch?password={secret}&x=1"))
        assert_kept(secret, shown_url(f"{scheme}://db.plant:5432/watch?{secret}"))


@given(secret, st.text(), st.text())
def test_a_text_that_repeats_a_secret_comes_without_it(secret: str, before: str, behind: str) -> None:
    if not set(secret) & set(before + behind):
        assert hidden(f"{before}{secret}{behind}", [secret]) == f"{before}***{behind}"
    assert_kept(secret, hidden(f"{before}{secret[2:]}|{secret[:-2]}{behind} {secret!r}", [secret]) + " ")


@pytest.mark.parametrize(
    ("url", "unclear"),
    [
        ("https://wk:p%40ss@host:8081/x", False),
        ("https://hooks.example/x?to=a@b", True),
        ("https://hooks.example/x@b", True),
        ("https://host:8443/x", False),
        ("https://wk:p@ss@host", True),
        ("https://wk:12/x@host", True),
        ("https://wk:12?x@host", True),
        ("https://wk:12#x@host", True),
        ("postgresql://wk:p/w#x@host/db?sslmode=require", False),
        ("postgresql://wk:p@w@host/db", True),
        ("postgresql://host:5432/db?password=p@w", True),
        ("sqlite:///a@b@c.db?x=@", False),
    ],
)
def test_a_url_whose_password_is_not_escaped_is_unclear(url: str, unclear: bool) -> None:
    assert is_unclear(url) is unclear


@pytest.mark.parametrize(
    ("url", "unclear"),
    [("https://h.example/x?to=a@b", False), ("https://h.example/@a", True), ("https://h.example:443/x?to=a@b", True)],
)
def test_the_query_of_a_webhook_may_hold_an_at_sign(url: str, unclear: bool) -> None:
    assert is_unclear(url, query=True) is unclear
