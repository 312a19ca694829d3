"""Every command with arguments that work, and what it does where one of them is something else."""

from __future__ import annotations

import io
import traceback
from collections.abc import Iterator, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from monitor.cli.app import COMMANDS, LazyCommand, main
from monitor.records.escapes import visible
from tests.fuzzing.site import Site

CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8}  # README.md, Commands
CHOICES = {"--device", "--state", "--ecg-form"}  # options that take one of a few words
ENDS = {  # how commands end that cannot do all they are for here
    ("demo",): 5,  # `hurried` plays none
    ("replay",): 6,
    ("models", "promote"): 2,  # no id is known
    ("models", "rollback"): 2,  # there is one champion
    ("alerts", "unack"): 2,  # none is acknowledged
    ("alerts", "unshelve"): 2,  # none is shelved
    ("alerts", "in-service"): 2,  # no stream is out of service
    ("dead", "retry"): 6,
    ("streams", "forget"): 2,  # it has sent lately
    ("status",): 8,
}


class Parameter(NamedTuple):
    """An option, or an argument (without a dash)."""

    names: tuple[str, ...]
    flag: bool
    place: int | None = None  # among the arguments

    @property
    def name(self) -> str:
        return self.names[-1]


def leaves() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that can be run, by its words."""
    for name in COMMANDS:
        command = LazyCommand(name, *COMMANDS[name]).load()
        for word, inner in getattr(command, "commands", {"": command}).items():
            yield (name, word) if word else (name,), inner


def parameters(command: Any) -> list[Parameter]:
    found, place = [], 0
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            found.append(Parameter((parameter.name.upper().strip("_"),), flag=False, place=place))
            place += 1
        elif parameter.name != "help":
            names = (*parameter.opts, *parameter.secondary_opts)
            found.append(Parameter(names, parameter.is_flag))
    return found


def works(site: Site) -> dict[tuple[str, ...], tuple[list[str], dict[str, str]]]:
    """Arguments and options with which each command does what it is for, as fast as it can."""
    good, config = str(site.folder / "good.csv"), {"--config": site.config}
    read = {"--time": "time", "--value": "value", "--key-column": "machine"}
    kafka = {"--bootstrap-servers": site.servers}
    return {
        ("demo",): ([], {"--folder": str(site.folder / "demo")}),
        ("simulate",): ([], kafka | {"--duration": "1m", "--machines": "1", "--ecgs": "0"}),
        ("publish",): ([good], kafka | read | {"--topic": "fuzz"}),
        ("train",): ([site.config], {}),
        ("detectors",): (["pca"], {"--length": "4"}),
        ("models", "list"): ([], config),
        ("models", "promote"): (["machines", "none"], config | {"--by": "ann"}),
        ("models", "rollback"): (["machines"], config | {"--by": "ann"}),
        ("models", "retrain"): (["machines"], config | {"--by": "ann"}),
        ("run",): ([site.config], {"--until-end": ""}),
        ("dispatch",): ([site.notifying], {"--until-empty": ""}),
        ("replay",): ([site.config], read | {"--name": "again", "--file": good, "--replace": ""}),
        ("score",): ([good], read | {"--key": "m-1", "--detector": "mahalanobis", "--train-rows": "100",
                "--window": "4", "--output": str(site.folder / "out.csv")}),
        ("evaluate",): ([], {"--data": str(site.folder / "windows.csv"), "--normal": "0", "--detector": "mahalanobis"}),
        ("alerts", "list"): ([], config),
        ("alerts", "show"): ([site.alert], config),
        ("alerts", "ack"): ([site.alert], config | {"--note": "seen", "--by": "ann"}),
        ("alerts", "unack"): ([site.alert], config | {"--note": "seen", "--by": "ann"}),
        ("alerts", "expect"): ([site.alert], config | {"--note": "a new pump", "--by": "ann"}),
        ("alerts", "kpi"): ([], config | {"--since": "30d", "--until": "1970-01-02"}),
        ("alerts", "note"): ([site.alert, "why"], config | {"--by": "ann"}),
        ("alerts", "resolve"): ([site.alert], config | {"--note": "mended", "--by": "ann"}),
        ("alerts", "shelve"): ([site.alert], config | {"--for": "2h", "--note": "a repair", "--by": "ann"}),
        ("alerts", "unshelve"): ([site.alert], config | {"--by": "ann"}),
        ("alerts", "verdict"): ([site.alert, "true"], config | {"--reason": "a crack", "--by": "ann"}),
        ("alerts", "out-of-service"): (["m-1"], config | {"--note": "a repair", "--by": "ann"}),
        ("alerts", "in-service"): (["m-1"], config | {"--by": "ann"}),
        ("deliveries", "list"): ([], config),
        ("deliveries", "show"): (["1"], config),
        ("deliveries", "redrive"): ([], config | {"--since": "2h"}),
        ("notify", "preview"): ([site.notifying, "hook"], {"--alert": site.alert}),
        ("notify", "test"): ([site.notifying, "hook"], {}),
        ("incidents", "list"): ([], config),
        ("incidents", "show"): ([site.incident], config),
        ("dead", "list"): ([], config),
        ("dead", "show"): (["plant", "0", "1"], config),
        ("dead", "retry"): ([site.config], {"--dry-run": ""}),
        ("late", "list"): ([], config),
        ("late", "rescore"): ([site.config], {"--name": "later"}),
        ("streams", "list"): ([], config),
        ("streams", "show"): (["m-1"], config),
        ("streams", "retire"): (["m-1"], config | {"--by": "ann"}),
        ("streams", "forget"): (["m-1"], config | {"--by": "ann"}),
        ("streams", "rename"): (["m-1", "m-9"], config | {"--by": "ann"}),
        ("maintenance", "add"): (["weekly"], config | {"--start": "2026-01-04T01:00", "--end": "2026-01-04T05:00",
                "--zone": "Europe/Berlin", "--rrule": "FREQ=WEEKLY", "--by": "ann", "--yes": ""}),
        ("maintenance", "import"): ([str(site.folder / "plant.ics")], config | {"--by": "ann", "--yes": ""}),
        ("maintenance", "list"): ([], config),
        ("maintenance", "show"): (["planned"], config),
        ("maintenance", "remove"): (["planned"], config | {"--by": "ann"}),
        ("status",): ([], config),
        ("db", "upgrade"): ([], config),
        ("db", "current"): ([], config),
        ("check",): ([site.config], {}),
    }  # fmt: skip


def line(words: tuple[str, ...], base: tuple[list[str], dict[str, str]], changed: dict[Parameter, str]) -> list[str]:
    """The command line with these values, "" of a flag is its presence."""
    arguments, options = list(base[0]), dict(base[1])
    extra = []
    for parameter, value in changed.items():
        if parameter.place is not None:
            arguments[parameter.place : parameter.place + 1] = [value]
        elif parameter.flag:
            extra.append(parameter.names[len(value) % len(parameter.names)])
        else:
            for name in parameter.names:
                options.pop(name, None)
            extra += [f"{parameter.name}={value}" if parameter.name.startswith("--") else f"{parameter.name}{value}"]
    given = [text for name, value in options.items() for text in ((f"{name}={value}",) if value else (name,))]
    return [*words, *given, *extra, "--", *arguments]


class Ran(NamedTuple):
    code: Any
    out: str
    err: str


def run(arguments: Sequence[str], folder: Path) -> Ran:
    """The command in this process, in the folder."""
    out, err = captured("strict"), captured("backslashreplace")  # as Python opens them
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as left:
            code: Any = left.code
        except BaseException:
            traceback.print_exc()
            code = "raised"
    return Ran(code, text_of(out), text_of(err))


def captured(errors: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "utf-8", errors, write_through=True)


def text_of(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def endless(parameter: Parameter, value: str) -> bool:
    """Whether the command would do what it is asked for, for a long time: publish in real time, or much."""
    if "--speed" in parameter.names:
        return value[:1].isdecimal()
    return bool({"--machines", "--ecgs", "--duration"} & {*parameter.names}) and value[:4].isdecimal()


def problems(ran: Ran, changed: dict[Parameter, str] | None) -> str:
    """What is wrong with how a command ended, empty where nothing is; a refusal names one of those `changed`."""
    if ran.code not in CODES or "Traceback" in ran.err or "mistake in Watchkeeper" in ran.err:
        return f"exit code {ran.code}"
    if ran.code not in (0, 6, 8) and not (ran.err or ran.out).strip():
        return f"exit code {ran.code} without a word"
    said = ran.err + ran.out
    if ran.code == 2 and changed and not any(_named(parameter, value, said) for parameter, value in changed.items()):
        return "the message names no option"
    return ""


def _named(parameter: Parameter, value: str, said: str) -> bool:
    """Whether a message names the option, or repeats how the value begins."""
    words = [name.strip("-").replace("-", " ").lower() for name in parameter.names if len(name) > 2]
    text = said.lower().replace("-", " ").replace("_", " ")
    given = (value, repr(value)[1:-1], visible(value), ascii(value)[1:-1], visible(str(Path(value))))
    return any(word in text for word in words) or any(shown[:20] in said for shown in given)
