"""The documents say what the code does."""

import re
import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from pydantic import AliasPath
from pydantic.fields import FieldInfo
from sqlalchemy import Table

import models
from models.networks.training_options import TrainingConfig
from models.registry import option_classes
from monitor import bootstrap
from monitor.cli.app import COMMANDS
from monitor.config.notifiers import CHANNELS
from monitor.config.sections import Section
from monitor.config.settings import Settings, parse
from monitor.records.scalars import State
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Records
from monitor.store.schema import metadata
from monitor.store.sql import open_store
from monitor.store.views import VIEWS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(p.relative_to(ROOT) for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def sections(section: type[Section]) -> list[type[Section]]:
    """A table and all tables below it."""
    below = [
        kind
        for field in section.model_fields.values()
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ()))
        if isinstance(kind, type) and issubclass(kind, Section)
    ]
    return [section, *(found for kind in below for found in sections(kind))]


def written(name: str, field: FieldInfo) -> str:
    """The key in the file: a field may stand inside another table."""
    place = field.validation_alias
    return ".".join(map(str, place.path)) if isinstance(place, AliasPath) else name


TABLES: list[type[Section]] = [Settings, *CHANNELS]
KEYS = sorted(
    {
        written(name, field)
        for top in TABLES
        for section in sections(top)
        for name, field in section.model_fields.items()
    }
)


def test_the_walk_finds_nested_tables() -> None:
    assert {"n_std", "bootstrap_servers", "secret_env", "open_of"} <= set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_is_documented(key: str) -> None:
    rows = re.findall(r"^\|([^|]*)\|", (ROOT / "docs/configuration.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert any(f"`{key}`" in row for row in rows)


@pytest.mark.parametrize("kind", models.DETECTORS)
def test_every_option_of_every_detector_is_documented(kind: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", (ROOT / "docs/configuration.md").read_text("utf-8"), re.MULTILINE)

    shared = {name for name, of in rows if of == "every kind"}
    for config_class in option_classes(kind):
        of = "kinds with epochs" if config_class is TrainingConfig else f"`{kind}`"
        assert {field.name for field in fields(config_class)} <= shared | {name for name, whose in rows if whose == of}


@pytest.mark.parametrize("kind", models.DETECTORS)
def test_what_every_detector_can_do_is_documented(kind: str) -> None:
    text = (ROOT / "docs/configuration.md").read_text("utf-8")
    can = models.DETECTORS[kind].capabilities
    does = (can.reconstructs, can.explains, can.epochs, can.trains_with == "torch")
    marks = r" \| ".join("yes" if able else "no" for able in does)

    assert re.search(rf"^\| `{kind}` \| [^|]+ \| {marks} \|$", text, re.MULTILINE)


@pytest.mark.parametrize("kind", models.DETECTORS)
def test_the_map_of_the_literature_has_every_detector(kind: str) -> None:
    text = (ROOT / "docs/detectors.md").read_text("utf-8")
    (section,) = re.findall(r"^## Where the ideas.*?(?=^## )", text, re.MULTILINE | re.DOTALL)

    assert f"`{kind}`" in section


@pytest.mark.parametrize("path", ["README.md", "docs/configuration.md", "docs/formats.md", "docs/notifications.md"])
def test_configurations_shown_in_the_documents_can_be_used(path: str) -> None:
    import tomllib

    shown = re.findall(r"```toml\n(.*?)```", (ROOT / path).read_text(encoding="utf-8"), re.DOTALL)

    assert shown
    for text in shown:  # some show their tables alone
        parse({"families": {"f": {"topic": "t", "interval": "10s"}}} | tomllib.loads(text))


def test_messages_shown_in_the_documents_can_be_read() -> None:
    import tomllib

    text = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
    shown = re.findall(r"```toml\n(.*?)```\n```(?:json|csv)\n(.*?)```", text, re.DOTALL)

    assert len(shown) == 7
    for config, message in shown:
        (family,) = parse(tomllib.loads(config)).families.values()
        decoder = bootstrap.decoder(family, StreamIndex())
        one = np.zeros(1, np.int64)
        readings, dead = decoder.decode(Records(family.topic, [b"m"], [message.encode()], one.astype(np.int32), one))
        assert len(readings) >= 1
        assert dead == []


@pytest.mark.parametrize("path", DOCUMENTS)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")

    for target in re.findall(r"\]\((?!http|#)([^)#]+)", text):
        assert (ROOT / path.parent / target).exists(), target


def test_readme_names_only_commands_that_exist() -> None:
    named = re.findall(r"watchkeeper ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"))

    assert set(named) <= set(COMMANDS)


def test_files_named_for_contributors_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    written = re.findall(r"`((?:monitor|models|tests|docs)/[\w/.]+)`", text)
    named = {name for name in written if not re.search("NAME|NNNN", name)}

    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_every_table_and_column_is_documented(table: Table) -> None:
    text = (ROOT / "docs/sql.md").read_text("utf-8")
    section = re.search(rf"^### `{table.name}`(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)

    assert section is not None
    named = {
        name for row in re.findall(r"^\|([^|]*)\|", section[1], re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert {column.name for column in table.columns} - named == set()


def test_codes_of_scores_and_columns_of_views_are_documented() -> None:
    text = (ROOT / "docs/sql.md").read_text("utf-8")

    assert all(f"{state.value} {state.name.lower()}" in text for state in State)
    assert all(f"| `{name}` |" in text for name in VIEWS)


def test_queries_shown_in_the_documents_work(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/sql.md").read_text("utf-8"), re.DOTALL)
    open_store(f"sqlite:///{tmp_path}/w.db").close()

    with closing(sqlite3.connect(tmp_path / "w.db")) as database:
        for query in shown.strip().split("\n"):
            assert database.execute(query).fetchall() == []
