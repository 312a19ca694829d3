"""The demo's work folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.notifiers import WebhookNotifier
from monitor.config.settings import load
from monitor.demo.folder import CONFIG, SECRET, prepare, write_config
from monitor.errors import SettingsError


def test_the_configuration_can_be_read_and_holds_no_secret(tmp_path: Path) -> None:
    folder = tmp_path / 'a "quoted" folder'
    secret = prepare(folder)
    config = write_config(folder, "http://127.0.0.1:1234/hook")
    settings = load(config, {})
    receiver = settings.notify["receiver"]

    assert config == folder / CONFIG
    assert secret not in config.read_text(encoding="utf-8")
    assert isinstance(receiver, WebhookNotifier)
    assert receiver.secret_file == (folder / SECRET,)
    assert (folder / SECRET).read_text(encoding="utf-8") == secret
    assert (folder / SECRET).stat().st_mode & 0o077 == 0
    assert {family.detector.kind for family in settings.families.values()} == {"dense", "lstm"}


def test_a_folder_of_its_own_is_emptied(tmp_path: Path) -> None:
    first = prepare(tmp_path / "demo")
    (tmp_path / "demo" / "left.txt").touch()
    second = prepare(tmp_path / "demo")

    assert first != second
    assert not (tmp_path / "demo" / "left.txt").exists()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert prepare(tmp_path)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(SettingsError, match="not the demo's"):
        prepare(tmp_path)

    assert (tmp_path / "thesis.txt").exists()


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "demo").touch()

    with pytest.raises(SettingsError, match="demo"):
        prepare(tmp_path / "demo")
