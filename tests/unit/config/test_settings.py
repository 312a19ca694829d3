from pathlib import Path
from typing import Any

import pytest

from monitor.config.durations import Span, format_duration, parse_duration
from monitor.config.families import Family
from monitor.config.resolved import Shape
from monitor.config.settings import Settings, load, parse
from monitor.config.windows import Window
from monitor.errors import SettingsError

SECOND = 10**9


def config(**family: Any) -> dict[str, Any]:
    """The smallest configuration, with keys of its family changed; a key given as None is left out."""
    motors = {"topic": "motors", "interval": "10s", "recipe": "plain", "window": {"length": 360}} | family
    return {"families": {"motors": {key: value for key, value in motors.items() if value is not None}}}


def only_problem(raw: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(raw)
    assert len(caught.value.problems) == 1, caught.value
    return caught.value.problems[0]


def problems_of(path: Path | None, environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(path, environ)
    return caught.value.problems


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "watchkeeper.toml"
    path.write_text('[families.Motors]\ntopic = "motors"\ninterval = "10s"\nwindow.length = "1h"\n', encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("250ms", 250 * 10**6),
        ("10s", 10 * SECOND),
        ("1.5h", 5400 * SECOND),
        ("1h30m", 5400 * SECOND),
        (" 7 d ", 7 * 86400 * SECOND),
        ("3us", 3000),
        ("5ns", 5),
    ],
)
def test_durations_are_read(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize("text", ["", "10", "10 sekunden", "s", "-5s", "1h and 2m", "1e3s"])
def test_what_is_not_a_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration; write a number and a unit, e\.g\. 250ms, 10s"):
        parse_duration(text)


def test_a_time_and_a_count_mean_the_same_window() -> None:
    by_time = parse(config(window={"length": "1h", "hop": "1m"})).families["motors"]
    by_count = parse(config(window={"length": 360, "hop": 6})).families["motors"]

    assert by_time.shape == by_count.shape == Shape(360, 6, 1, 1)


def test_the_same_time_is_more_readings_at_a_shorter_interval() -> None:
    hourly = config(interval="1s", window={"length": "1h"}, train={"after": "2h"})

    assert parse(hourly).families["motors"].shape.length == 3600


@pytest.mark.parametrize(("kind", "hop"), [("sliding", 1), ("tumbling", 360)])
def test_hop_follows_the_kind_of_window(kind: str, hop: int) -> None:
    assert parse(config(window={"kind": kind, "length": 360})).families["motors"].shape.hop == hop


def test_a_message_is_as_wide_as_its_window() -> None:
    assert parse(config(window={"kind": "message", "length": 140})).families["motors"].shape.width == 140
    assert parse(config(window={"length": 140})).families["motors"].shape.width == 1


def test_code_gives_nanoseconds_where_a_file_needs_a_unit() -> None:
    family = Family(topic="t", interval=10 * SECOND, window=Window(length=Span(time=60 * SECOND)))

    assert family.shape.length == 6


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (config(interval=None), 'families.motors.interval: missing; write interval = "10s" for readings on a grid'),
        (config(interval=10), 'families.motors.interval: 10 has no unit; write e.g. "10s", or "none" where'),
        (config(interval="0s"), "families.motors.interval: should be greater than 0"),
        (config(interval="often"), "families.motors.interval: 'often' is not a duration; write a number and a unit"),
        (config(topic=None), "families.motors.topic: missing; name the Kafka topic"),
        (config(window={}), "families.motors.window.length: missing; write a count of readings such as 360"),
        (config(window=360), "families.motors.window: should be a table"),
        (config(window={"length": 0}), "families.motors.window.length: must be at least 1"),
        (config(window={"length": -1}), "families.motors.window.length: -1 is neither a count such as 360 nor"),
        (config(window={"length": True}), "families.motors.window.length: True is neither a count"),
        (config(window={"length": "15s"}), "families.motors.window.length: 15s is not a whole number of intervals of"),
        (config(window={"length": 3, "hop": 0}), "families.motors.window.hop: must be at least 1"),
        (
            config(window={"length": 3, "hop": 2}, recipe="default"),
            'families.motors.recipe: "default" judges each reading: window.hop must be 1; "plain" takes others',
        ),
        (config(window={"length": 3, "kind": "slide"}), "families.motors.window.kind: 'slide' is not known; write"),
        (config(interval="none", window={"length": "1h"}), "families.motors.window.length: a duration needs an interv"),
        (config(align={"lateness": "15s"}), "families.motors.align.lateness: 15s is not a whole number of intervals"),
        (config(align={"max_imputed": 2}), "families.motors.align.max_imputed: should be less than or equal to 1"),
        (config(alerts={"open_count": 4}), "families.motors.alerts: open_count = 4 of open_of = 3 can never happen"),
        (config(channels="value"), "families.motors.channels: should be a list"),
        (config(recipe="default", threshold={"n_std": 4}), 'families.motors.threshold: the recipe "default" does not'),
        (config(channels=["a", "a"]), "families.motors.channels: each name may stand there once"),
        (config(format={"values": ["a", "b"]}), "families.motors.format.values: 2 fields for 1 channels"),
        (
            config(channels=["a", "b"], window={"kind": "message", "length": 3}),
            "families.motors.format.values: name the one field that holds the whole window",
        ),
        ({}, "families: missing; add a table [families.NAME]"),
        (config() | {"store": {"commit_interval": 1}}, 'store.commit_interval: 1 has no unit; write e.g. "1s"'),
        (config() | {"notify": {"ops": {"kind": "slak"}}}, "notify.ops: kind 'slak' is not known; write 'webhook' or"),
        (config() | {"notify": {"ops": {}}}, "notify.ops: kind is missing; write 'webhook' or 'pagerduty'"),
        (config() | {"notify": {"ops": {"kind": "webhook"}}}, "notify.ops.url: missing"),
        (
            config() | {"kafka": {"options": {"acks": ["all"]}}},
            "kafka.options.acks: should be text; write it in quotes",
        ),
    ],
)
def test_each_problem_says_where_and_what_to_do(raw: dict[str, Any], problem: str) -> None:
    assert only_problem(raw).startswith(problem)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (config() | {"stor": {}}, "stor: unknown key; did you mean store?"),
        (config() | {"kafka": {"gruop": "x"}}, "kafka.gruop: unknown key; did you mean group?"),
        (config(windw={}), "families.motors.windw: unknown key; did you mean window?"),
        (config(threshold={"nstd": 2}), "families.motors.threshold.nstd: unknown key; did you mean n_std?"),
        (config(window={"length": 3, "hopp": 1}), "families.motors.window.hopp: unknown key; did you mean hop?"),
        (
            config() | {"notify": {"ops": {"kind": "webhook", "url": "https://a", "secrets_env": []}}},
            "notify.ops.secrets_env: unknown key; did you mean secret_env?",
        ),
        (config() | {"schema_registry": {"quartz": 1}}, "schema_registry.quartz: unknown key; there are: url, options"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_name(raw: dict[str, Any], problem: str) -> None:
    assert only_problem(raw) == problem


def test_two_families_of_one_topic_are_refused() -> None:
    family = config()["families"]["motors"]

    assert only_problem({"families": {"a": family, "b": family}}) == (
        "topic motors belongs to two families; give each its own"
    )


def test_all_problems_are_reported_at_once(file: Path) -> None:
    file.write_text(file.read_text() + 'hop = "x"\n[store]\nulr = "sqlite://"\ncommit_interval = "soon"\n')

    problems = problems_of(file, {"WATCHKEEPER__KAFKA__GRUOP": "x", "WATCHKEEPER__FAMILIES__MOTRS__TOPIC": "x"})

    assert [problem.split(":")[0] for problem in problems] == [
        "WATCHKEEPER__FAMILIES__MOTRS__TOPIC",
        "WATCHKEEPER__KAFKA__GRUOP",
        "store.commit_interval",
        "store.ulr",
        "families.Motors.hop",
    ]


def test_the_message_names_the_file_and_counts_the_problems(file: Path) -> None:
    file.write_text("[kafka]\ngruop = 1\n")

    with pytest.raises(
        SettingsError, match=r"watchkeeper\.toml has 2 problems:\n  - kafka\.gruop.*\n  - families: missing"
    ):
        load(file, {})


def test_the_environment_overrides_the_file(file: Path) -> None:
    environ = {
        "WATCHKEEPER__KAFKA__GROUP": "42",
        "WATCHKEEPER__KAFKA__OPTIONS__FETCH.WAIT.MAX.MS": "5",
        "WATCHKEEPER__STORE__COMMIT_INTERVAL": "250ms",
        "WATCHKEEPER__FAMILIES__MOTORS__CHANNELS": '["a", "b"]',
        "WATCHKEEPER__FAMILIES__MOTORS__WINDOW__LENGTH": "360",
        "WATCHKEEPER_DEBUG": "1",
    }

    settings = load(file, environ)

    assert settings.kafka.group == "42"
    assert settings.kafka.options == {"fetch.wait.max.ms": 5}
    assert settings.store.commit_interval == 250 * 10**6
    assert settings.families["Motors"].channels == ("a", "b")
    assert settings.families["Motors"].window.length == Span(count=360)


def test_the_environment_alone_can_hold_everything() -> None:
    settings = load(
        None,
        {
            "WATCHKEEPER__FAMILIES__PUMPS__TOPIC": "pumps",
            "WATCHKEEPER__FAMILIES__PUMPS__INTERVAL": "none",
            "WATCHKEEPER__FAMILIES__PUMPS__WINDOW__LENGTH": "64",
        },
    )

    assert settings.families["pumps"].interval is None
    assert settings.families["pumps"].shape.length == 64


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        ("WATCHKEEPER__STORE__ULR", "unknown key; did you mean url?"),
        ("WATCHKEEPER__STOER__URL", "unknown key; did you mean store?"),
        ("WATCHKEEPER__STORE__URL__X", "store.url is not a table"),
        ("WATCHKEEPER__FAMILIES__MOTOR__TOPIC", "the file has no families.motor; did you mean Motors?"),
        ("WATCHKEEPER__FAMILIES__MOTORS__TOPIK", "unknown key; did you mean topic?"),
        ("WATCHKEEPER__FAMILIES__MOTORS__WINDOW__HOPP", "unknown key; did you mean hop?"),
    ],
)
def test_a_misspelt_variable_is_refused_by_its_name(file: Path, variable: str, problem: str) -> None:
    file.write_text(file.read_text() + '[store]\nurl = "sqlite://"\n')

    assert [item.split(": ", 1)[1] for item in problems_of(file, {variable: "x"})] == [problem]


