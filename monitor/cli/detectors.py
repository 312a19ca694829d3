"""`watchkeeper detectors`: every kind of detector, what it is for, what it can do and what it costs."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Annotated, Any

import typer

from monitor.cli.parameters import bounds
from monitor.cli.parameters.detectors import detector_kind
from monitor.cli.rendering.output import echo_json, terminal
from monitor.errors import SettingsError

LONGEST, MOST_CHANNELS = 10_000, 1000
FIGURES = ("parameters", "ms_per_1000_windows", "model_bytes", "working_bytes")


def detectors(
    kind: Annotated[str | None, typer.Argument(parser=bounds.name, help="Only this kind.")] = None,
    length: Annotated[
        int | None, typer.Option(parser=bounds.whole(1, LONGEST), help="Measure the cost for windows of this length.")
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(
            parser=bounds.whole(1, MOST_CHANNELS), help="With --length: channels of a window.", show_default="1"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the kinds of detectors: what each is, can do and is for, and when to take another.

    With --length each kind is fitted to noise on this machine: how many numbers it keeps, how long 1,000 windows
    take, and how many MB its model and scoring them need. `families.NAME.detector.kind` in the configuration chooses
    one; docs/detectors.md has what each found on public data.
    """
    from models import DETECTORS

    if channels is not None and length is None:
        raise SettingsError("--channels: needs --length, the readings of a window; give both, or neither")
    kinds = list(DETECTORS) if kind is None else [detector_kind(kind, "KIND")]
    found = [_described(name, length, channels or 1) for name in kinds]
    if as_json:
        echo_json(found, indent=2)
    else:
        _show(found, measured=length is not None)


def _described(kind: str, length: int | None, channels: int) -> dict[str, Any]:
    from models import DETECTORS, registry
    from models.catalogue import CATALOGUE

    can = DETECTORS[kind].capabilities
    options = sorted(option.name for known in registry.option_classes(kind) for option in fields(known))
    described = {"kind": kind, **CATALOGUE[kind]._asdict(), **asdict(can), "options": options}
    return described | (_measured(kind, length, channels) if length is not None else {})


def _measured(kind: str, length: int, channels: int) -> dict[str, Any]:
    """Cost of one kind; where its library is not installed, or the size is none for it, `problem` says so."""
    import models
    from models.evaluation import cost as costs

    try:
        cost = costs.measure(kind, length, channels)
    except models.ModelsError as error:
        return dict.fromkeys(FIGURES) | {"problem": str(error).removeprefix(f"{kind}: ")}
    figures = cost.parameters, round(cost.milliseconds, 2), cost.memory.model, cost.memory.working
    return dict(zip(FIGURES, figures, strict=True)) | {"problem": None}


def _show(found: list[dict[str, Any]], *, measured: bool) -> None:
    from monitor.cli.rendering.alert_table import FittedTable

    columns = {
        "kind": [each["kind"] for each in found],
        "family": [each["family"] for each in found],
        "gives": [", ".join(_gives(each)) for each in found],
        "trained by": [each["trains_with"] for each in found],
    }
    if measured:
        columns["numbers"] = [_number(each["parameters"], ",d") for each in found]
        columns["ms/1,000"] = [_number(each["ms_per_1000_windows"], ",.1f") for each in found]
        columns["MB"] = [_number(_megabytes(each), ",.1f") for each in found]
    else:
        columns["a window costs"] = [each["cost"] for each in found]
    columns |= {"use it for": [each["use"] for each in found], "not for": [each["avoid"] for each in found]}
    dear = ("gives",) if measured else ("a window costs",)
    table = FittedTable(columns, ("trained by", *dear, "family"), folded=("gives", *dear, "use it for", "not for"))
    terminal().print(table)
    if not measured:
        terminal().print("--length N measures the numbers that each keeps, the time and the memory of 1,000 windows.")
    for each in found:
        if each.get("problem"):
            terminal().print(f"{each['kind']}: {each['problem']}")


def _gives(kind: dict[str, Any]) -> list[str]:
    """What evidence of its alerts holds beside the score."""
    able = {"expected values": kind["reconstructs"], "shares of readings": kind["explains"]}
    return [name for name, does in able.items() if does] or ["score"]


def _megabytes(kind: dict[str, Any]) -> float | None:
    """Of the model and of scoring beyond it."""
    parts = kind["model_bytes"], kind["working_bytes"]
    return None if None in parts else sum(parts) / 1e6


def _number(value: float | None, form: str) -> str:
    return "?" if value is None else format(value, form)
