"""One secret of a channel, from an environment variable or a file that the settings name; no message repeats either.

What stands in place of the name may be the secret itself, written there by mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monitor.config.small_files import read_small
from monitor.errors import SettingsError

_MOST = 2**16  # bytes of the file


def secret_text(key: str, variable: str, path: Path | None, environ: Mapping[str, str]) -> str:
    """The text without blanks around it. `key` is how the settings begin: `KEY_env` or `KEY_file`.

    Raises SettingsError where it is absent, empty, or named twice.
    """
    if bool(variable) == (path is not None):
        raise SettingsError(f"write either {key}_env, the name of an environment variable, or {key}_file")
    if path is None:
        found, where = environ.get(variable, ""), f"the environment variable that {key}_env names"
    else:
        found, where = _read(path, f"the file that {key}_file names"), f"the file that {key}_file names"
    if not found.strip():
        raise SettingsError(f"{where} is empty or not there; it must hold the secret")
    return found.strip()


def _read(path: Path, where: str) -> str:
    try:
        return read_small(path, _MOST).decode()
    except UnicodeDecodeError:
        raise SettingsError(f"{where} is not UTF-8 text") from None
    except OSError as error:
        raise SettingsError(f"{where} cannot be read: {error.strerror}") from None