def test_a_password_from_the_environment_is_never_shown(file: Path) -> None:
    url = "postgresql://wk:hunter2@db.plant/watch"
    settings = load(file, {"WATCHKEEPER__STORE__URL": url})

    assert settings.store.url == "postgresql+psycopg://wk:hunter2@db.plant/watch"
    assert settings.store.shown_url == "postgresql+psycopg://wk:***@db.plant/watch"
    assert "hunter2" not in repr(settings)

    wrong = {"WATCHKEEPER__STORE__URL": "mysql://wk:hunter2@db/x", "WATCHKEEPER__STORE__UR": "hunter2"}
    assert "hunter2" not in str(problems_of(file, wrong))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///watch.db", "sqlite:///watch.db"),
        ("postgresql+psycopg://wk@db/x", "postgresql+psycopg://wk@db/x"),
        ("postgresql+psycopg://wk:a%40b:c/d@db:5432/x", "postgresql+psycopg://wk:***@db:5432/x"),
        ("postgresql+psycopg://db/x?user=wk&password=a", "postgresql+psycopg://db/x?***"),
    ],
)
def test_shown_url_hides_only_the_password(url: str, shown: str) -> None:
    assert parse(config() | {"store": {"url": url}}).store.shown_url == shown


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"a = ", "is not valid TOML"), (b"\xff", "cannot be read")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingsError, match=rf"x\.toml.*{message}"):
        load(path, {})


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = Settings.model_validate(config())

    with pytest.raises(ValueError, match="frozen"):
        settings.kafka.group = "x"


