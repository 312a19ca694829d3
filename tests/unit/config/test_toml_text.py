"""Files of settings as people, editors and mistakes leave them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from monitor.config.reading import load_store
from monitor.config.settings import load
from monitor.config.toml_text import DEEPEST, LARGEST, read
from monitor.errors import SettingsError

TEXT = '[families."öfen"]\ntopic = "t"\ninterval = "10s"\nwindow.length = 8\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plant.toml"


def test_the_mark_that_editors_put_in_front(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())

    assert [*load(path, {}).families] == ["öfen"]
    assert load_store(path, {}).url.startswith("sqlite")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (TEXT.encode("utf-16"), "it is UTF-16; save it as UTF-8"),
        (TEXT.encode("utf-16-le"), "NUL bytes; is it UTF-16"),
        (TEXT.encode("cp1252"), "byte 11 is not UTF-8; save it as UTF-8"),
        (bytes(range(256)), "NUL bytes"),
        (b"models = " + b"[" * 5000, f"more than {DEEPEST} deep"),
        (b"models = " + b"{a=" * 5000, f"more than {DEEPEST} deep"),
        (b"models = " + b"[" * 100 + b"]" * 100, f"more than {DEEPEST} deep"),
        (b".".join([b"a"] * 500_000) + b" = 1", "a key of too many parts"),
        (b"[" + b" . ".join([b'"a"'] * 500_000) + b"]", "a key of too many parts"),
        (b"families.f.detector.seed = " + b"9" * 5000, "thousands of digits"),
        (
            b"families.f.detector.seed = 0x" + b"f" * 5000,
            "families.f.detector.seed: the number needs more than 64 bits",
        ),
        (b"families.f.detector.seed = 9223372036854775808", "families.f.detector.seed: the number needs more"),
        (b"[models]\n[models]", "not valid TOML"),
        (b"models = 'a'\nmodels = 'b'", "not valid TOML"),
        (b'models = "a\\u0000b"', "models: it holds a NUL character"),
        (b'families."a\\u0000b".topic = "x"', "families: the name of a key: it holds a NUL character"),
        (b"x" * (LARGEST + 1), "it is larger than 4,194,304 bytes"),
    ],
)
def test_what_is_wrong_is_said_at_once(path: Path, body: bytes, said: str) -> None:
    path.write_bytes(body)
    began = time.process_time()

    with pytest.raises(SettingsError, match=r"plant\.toml") as caught:
        load(path, {})

    assert said in str(caught.value)
    assert time.process_time() - began < 10


def test_many_families_are_no_long_key(path: Path) -> None:
    path.write_text("".join(TEXT.replace("öfen", f"f{i}").replace('"t"', f'"t.{i}"') for i in range(100)))

    assert len(load(path, {}).families) == 100


def test_a_folder_a_pipe_and_a_device_are_no_files(tmp_path: Path) -> None:
    """A pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    for path, said in ((tmp_path, "Is a directory"), (tmp_path / "pipe", "a pipe"), (Path("/dev/zero"), "a device")):
        with pytest.raises(SettingsError, match=said):
            read(path)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "no/such/folder"])
def test_a_path_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read|no such file"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", "4"), ("12#3", "12#3"), ("a # b", "a # b"), ("1\nx = 2", "1\nx = 2"), ("'quoted'", "quoted"),
        ('"a#b"', "a#b"), ("1, 2", "1, 2"), ("[" * 3000, "[" * 3000), ("9" * 5000, "9" * 5000), ("", ""),
    ],
)  # fmt: skip
def test_a_variable_is_one_value_or_text(path: Path, text: str, value: str) -> None:
    """A password that only begins like a number stays what it is."""
    path.write_text(TEXT, encoding="utf-8")

    options = load(path, {"WATCHKEEPER__KAFKA__OPTIONS__SASL.PASSWORD": text}).kafka.options

    assert str(options["sasl.password"]) == value


@pytest.mark.parametrize("text", ["a\0b", "a\udcffb"])
def test_a_variable_that_is_no_text(path: Path, text: str) -> None:
    path.write_text(TEXT, encoding="utf-8")

    with pytest.raises(SettingsError, match="WATCHKEEPER__KAFKA__OPTIONS__X: it"):
        load(path, {"WATCHKEEPER__KAFKA__OPTIONS__X": text})


def test_a_variable_of_too_many_parts(path: Path) -> None:
    path.write_text(TEXT, encoding="utf-8")

    with pytest.raises(SettingsError, match="deep"):
        load(path, {"WATCHKEEPER__KAFKA" + "__A" * 5000: "1"})
