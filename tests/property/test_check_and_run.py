"""What `check` accepts, `run` can start; what it refuses, `run` refuses with the same problems. Never another error."""

from __future__ import annotations

import ast
import io
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
import typer
from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.bootstrap import assembly
from monitor.cli.check import check
from monitor.config.settings import Settings, load, parse
from monitor.errors import SettingsError
from monitor.pipeline.family import Pipeline
from monitor.pipeline.windowing.registry import WINDOWERS

pytestmark = pytest.mark.usefixtures("frozen_heap")

ROOT = Path(__file__).parents[2]
FAMILY = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 8}}


def examples() -> Iterator[tuple[str, str]]:
    """Where each configuration in the documents and in the code stands, and its text."""
    for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]:
        for text in re.findall(r"```toml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            yield path.relative_to(ROOT).as_posix(), text
    for path in sorted([*ROOT.glob("tests/**/*.py"), *ROOT.glob("monitor/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "[families." in node.value:
                yield path.relative_to(ROOT).as_posix(), node.value


SECRET = "whsec_" + "c2VjcmV0" * 4
HOOK = '[notify.hook]\nkind = "webhook"\nurl = "https://example.org/hook"'
SERVICES = [
    ('[kafka]\noptions = { "bogus.option" = "1" }', "bogus.option"),
    ('[kafka]\noptions = { "fetch.min.bytes" = -5 }', "fetch.min.bytes"),
    ('[kafka]\noptions = { "enable.auto.commit" = true }', "cannot be set"),
    ('[kafka]\noptions = { "log_level" = "loud" }', "log_level"),
    ('[kafka]\noptions = { "session.timeout.ms" = 60000, "max.poll.interval.ms" = 50000 }', "must be >="),
    *(
        (f'[kafka]\noptions = {{ "{name}" = "x" }}', "cannot be set")
        for name in ("error_cb", "logger", "default.topic.config")
    ),
    ('[kafka]\noptions = { "stats_cb" = "x" }', "stats_cb"),
    ('[kafka]\ngroup = ""', "kafka.group: name the consumer group"),
    ('[kafka]\ngroup = "\\u0007a"', "kafka.group: name the consumer group"),
    *(
        (f'[kafka]\noptions = {{ "max.poll.interval.ms" = {value} }}', "whole milliseconds")
        for value in ('"abc"', '"5m"', "0", "-1", "true", "1.5")
    ),
    (f'{HOOK}\nsecret_env = ["NO_SUCH_SECRET"]', "notify.hook: the environment variable NO_SUCH_SECRET"),
    (f'{HOOK}\nsecret_file = ["no-such-file"]', "no-such-file"),
    ('[kafka]\noptions = { "session.timeout.ms" = 6000, "max.poll.interval.ms" = "600000" }', ""),
]


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # part of a text that is put together
        return False
    return True


SHOWN = [(where, text) for where, text in examples() if is_toml(text)]


def checked(path: Path) -> tuple[str, ...]:
    """The problems that `watchkeeper check --json` prints; none where the configuration can be used."""
    printed = io.StringIO()
    with redirect_stdout(printed), suppress(typer.Exit):
        check(path, as_json=True)
    said = json.loads(printed.getvalue())
    assert said["valid"] is ("problems" not in said)
    return tuple(said.get("problems", ()))


class Broker:
    """In place of the embedded one, or of any: a port where none listens."""

    def __init__(self) -> None:
        self.started = False

    def __call__(self, settings: Settings) -> AbstractContextManager[Settings]:
        self.started = True
        kafka = settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
        return nullcontext(settings.model_copy(update={"kafka": kafka}))


@cache
def database() -> str:
    """The URL of a SQLite file with all tables, for this process."""
    url = f"sqlite:///{mkdtemp()}/plant.db"
    bootstrap.store(parse({"families": {"f": FAMILY}, "store": {"url": url}})).close()
    return url


def started(path: Path) -> tuple[str, ...]:
    """The problems of what `watchkeeper run` does up to its first poll; where there are any, it started no broker."""
    broker = Broker()
    try:
        settings = load(path)
        bootstrap.check(settings)  # with its database, which is another one from here on
        settings = settings.model_copy(
            update={"store": settings.store.model_copy(update={"url": database()}), "models": path.parent / "models"}
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(assembly, "broker", broker)
            with bootstrap.worker(settings) as (runner, *_):
                runner.run(lambda: True)
        save_and_load(bootstrap.pipelines(settings))
    except SettingsError as error:
        assert not broker.started
        return error.problems
    assert broker.started
    return ()


def save_and_load(pipelines: Mapping[str, Pipeline]) -> None:
    """One stream of every family."""
    for made in pipelines.values():
        codes = made.index.intern(["m-1"])
        if made.family.shape.numbers < 10_000:
            made.load(codes, [None])
            made.load(codes, made.dump(codes))
            assert len(made.counters(np.asarray(codes))) == 1


@pytest.mark.parametrize(("text", "problem"), SERVICES)
def test_check_and_run_agree_on_services(text: str, problem: str, tmp_path: Path) -> None:
    """What Kafka's client and the notifiers refuse is found before anything is started."""
    path = tmp_path / "config.toml"
    path.write_text(f"{text}\n[families]\n{_toml({'f': FAMILY})}", encoding="utf-8")

    problems = checked(path)

    assert problems == started(path)
    assert len(problems) == bool(problem)
    assert problem in "".join(problems)


@pytest.mark.parametrize(("where", "text"), SHOWN)
def test_check_and_run_agree_on_every_example(
    where: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in re.findall(r'secret_env = \["(\w+)"\]', text):
        monkeypatch.setenv(name, SECRET)
    for key, name in re.findall(r'(\w+)_env = "(\w+)"', text):
        monkeypatch.setenv(name, "json://hooks.example" if key == "url" else SECRET)
    path = tmp_path / "config.toml"
    tables = where.endswith(".md") and "[families" not in text  # of other things than families
    path.write_text(text + (f"\n[families]\n{_toml({'pumps': FAMILY})}" if tables else ""), encoding="utf-8")

    problems = checked(path)

    assert problems == started(path)
    assert not (where.endswith(".md") and problems)


def test_there_are_examples_to_check() -> None:
    assert {where for where, _ in SHOWN} >= {
        "README.md",
        "docs/configuration.md",
        "docs/formats.md",
        "tests/unit/cli/test_app.py",
    }


SPANS = st.one_of(
    st.sampled_from([0, 1, 3, 31, 32, 128, 360, 5000, 10**9, 2**62, 10**30, -1, True]),
    st.sampled_from(["0s", "5ms", "1s", "15s", "1m", "1h", "24h", "300d", "9000d", "90000d"]),
)
NAMES = st.sampled_from(["v", "a", "b", "a.b", "time", "value", "$key", "$timestamp", "{site}/{m.id}", "{", ""])


@st.composite
def sound(draw: st.DrawFn) -> dict[str, Any]:
    """A family whose settings fit its kind of window, with spans as counts and as times."""
    kind = draw(st.sampled_from([*WINDOWERS]))
    beat, message = kind == "beat", kind == "message"
    interval = draw(st.sampled_from(["none", "4ms"] if beat else ["none", "10s", "1m"]))
    timed = interval in ("10s", "1m")
    window: dict[str, Any] = {
        "kind": kind,
        "length": draw(st.sampled_from([20, 128] if beat or message or not timed else [8, "1h"])),
    }
    if beat and interval == "none":
        window["rate"] = 360
    if timed and not message:
        window |= draw(st.sampled_from([{}, {"hop": 2}, {"hop": "3m"}]))
    family: dict[str, Any] = {"topic": "t", "interval": interval, "window": window}
    if draw(st.booleans()):
        family["train"] = {"after": draw(st.sampled_from([2000, "24h"] if timed else [2000]))}
    if draw(st.booleans()):
        family["align"] = {"lateness": draw(st.sampled_from([0, 2, "1m"] if timed else [0, 2]))}
    return family


FORMATS = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from([*bootstrap.DECODERS]),
        "key": NAMES,
        "time": NAMES,
        "channel": NAMES,
        "value": NAMES,
        "values": st.lists(NAMES, max_size=2),
        "columns": st.lists(NAMES, max_size=4),
        "time_unit": st.sampled_from(["auto", "iso", "ms", "%Y%m%d", "%H"]),
        "interval": st.sampled_from(["$interval", "interval"]),
    },
)
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "interval": st.sampled_from(["none", "1ms", "10s", "1h", "2777778ns", "8000d"]),
    "channels": st.lists(NAMES, min_size=1, max_size=2),
    "format": FORMATS,
    "window.kind": st.sampled_from([*WINDOWERS]),
    "window.length": SPANS,
    "window.hop": SPANS,
    "window.rate": st.sampled_from([360, 99.9]),
    "train.after": SPANS,
    "align.lateness": SPANS,
    "align.max_gap": SPANS,
    "align.max_age": SPANS,
    "threshold.history": SPANS,
    "health.frozen_after": st.sampled_from(["none", "1h"]),
}


@st.composite
def families(draw: st.DrawFn) -> dict[str, Any]:
    """A sound family with up to three settings changed to anything."""
    family = draw(sound())
    for key in draw(st.lists(st.sampled_from([*CHANGES]), max_size=3, unique=True)):
        table, _, name = key.rpartition(".")
        place = family.setdefault(table, {}) if table else family
        place[name] = draw(CHANGES[key])
    return family


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "max.poll.interval.ms": st.sampled_from([300_000, "300000", "5m", 0, -1, 10, 99_999_999, True, 3e5]),
        "session.timeout.ms": st.sampled_from([6000, "45000", "x", 0, 3_600_000]),
        "fetch.min.bytes": st.sampled_from([1, -1, "1", 1.5, ""]),
        "security.protocol": st.sampled_from(["plaintext", "ssl", "sasl_ssl", "tls"]),
        "ssl.ca.location": st.just("no-such-file"),
        "log_level": st.sampled_from([2, "loud"]),
        **{name: st.just("x") for name in ("bogus", "error_cb", "stats_cb", "on_commit", "logger", "group.id", "acks")},
    },
)
NOTIFIERS = st.one_of(
    st.just({"kind": "log"}),
    st.just({"kind": "alertmanager", "url": "http://127.0.0.1/", "labels": {"plant": "north"}}),
    st.just({"kind": "pagerduty", "routing_key_env": "PATH_TO_NOWHERE", "title": "{stream}"}),
    st.just({"kind": "apprise", "url_file": __file__}),
    st.just({"kind": "kafka", "topic": "alerts", "options": {"no.such.option": 1}}),
    st.fixed_dictionaries(
        {
            "kind": st.just("webhook"),
            "url": st.sampled_from(["https://example.org/a", "ftp://example.org", "http://127.0.0.1/", "http://[", ""]),
        },
        optional={
            "secret_env": st.sampled_from([[], ["PATH_TO_NOWHERE"]]),
            "secret_file": st.sampled_from([[], ["no-such-file"], [__file__]]),
        },
    ),
)
SERVICE = st.fixed_dictionaries(
    {},
    optional={
        "kafka": st.fixed_dictionaries(
            {}, optional={"options": OPTIONS, "group": st.sampled_from(["g", "", " ", "\0a", "ä"])}
        ),
        "notify": st.dictionaries(st.sampled_from(["a", "b"]), NOTIFIERS),
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("configurations")


def agree(raw: dict[str, Any], path: Path, more: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """The problems on which both agree."""
    text = json.dumps({"families": {"f": raw}, "schema_registry": {"url": "http://localhost:1"}} | dict(more or {}))
    path.write_text(_toml(json.loads(text)), encoding="utf-8")
    problems = checked(path)
    assert problems == started(path)
    return problems


def _toml(value: Any) -> str:
    """A mapping as TOML, its inner ones inline."""
    return "\n".join(f"{name} = {_inline(inner)}" for name, inner in value.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_inline(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)


@hypothesis_settings(max_examples=100, deadline=None)
@given(raw=families())
def test_check_and_run_agree_on_any_configuration(
    raw: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    event("refused" if agree(raw, tmp_path_factory.getbasetemp() / "any.toml") else "accepted")


@hypothesis_settings(max_examples=100, deadline=None)
@given(services=SERVICE)
def test_check_and_run_agree_on_any_services(services: dict[str, Any], folder: Path) -> None:
    event("refused" if agree(FAMILY, folder / "services.toml", services) else "accepted")


@hypothesis_settings(max_examples=60, deadline=None)
@given(raw=sound())
def test_check_and_run_accept_what_fits(raw: dict[str, Any], folder: Path) -> None:
    assert agree(raw, folder / "sound.toml") == ()


def test_messages_may_have_an_interval_and_a_training_span_as_a_time() -> None:
    """The interval is the time between messages: a day of them, one every 10 s, is 8,640."""
    window = {"kind": "message", "length": 140}
    family = {"topic": "t", "interval": "10s", "window": window, "train": {"after": "24h"}}

    settings = parse({"families": {"f": family}})

    save_and_load(bootstrap.pipelines(settings))
    assert settings.families["f"].train_after == 8640
    assert settings.families["f"].grid.interval is None


@pytest.mark.parametrize(
    ("window", "problem"),
    [({"length": "1h"}, "window.length: a message holds"), ({"length": 140, "hop": 2}, "window.hop: every message")],
)
def test_a_message_is_a_window_of_readings_that_are_counted(window: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        parse({"families": {"f": {"topic": "t", "interval": "10s", "window": {"kind": "message"} | window}}})


def test_fields_that_cannot_be_read_together_are_found_by_check(tmp_path: Path) -> None:
    raw = {
        "topic": "t",
        "interval": "10s",
        "recipe": "plain",
        "window": {"length": 8},
        "format": {"key": "a.b", "values": ["a"]},
    }

    (problem,) = agree(raw, tmp_path / "config.toml")

    assert problem.startswith("families.f.format: the field a")