def test_training_that_could_never_work_is_refused() -> None:
    family = {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 100}, "train": {"after": 120}}

    with pytest.raises(SettingsError, match=r"families.f.train.after: 120 readings are too few .* takes 131 at least"):
        parse({"families": {"f": family}})


@pytest.mark.parametrize(
    ("family", "readings"),
    [
        ({"interval": "10s"}, 8640),
        ({"interval": "5m"}, 2000),  # a week
        ({"interval": "100ms"}, 86_400),
        ({"interval": "none"}, 2000),
        ({"interval": "10s", "train": {"after": 500}}, 500),
        ({"interval": "10s", "train": {"after": "2h"}}, 720),
    ],
)
def test_training_waits_for_a_day_by_default(family: dict[str, object], readings: int) -> None:
    assert (
        Family.model_validate({"topic": "t", "recipe": "plain", "window": {"length": 12}, **family}).train_after
        == readings
    )


LOG = {"log": {"kind": "log"}}


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        ({}, 3600 * SECOND),
        ({"max_age": "90m"}, 5400 * SECOND),
        ({"max_age": "none"}, None),
        ({"max_age": 0}, None),
        ({"max_age": "0s"}, None),
    ],
)
def test_the_age_of_what_is_sent_stands_beside_the_channels(notify: dict[str, Any], expected: int | None) -> None:
    settings = parse(config() | {"notify": notify | LOG})

    assert settings.notify_max_age == expected
    assert list(settings.notify) == ["log"]


@pytest.mark.parametrize("age", ["soon", 90, True, {"kind": "log"}])
def test_an_age_that_is_none_is_refused_under_its_name(age: object) -> None:
    assert only_problem(config() | {"notify": {"max_age": age} | LOG}).startswith("notify.max_age: ")


def test_a_variable_may_set_the_age_of_what_is_sent(file: Path) -> None:
    file.write_text(file.read_text() + '[notify.log]\nkind = "log"\n')

    assert load(file, {"WATCHKEEPER__NOTIFY__MAX_AGE": "2h"}).notify_max_age == 7200 * SECOND
    assert load(file, {"WATCHKEEPER__NOTIFY__MAX_AGE": "none"}).notify_max_age is None
    assert problems_of(file, {"WATCHKEEPER__NOTIFY__MAX_AGES": "2h"})


@pytest.mark.parametrize("recipe", ["default", "multivariate", "plain"])
@pytest.mark.parametrize("alerts", [{"open_count": 2}, {"open_count": 3}, {"open_of": 5}, {"budget": "1 per week"}])
def test_alert_settings_that_are_given_in_part_go_with_those_of_the_recipe(
    recipe: str, alerts: dict[str, object]
) -> None:
    rule = parse(config(recipe=recipe, alerts=alerts)).families["motors"].alert_rule

    assert alerts.get("open_count", rule.open_count) == rule.open_count <= rule.open_of
    assert alerts.get("open_of", rule.open_of) == rule.open_of
