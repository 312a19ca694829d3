"""What `check --connect` finds out, and with which exit code it ends."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from monitor import bootstrap
from monitor.bootstrap import connections
from monitor.bootstrap.connections import Finding
from monitor.cli.check import check
from monitor.config.settings import Settings, parse
from monitor.notify import hosts
from monitor.ports.models import ModelRow
from monitor.sources.embedded import EmbeddedBroker
from monitor.store import migrations
from monitor.store.engine import connect
from tests.champions import make_champion

FAMILY = {"topic": "plant", "interval": "1s", "recipe": "plain", "window": {"length": 8}}
SECRET = "0123456789abcdef0123456789abcdef"


def settings(tmp_path: Path, **more: Any) -> Settings:
    raw: dict[str, Any] = {"families": {"f": FAMILY}, "store": {"url": f"sqlite:///{tmp_path}/w.db"}}
    return parse(raw | {"models": str(tmp_path / "models")} | more)


def found(of: Settings) -> dict[str, Finding]:
    return {finding.what: finding for finding in bootstrap.try_connections(of)}


def hook(url: str, **more: Any) -> dict[str, Any]:
    return {"hook": {"kind": "webhook", "url": url, "secret_env": ["WK_SECRET"], **more}}


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WK_SECRET", SECRET)


def test_a_new_plant_is_fine(tmp_path: Path) -> None:
    findings = found(settings(tmp_path))

    assert {what: finding.exit_code for what, finding in findings.items()} == {
        "broker": 0, f"database sqlite:///{tmp_path}/w.db": 0, "model of families.f": 0,
    }  # fmt: skip
    assert "the first run makes it" in findings[f"database sqlite:///{tmp_path}/w.db"].says
    assert list(tmp_path.iterdir()) == []  # nothing was made


def test_a_broker_that_answers(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        findings = found(settings(tmp_path, kafka={"bootstrap_servers": broker.bootstrap_servers}))

        assert findings[f"broker {broker.bootstrap_servers}"] == Finding(
            f"broker {broker.bootstrap_servers}", "1 broker answers"
        )
        assert findings["topic plant of families.f"].ok


def test_a_broker_that_is_away(tmp_path: Path) -> None:
    began = time.monotonic()
    findings = found(settings(tmp_path, kafka={"bootstrap_servers": "127.0.0.1:1", "group": "g"}))

    assert time.monotonic() - began < connections.PATIENCE_S
    assert findings["broker 127.0.0.1:1"].exit_code == 3
    assert "is it running?" in findings["broker 127.0.0.1:1"].says
    assert findings["topic plant of families.f"].says == "not tried, as no broker answers"
    assert findings["consumer group g"].exit_code == 3


def test_a_probe_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(connections, "PATIENCE_S", 0.1)
    monkeypatch.setattr(connections, "_schema", lambda _: str(released.wait(20)))

    findings = found(settings(tmp_path))

    released.set()
    hung = findings[f"database sqlite:///{tmp_path}/w.db"]
    assert (hung.exit_code, hung.says) == (
        1, "no answer within 0.1 s; is it running, and does a firewall let it through?",
    )  # fmt: skip


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    ("addresses", "allow", "code", "says"),
    [
        (["93.184.215.14"], (), 0, "is 93.184.215.14"),
        (["10.0.0.7"], (), 2, 'add allow_hosts = ["ops.plant"]'),
        (["10.0.0.7"], ("ops.plant",), 0, "is 10.0.0.7"),
        ([], (), 2, "cannot be resolved"),
    ],
)
def test_the_host_of_a_webhook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: list[str], allow: tuple[str, ...], code: int, says: str
) -> None:
    def resolver(host: str, port: int) -> list[str]:
        assert (host, port) == ("ops.plant", 8443)
        if not addresses:
            raise OSError("no such name")
        return addresses

    monkeypatch.setattr(hosts.Lookup.__init__, "__defaults__", (resolver,))
    notify = hook("https://ops.plant:8443/x", allow_hosts=list(allow))

    findings = found(settings(tmp_path, notify=notify))

    assert findings["notify.hook"].ok
    assert findings["notify.hook: ops.plant"].exit_code == code
    assert says in findings["notify.hook: ops.plant"].says


def test_the_hosts_of_channels_over_http_and_the_topic_of_a_bus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WK_KEY", "QZXJKVqzxjkv")
    with EmbeddedBroker() as broker:
        notify = {
            "am": {"kind": "alertmanager", "url": "http://127.0.0.1:9", "allow_hosts": ["127.0.0.1"]},
            "oncall": {"kind": "pagerduty", "url": "http://127.0.0.1:9", "routing_key_env": "WK_KEY"},
            "bus": {"kind": "kafka", "topic": "alerts", "bootstrap_servers": broker.bootstrap_servers},
            "away": {"kind": "kafka", "topic": "alerts", "bootstrap_servers": "127.0.0.1:1"},
        }
        findings = found(settings(tmp_path, notify=notify))

    assert findings["notify.am: 127.0.0.1"].says == "is 127.0.0.1"
    assert findings["notify.oncall: 127.0.0.1"].exit_code == 2
    assert findings["notify.bus: topic alerts"].ok
    assert findings["notify.away: topic alerts"].exit_code == 3


def test_a_secret_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WK_SECRET", raising=False)

    finding = found(settings(tmp_path, notify=hook("https://127.0.0.1/x", allow_hosts=["127.0.0.1"])))["notify.hook"]

    assert (finding.exit_code, "WK_SECRET" in finding.says) == (2, True)


def test_a_schema_registry_that_is_away(tmp_path: Path) -> None:
    registry = {"url": "http://127.0.0.1:1", "options": {"max.retries": 0}}
    family = FAMILY | {"format": {"kind": "avro"}}

    findings = found(settings(tmp_path, schema_registry=registry, families={"f": family}))

    assert findings["schema registry http://127.0.0.1:1"].exit_code == 3


def test_a_database_of_an_older_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = settings(tmp_path)
    migrations.upgrade(of.store.url)
    assert found(of)[f"database {of.store.url}"].says == f"its schema is {migrations.head()}, as it should be"
    database = connect(of.store.url)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    database.close()

    findings = found(of)

    assert findings[f"database {of.store.url}"].exit_code == 4
    assert "watchkeeper db upgrade" in findings[f"database {of.store.url}"].says


def test_a_model_of_another_shape_is_a_warning_as_run_replaces_it(tmp_path: Path) -> None:
    of = settings(tmp_path)
    store = bootstrap.store(of)
    make_champion(store, ModelRow(id="ab" * 32, family="f", manifest=json.dumps({"length": 9})))
    store.close()

    finding = found(of)["model of families.f"]

    assert (finding.exit_code, finding.warns, finding.ok) == (0, True, False)
    assert "was trained for length = 9, but the settings say 8" in finding.says


def test_a_model_that_is_damaged(tmp_path: Path) -> None:
    of = settings(tmp_path)
    store = bootstrap.store(of)
    make_champion(store, ModelRow(id="ab" * 32, family="f", manifest="{}"))
    store.close()

    assert found(of)["model of families.f"].exit_code == 5


def test_the_command_ends_with_the_code_of_the_first_failure(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        f'[kafka]\nbootstrap_servers = "127.0.0.1:1"\n[store]\nurl = "sqlite:///{tmp_path}/no/such/w.db"\n'
        '[families.f]\ntopic = "plant"\ninterval = "1s"\nwindow.length = 8\n'
    )
    app = typer.Typer()
    app.command()(check)

    shown = CliRunner().invoke(app, [str(config), "--connect"])
    as_json = CliRunner().invoke(app, [str(config), "--connect", "--json"])
    without = CliRunner().invoke(app, [str(config)])

    assert (shown.exit_code, as_json.exit_code, without.exit_code) == (3, 3, 0)
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["failed"] * 4 + ["ok"]
    tried = json.loads(as_json.stdout)["connections"]
    assert [(each["ok"], each["exit_code"]) for each in tried] == [(False, 3)] * 3 + [(False, 4), (True, 0)]
