"""The command line as a whole: what it costs to start, what it imports, and how failures look."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
import typer
from structlog.testing import capture_logs

from models.errors import ArtefactError
from monitor import bootstrap
from monitor.cli import app, run
from monitor.cli.run_process import print_totals
from monitor.errors import FencedError, ModelError, MonitorError, NotifyError, SettingsError, SourceError, StoreError
from monitor.observability import logs
from monitor.ports.notifier import Backlog, Queue
from monitor.records.totals import Totals
from monitor.store.memory import MemoryStore
from monitor.store.sql import open_store
from monitor.training.model_library import ModelLibrary
from monitor.training.model_manager import Champions, Refused
from tests.store_rows import TOPIC, full

HEAVY = ("torch", "sqlalchemy", "pandas", "confluent_kafka", "matplotlib", "pyarrow", "sklearn")
CONFIG = '[families.motors]\ntopic = "motors"\ninterval = "10s"\nwindow.length = "1h"\n'

Fail = Callable[[BaseException], int]


def watchkeeper(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environ)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Run a command that raises the given error, and return the exit code of the process."""

    def run(error: BaseException) -> int:
        def command() -> None:
            raise error

        module = ModuleType("failing")
        module.command = command  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "failing", module)
        monkeypatch.setitem(app.COMMANDS, "fail", ("failing:command", "Fail."))
        with pytest.raises(SystemExit) as left:
            app.main(["fail"])
        assert isinstance(left.value.code, int)
        return left.value.code

    return run


def test_help_lists_every_command_without_a_heavy_import() -> None:
    code = f"""
import sys
from monitor.cli.app import main
try:
    main(["--help"])
except SystemExit as left:
    assert left.code == 0
print([name for name in {HEAVY} if name in sys.modules], [n for n in sys.modules if n.startswith("monitor.")])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    light = ["monitor.cli", "monitor.errors", "monitor.cli.printing", "monitor.cli.app"]
    assert result.stdout.splitlines()[-1] == f"[] {light}"
    assert all(name in result.stdout for name in app.COMMANDS)


def test_importing_monitor_imports_nothing_heavy() -> None:
    code = f"import sys, monitor; assert not [name for name in {HEAVY} if name in sys.modules]"

    subprocess.run([sys.executable, "-c", code], check=True)


NEVER_FOR_A_LIST = (
    *(name for name in HEAVY if name != "sqlalchemy"), "numpy", "onnxruntime", "alembic", "httpx", "structlog",
    "models", "monitor.config.families", "sqlalchemy.dialects.postgresql",
)  # fmt: skip
NEVER_FOR_A_CHECK = (*HEAVY, "onnxruntime", "alembic", "httpx", "structlog", "scipy")
WATCHED = """
[families.motors]
topic = "motors"
interval = "10s"
recipe = "plain"
window.length = "1h"
[notify.hook]
kind = "webhook"
url = "https://hooks.example.org:8443/x?y=1"
secret_env = ["HOOK_SECRET"]
[notify.near]
kind = "webhook"
url = "http://127.0.0.1:40123/hook"
secret_env = ["HOOK_SECRET"]
allow_hosts = ["127.0.0.1"]
[notify.log]
kind = "log"
"""


@pytest.mark.parametrize(
    ("arguments", "never"),
    [
        (("alerts", "list", "--config"), NEVER_FOR_A_LIST),
        (("streams", "list", "--config"), NEVER_FOR_A_LIST),
        (("check",), NEVER_FOR_A_CHECK),
    ],
)
def test_a_command_imports_only_what_it_needs(
    tmp_path: Path, arguments: tuple[str, ...], never: tuple[str, ...]
) -> None:
    """Each of these modules takes longer to import than the answer takes."""
    url = f"sqlite:///{tmp_path}/w.db"
    store = open_store(url)
    stream = store.open_streams("live", "machines", ["m-1"])[0]
    store.commit(full(stream, store.take("live", [TOPIC])[TOPIC].epoch))
    store.close()
    (tmp_path / "c.toml").write_text(f'store.url = "{url}"\n' + WATCHED)
    code = f"""
import sys
from monitor.__main__ import main
try:
    main({[*arguments, str(tmp_path / "c.toml")]})
except SystemExit as left:
    assert left.code == 0, left.code
