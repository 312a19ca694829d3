"""Addresses and names that a library would cut, skip or misread later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor import bootstrap
from monitor.cli.parameters.publishing import make_topics
from monitor.config.addresses import broker_problem, web_problem
from monitor.config.settings import parse
from monitor.errors import SettingsError
from monitor.notify.webhook import Webhook
from monitor.replay.bounded_run import Replay

FAMILY = {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 8}}


@pytest.mark.parametrize(
    "servers",
    [
        "embedded", "kafka", "kafka:9092", "k1:9092,k2:9093, k3:1", "10.0.0.1:9092", "[::1]:9092",
        "kafka_1.plant.:9092", "PLAINTEXT://kafka:9092", "sasl_ssl://kafka:9092",
    ],
)  # fmt: skip
def test_brokers(servers: str) -> None:
    assert broker_problem(servers) == ""


@pytest.mark.parametrize(
    ("servers", "problem"),
    [
        ("", "is empty"), (",", "is empty"), ("k:9092,", "is empty"), (" ", "is empty"), ("k:70000", "1 to 65,535"),
        ("k:port", "no port"), ("k:0", "no port"), ("k:", "no port"), ("k:-1", "no port"), ("k:٣", "no port"),
        (":9092", "names no host"), ("999.1.1.1:1", "no address"), ("[::g]:1", "no address"), ("::1", "[::1]:9092"),
        ("http://k:9092", "http is not spoken"), ("k/path:1", "no name of a host"), ("a b:1", "no name of a host"),
        ("k;9092", "no name of a host"), ("a..b", "no name of a host"), ("x" * 64, "no name"), ("kö:1", "in ASCII"),
    ],
)  # fmt: skip
def test_what_is_no_broker(servers: str, problem: str) -> None:
    assert problem in broker_problem(servers)
    with pytest.raises(SettingsError, match=r"kafka.bootstrap_servers: "):
        parse({"families": {"f": FAMILY}, "kafka": {"bootstrap_servers": servers}})
    with pytest.raises(SettingsError, match="--bootstrap-servers: "):
        make_topics(servers, ["t"])


def test_a_scheme_is_the_one_of_the_options() -> None:
    kafka: dict[str, Any] = {"bootstrap_servers": "SSL://k:9092,k:9093"}
    with pytest.raises(SettingsError, match=r'leave out "ssl://", or set the option'):
        parse({"families": {"f": FAMILY}, "kafka": kafka})
    parse({"families": {"f": FAMILY}, "kafka": kafka | {"options": {"security.protocol": "ssl"}}})


@pytest.mark.parametrize("url", ["http://h", "https://u:p@h:8081/a", "http://[::1]:8081", "http://10.0.0.1"])
def test_registries(url: str) -> None:
    assert web_problem(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:8081",
        "ftp://u:hush@h",
        "mock://x",
        "http://",
        "http://u:hush@h:70000",
        "http://h:port",
        "http://a b",
        "http://[h",
    ],
)
def test_what_is_no_registry(url: str) -> None:
    problem = web_problem(url)

    assert problem
    assert "hush" not in problem


@pytest.mark.parametrize("topic", ["", "^x.*", ".", "..", "a b", "a/b", "ü", "x" * 250])
def test_what_is_no_topic(topic: str) -> None:
    with pytest.raises(SettingsError, match=r"families.f.topic: "):
        parse({"families": {"f": FAMILY | {"topic": topic}}})
    with pytest.raises(SettingsError, match="--topic: "):
        make_topics("127.0.0.1:1", [topic])


def test_a_pattern_of_topics_is_said_to_be_one() -> None:
    with pytest.raises(SettingsError, match="is a pattern, which would mix the streams"):
        parse({"families": {"f": FAMILY | {"topic": "^x.*"}}})


@pytest.mark.parametrize("name", ["", " ", "live", "LIVE ", "a\0b", "a\x1b[1m", "x" * 201, " a"])
def test_what_is_no_name_of_a_replay(name: str) -> None:
    with pytest.raises(SettingsError, match="--name"):
        Replay(name, lambda *_: pytest.fail("nothing is opened"))


SECRET = {"HOOK": "whsec_" + "c2VjcmV0" * 4}


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST.", "a.localhost", "127.1", "2130706433", "0x7f000001", "017700000001", "10.1", "[::1]"],
)
def test_a_private_address_is_found_however_it_is_written(host: str) -> None:
    hook = {"kind": "webhook", "url": f"http://{host}:8080/x", "secret_env": ["HOOK"]}
    settings = parse({"families": {"f": FAMILY}, "notify": {"hook": hook}})
    with pytest.raises(SettingsError, match="is not a public address"):
        bootstrap.notifiers(settings, SECRET)

    allowed = parse({"families": {"f": FAMILY}, "notify": {"hook": hook | {"allow_hosts": [host]}}})
    assert isinstance(bootstrap.notifiers(allowed, SECRET)["hook"], Webhook)


@pytest.mark.parametrize(
    "url", ["http://example.org:70000/", "http://example.org:0/", "http://exa mple.org/", "http://-a/"]
)
def test_a_webhook_that_nothing_can_be_sent_to(url: str) -> None:
    settings = parse(
        {"families": {"f": FAMILY}, "notify": {"hook": {"kind": "webhook", "url": url, "secret_env": ["HOOK"]}}}
    )
    with pytest.raises(SettingsError, match=r"notify.hook: the webhook's url"):
        bootstrap.notifiers(settings, SECRET)


@pytest.mark.parametrize("host", ["http://h", "h:80", "10.0.0.0/8", "", "a b"])
def test_hosts_that_are_allowed_stand_alone(host: str) -> None:
    hook = {"kind": "webhook", "url": "http://h", "allow_hosts": [host]}
    with pytest.raises(SettingsError, match=r"notify.hook.allow_hosts: write the hosts alone"):
        parse({"families": {"f": FAMILY}, "notify": {"hook": hook}})


def test_a_secret_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    for path in (tmp_path, Path("/dev/zero"), tmp_path / "large", tmp_path / "none"):
        hook = {"kind": "webhook", "url": "http://h", "secret_file": [str(path)]}
        with pytest.raises(SettingsError, match="must hold the webhook's secret"):
            bootstrap.notifiers(parse({"families": {"f": FAMILY}, "notify": {"hook": hook}}))
