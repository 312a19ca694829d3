"""`watchkeeper detectors`: what each kind is for, as a table and as JSON, and helpful errors about kinds."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

import models
from models.evaluation.cost import Cost
from models.evaluation.memory import Memory
from monitor.cli.detectors import detectors
from monitor.cli.parameters.detectors import detector_kind
from monitor.errors import SettingsError

app = typer.Typer()
app.command()(detectors)


def run(*arguments: str, columns: int = 200) -> str:
    result = CliRunner(env={"COLUMNS": str(columns)}).invoke(app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_every_kind_is_listed_with_what_it_can_do() -> None:
    found = {each["kind"]: each for each in json.loads(run("--json"))}

    assert list(found) == list(models.DETECTORS)
    for name, kind in models.DETECTORS.items():
        can = kind.capabilities
        assert (found[name]["reconstructs"], found[name]["explains"]) == (can.reconstructs, can.explains)
        assert found[name]["trains_with"] == can.trains_with
    assert {"hidden", "epochs", "keep"} <= set(found["dense"]["options"])
    assert {"family", "use", "avoid", "cost"} <= set(found["lstm"])
    assert "parameters" not in found["dense"]


def test_the_table_has_the_same() -> None:
    shown = run()

    assert all(kind in shown for kind in models.DETECTORS)
    assert "use it for" in shown
    assert "shares of" in shown


def test_costs_are_measured_for_a_size() -> None:
    (found,) = json.loads(run("mahalanobis", "--length", "6", "--channels", "2", "--json"))

    assert found["parameters"] == 156
    assert found["ms_per_1000_windows"] > 0
    assert found["problem"] is None
    assert found["model_bytes"] > 156 * 4
    assert found["working_bytes"] > 0
    assert "156" in run("mahalanobis", "--length", "6", "--channels", "2")


def test_names_stay_whole_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = Cost(144_000, 12_345.6, Memory(1_000_000, 123_400_000))
    monkeypatch.setattr("models.evaluation.cost.measure", lambda *_: cost)

    lines = run("--length", "6", columns=80).splitlines()
    named = [line.split()[:4] for line in lines if line.split()[:1] and line.split()[0] in models.DETECTORS]
    assert named == [[kind, "144,000", "12,345.6", "124.4"] for kind in models.DETECTORS]
    assert max(map(len, lines)) <= 80


def test_what_cannot_be_measured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise models.DependencyError("training needs torch")

    monkeypatch.setattr("models.evaluation.cost.measure", missing)

    (found,) = json.loads(run("dense", "--length", "6", "--json"))
    assert (found["parameters"], found["working_bytes"], found["problem"]) == (None, None, "training needs torch")
    assert "dense: training needs torch" in run("dense", "--length", "6")


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="KIND: 'dens' is not known; did you mean dense"):
        run("dens")
    with pytest.raises(SettingsError, match="KIND: 'LSTM' is not known; did you mean lstm"):
        run("LSTM")
    with pytest.raises(SettingsError, match=r"--detector: .xyz. is not known; choose one of .*dense, "):
        detector_kind("xyz")


def test_channels_need_a_length() -> None:
    with pytest.raises(SettingsError, match="--channels: needs --length"):
        run("pca", "--channels", "3")


def test_options_out_of_bounds_are_refused() -> None:
    result = CliRunner().invoke(app, ["--length", "0"])

    assert result.exit_code == 2
    assert "--length" in result.output
