"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from monitor.cli.app import COMMANDS
from monitor.settings import LogNotifier, Settings, WebhookNotifier, parse
from monitor.tables import Section

ROOT = Path(__file__).parents[2]


def sections(section: type[Section]) -> list[type[Section]]:
    """A table and all tables below it."""
    below = [
        kind
        for field in section.model_fields.values()
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ()))
        if isinstance(kind, type) and issubclass(kind, Section)
    ]
    return [section, *(found for kind in below for found in sections(kind))]


KEYS = sorted(
    {name for top in (Settings, WebhookNotifier, LogNotifier) for s in sections(top) for name in s.model_fields}
)


def test_the_walk_finds_nested_tables() -> None:
    assert {"n_std", "bootstrap_servers", "secret_env", "open_of"} <= set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_is_documented(key: str) -> None:
    rows = re.findall(r"^\|([^|]*)\|", (ROOT / "docs/configuration.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert any(f"`{key}`" in row for row in rows)


@pytest.mark.parametrize("path", ["README.md", "docs/configuration.md"])
def test_configurations_shown_in_the_documents_can_be_used(path: str) -> None:
    import tomllib

    shown = re.findall(r"```toml\n(.*?)```", (ROOT / path).read_text(encoding="utf-8"), re.DOTALL)

    assert shown
    for text in shown:
        parse(tomllib.loads(text))


@pytest.mark.parametrize("path", sorted(p.relative_to(ROOT) for p in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]))
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")

    for target in re.findall(r"\]\((?!http|#)([^)#]+)", text):
        assert (ROOT / path.parent / target).exists(), target


def test_readme_names_only_commands_that_exist() -> None:
    named = re.findall(r"watchkeeper ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"))

    assert set(named) <= set(COMMANDS)
