"""`train --detector` and `train --search`: what is trained instead, and what to write into the settings."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from monitor.cli.train import train
from monitor.config.settings import load, parse
from monitor.errors import ModelError, SettingsError
from monitor.ports.models import ModelRow
from monitor.store.sql import SqlStore, open_store
from monitor.training.model_library import other_detector
from tests.unit.cli.test_models import CONFIG, FILE, block, keep

NET = CONFIG.replace('"mahalanobis"', '"dense"\ndetector.options = { epochs = 2, patience = 1 }\ndetector.seed = 3')


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    monkeypatch.chdir(tmp_path)
    FILE.write_text(NET)
    found = open_store("sqlite:///plant.db")
    keep(found, block(0, 400))
    yield found
    found.close()


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(train)
    result = CliRunner().invoke(app, [str(FILE), *arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def champion(store: SqlStore) -> ModelRow:
    found = store.registry.champion("pumps")
    assert found is not None
    return found


def written(table: str) -> str:
    """The settings with that table instead of the keys of the detector."""
    kept = [line for line in NET.splitlines() if not line.startswith("detector.")]
    return "\n".join([*kept, table])


def test_another_kind_is_trained_and_what_to_write_is_said(store: SqlStore) -> None:
    said = run("--detector", "mahalanobis")
    row, families = champion(store), load(FILE).families

    assert json.loads(row.manifest)["kind"] == "mahalanobis"
    assert 'write detector = { kind = "mahalanobis", seed = 3 } into [families.pumps]' in said
    assert "trained with detector.kind = mahalanobis" in other_detector(row, families["pumps"])
    with_table = parse(tomllib.loads(written('detector = { kind = "mahalanobis", seed = 3 }')))
    assert other_detector(row, with_table.families["pumps"]) == ""


def test_the_kind_of_the_settings_keeps_its_options_and_nothing_is_to_be_written(store: SqlStore) -> None:
    said = json.loads(run("--detector", "dense", "--json"))

    assert (said["detector_to_write"], said["search"]) == ("", None)
    assert json.loads(champion(store).manifest)["config"]["epochs"] == 2


def test_a_search_says_what_it_found_and_what_to_write(store: SqlStore) -> None:
    said = json.loads(run("--search", "1s", "--json"))
    found, config = said["search"], json.loads(champion(store).manifest)["config"]

    assert found["trials"] >= 1
    assert found["best"] >= found["default"]
    assert {name: config[name] for name in found["options"]} == found["options"]
    if found["options"]:
        family = parse(tomllib.loads(written(said["detector_to_write"]))).families["pumps"]
        assert family.detector_options == {"epochs": 2, "patience": 1, **found["options"]}
        assert family.detector.seed == 3
    else:
        assert said["detector_to_write"] == ""


def test_a_search_is_reported_in_words(store: SqlStore) -> None:
    assert "trials; faults put into held-out windows rank above clean ones with an AUC of" in run("--search", "1s")


def test_what_cannot_be_trained_or_searched_changes_nothing(store: SqlStore) -> None:
    with pytest.raises(SettingsError, match="--detector: 'dens' is not known; did you mean dense"):
        run("--detector", "dens")
    with pytest.raises(ModelError, match="mahalanobis has no option to search"):
        run("--detector", "mahalanobis", "--search", "1s")

    assert store.registry.champion("pumps") is None


def test_a_device_is_taken_for_this_training_and_stays_out_of_what_to_write(store: SqlStore) -> None:
    said = json.loads(run("--device", "cpu", "--json"))

    assert said["champion"]
    assert said["detector_to_write"] == ""


@pytest.mark.parametrize("arguments", [("--device", "cuda"), ("--device", "cuda", "--search", "1s")])
def test_a_device_that_is_not_there_is_an_error_that_says_so(store: SqlStore, arguments: tuple[str, ...]) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU with CUDA is present")
    with pytest.raises(ModelError, match="pumps: device = 'cuda' is not present; here there is cpu, or write auto"):
        run(*arguments)

    assert store.registry.champion("pumps") is None


def test_the_settings_choose_the_device_and_the_option_overrides_them(store: SqlStore) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU with CUDA is present")
    FILE.write_text(NET + 'detector.device = "cuda"\n')

    with pytest.raises(ModelError, match="PyTorch finds no GPU with CUDA"):
        run()
    assert json.loads(run("--device", "auto", "--json"))["champion"]
    with pytest.raises(SettingsError, match="device"):
        parse(tomllib.loads(NET + 'detector.device = "gpu"\n'))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU with CUDA is present")
def test_a_family_is_trained_on_the_gpu(store: SqlStore) -> None:
    assert json.loads(run("--device", "cuda", "--json"))["champion"]