print([name for name in {never} if name in sys.modules])
"""
    environ = os.environ | {"HOOK_SECRET": "a raw passphrase, used as its bytes", "COLUMNS": "100"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)

    assert ("m-1" if "list" in arguments else "webhook to") in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


def test_help_answers_quickly() -> None:
    """It takes 0.2 s on an idle core; the bound leaves room for a busy one."""
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        assert watchkeeper("--help").returncode == 0
        spent.append(time.perf_counter() - start)

    assert min(spent) < 1.5


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_command_of_the_table_resolves(name: str) -> None:
    command = app.LazyCommand(name, *app.COMMANDS[name]).load()

    assert command.name == name
    assert command.help


def test_version() -> None:
    assert watchkeeper("--version").stdout.startswith("watchkeeper 0.")


def test_a_misspelt_command_is_corrected() -> None:
    result = watchkeeper("chekc")

    assert result.returncode == 2
    assert "'check'" in result.stderr


def test_subcommands_are_reached_through_a_lazy_app(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = ModuleType("nested")
    nested = typer.Typer()
    nested.callback()(lambda: None)
    nested.command("greet")(lambda name: typer.echo(f"hello {name}"))
    module.nested = nested  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nested", module)
    monkeypatch.setitem(app.COMMANDS, "say", ("nested:nested", "Say."))

    with pytest.raises(SystemExit) as left:
        app.main(["say", "greet", "you"])

    assert left.value.code == 0
    assert capsys.readouterr().out == "hello you\n"


@pytest.mark.parametrize(
    ("kind", "code"),
    [(MonitorError, 1), (SettingsError, 2), (SourceError, 3), (StoreError, 4), (FencedError, 4), (ModelError, 5)],
)
def test_an_error_is_one_line_and_an_exit_code(
    kind: type[MonitorError], code: int, fail: Fail, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail(kind("broker [b:1] away")) == code
    assert capsys.readouterr() == ("", "error: broker [b:1] away\n")


def test_an_interrupt_leaves_with_130(fail: Fail) -> None:
    assert fail(KeyboardInterrupt()) == 130


def test_an_unexpected_error_is_an_apology_without_a_traceback(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(ZeroDivisionError("by nothing")) == 70

    message = capsys.readouterr().err
    assert message.startswith("error: ZeroDivisionError: by nothing\n")
    assert "WATCHKEEPER_DEBUG=1" in message
    assert "Traceback" not in message


def test_debugging_adds_the_traceback(
    fail: Fail, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WATCHKEEPER_DEBUG", "1")

    assert fail(SettingsError("no")) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_error_of_models_is_explained_too(fail: Fail, capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(ArtefactError("weights.safetensors: another hash")) == 5
    assert capsys.readouterr().err == "error: weights.safetensors: another hash\n"


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(CONFIG)
    shell = f"{sys.executable} -m monitor check {tmp_path}/c.toml | true"

    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)

    assert result.stderr == ""


def test_check_explains_each_family(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)

    result = watchkeeper("check", str(config), WATCHKEEPER__STORE__URL="postgresql://wk:hunter2@db/x")

    assert result.returncode == 0, result.stderr
    assert "sliding, 360 readings = 1h" in result.stdout
    assert "one for all streams, as their scores have one scale" in result.stdout
    assert "wk:***@db/x" in result.stdout
    assert "hunter2" not in result.stdout


def test_check_as_json(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)

    answer = json.loads(watchkeeper("check", str(config), "--json").stdout)

    assert answer["valid"] is True
    assert answer["families"]["motors"]["window"] == "sliding, 360 readings = 1h"


def test_check_lists_every_problem(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(CONFIG.replace("topic", "topik") + '[kafka]\ngruop = "x"\n')

    text = watchkeeper("check", str(config))
    as_json = watchkeeper("check", str(config), "--json")

    assert text.returncode == as_json.returncode == 2
    assert "did you mean topic?" in text.stderr
    assert "did you mean group?" in text.stderr
    assert len(json.loads(as_json.stdout)["problems"]) == 3


@pytest.mark.parametrize("command", [("check",), ("train",), ("run",), ("replay", "--name", "x")])
def test_a_detector_that_is_not_known_is_refused_by_every_command(tmp_path: Path, command: tuple[str, ...]) -> None:
    config = tmp_path / "c.toml"
    config.write_text(CONFIG + 'detector.kind = "dens"\n')

    result = watchkeeper(*command, str(config), WATCHKEEPER__STORE__URL=f"sqlite:///{tmp_path}/x.db")

    assert result.returncode == 2
    assert "families.motors.detector.kind: 'dens' is not known; did you mean dense?" in result.stderr
    assert not (tmp_path / "x.db").exists()


def test_check_as_json_lists_problems_of_detector_options(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(CONFIG + "detector.options = { epochs = -3 }\n")

    result = watchkeeper("check", str(config), "--json")

    assert result.returncode == 2
    (problem,) = json.loads(result.stdout)["problems"]
    assert problem.startswith("families.motors.detector.options: ")


class Done:
    """A runner that has read everything."""

    def run(self, stop: Callable[[], bool]) -> Totals:
        self.stopped = stop()
        return Totals(records=3)


class Beating:
    """Heartbeats of a worker whose broker has been away for so long."""

    def __init__(self, away: float = 0.0) -> None:
        self.broker_away = away


class Draining:
    """A dispatcher that leaves so much behind."""

    def __init__(self, *left: Backlog) -> None:
        self.left = list(left)

    def drain(self, seconds: float) -> Backlog:
        return self.left.pop()


def ended_worker(folder: Path, beating: Beating | None = None, draining: Draining | None = None) -> bootstrap.Worker:
    store = MemoryStore()
    library = ModelLibrary(store.registry, folder, bootstrap.load_detector)
    champions = Champions(store, library, "live", bootstrap.normal_scores())
    parts: list[Any] = [Done(), champions, draining, Beating() if beating is None else beating]
    return bootstrap.Worker(*parts)


@pytest.mark.parametrize("until_end", [True, False])
def test_run_until_the_end_fails_where_training_failed_or_a_model_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], until_end: bool
) -> None:
    done = ended_worker(tmp_path)
    done.champions.failed["motors"] = 70
    done.champions.refused["pumps"] = Refused("ab12", "model ab12 is damaged", 0.0)
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)
    monkeypatch.setattr(bootstrap, "worker", lambda *_, **__: nullcontext(done))

    with (
        pytest.raises(
            ModelError, match=r"(?s)motors has no model.*code 70.*pumps goes on without it: model ab12 is damaged"
        )
        if until_end
        else nullcontext()
    ):
        run.run(config, until_end=until_end, as_json=True)

    summary = json.loads(capsys.readouterr().out)
    assert summary["failed_trainings"] == {"motors": 70}
    assert summary["refused_models"] == {"pumps": "model ab12 is damaged"}


@pytest.mark.parametrize("until_end", [True, False])
def test_run_until_the_end_says_how_many_notifications_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], until_end: bool
) -> None:
    draining = Draining(Backlog({"ops": Queue(2, 1, 1)}, error="HTTP 503"))
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)
    monkeypatch.setattr(bootstrap, "worker", lambda *_, **__: nullcontext(ended_worker(tmp_path, draining=draining)))

    with (
        pytest.raises(NotifyError, match=r"2 notifications could not be delivered within 30 s.*HTTP 503.*are kept")
        if until_end
        else nullcontext()
    ) as refused:
        run.run(config, until_end=until_end, as_json=True)

    assert json.loads(capsys.readouterr().out)["notifications_waiting"] == 2 * until_end
    assert refused is None or refused.type.exit_code == 7


def test_run_until_the_end_ends_where_the_broker_stays_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)
    for away, over in ((bootstrap.BROKER_S - 1, False), (bootstrap.BROKER_S + 1, True)):
        worker = ended_worker(tmp_path, Beating(away))
        monkeypatch.setattr(bootstrap, "worker", lambda *_, worker=worker, **__: nullcontext(worker))
        with pytest.raises(SourceError, match="no Kafka broker has answered for 31 s") if over else nullcontext():
            run.run(config, until_end=True, as_json=True)
        assert cast("Done", worker.runner).stopped == over
        run.run(config, until_end=False, as_json=True)
        assert cast("Done", worker.runner).stopped is False


@pytest.mark.parametrize("wait", [True, False])
def test_a_backfill_that_does_not_wait_for_its_model_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wait: bool
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(CONFIG + ("train.wait = true\n" if wait else ""))
    monkeypatch.setattr(bootstrap, "worker", lambda *_, **__: nullcontext(ended_worker(tmp_path)))
    monkeypatch.setattr(logs, "configure", lambda **_: None)

    with capture_logs() as lines:
        run.run(config, until_end=True, as_json=True)

    assert json.loads(capsys.readouterr().out)["judged_by_statistic"] == ([] if wait else ["motors"])
    hints = [line["hint"] for line in lines if line["event"] == "backfill_without_model"]
    assert len(hints) == (not wait)
    assert all("families.motors.train.wait = true" in hint for hint in hints)


def test_the_closing_table_of_run_shows_more_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_totals("Watched", Totals(records=1234), {"failed trainings": "motors (exit code 70)"})

    shown = capsys.readouterr().out
    assert "1,234" in shown
    assert "motors (exit code 70)" in shown


def test_a_folder_called_models_does_not_hide_the_package(tmp_path: Path) -> None:
    hiding = tmp_path / "models"
    hiding.mkdir()
    (hiding / "__init__.py").write_text("raise SystemExit('the wrong one')", encoding="utf-8")
    said = subprocess.run(
        [sys.executable, "-m", "monitor", "detectors"], cwd=tmp_path, capture_output=True, check=False, text=True
    )
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize(
    "command", ["replay", "train", "simulate", "alerts kpi", "alerts shelve", "deliveries redrive"]
)
def test_help_calls_times_and_durations_what_they_are(command: str) -> None:
    said = watchkeeper(*command.split(), "--help").stdout
    assert re.search(r"--(from|start|until|for|since|within|duration) +<(time|duration)>", said)
    assert not re.search(r"--(from|to|start|until|for|since|duration|search) +<int>", said)
