"""Whatever is given for an option or argument of a command: it is used, or refused with a message that says which."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sources.embedded import EmbeddedBroker
from tests.fuzzing import commands
from tests.fuzzing.commands import Parameter
from tests.fuzzing.site import Site, build, hurried
from tests.fuzzing.values import HOSTILE

pytestmark = pytest.mark.usefixtures("frozen_heap")

COMMANDS = dict(commands.leaves())
LASTING = {("run",), ("dispatch",)}  # a flag says whether they end by themselves
every_command = pytest.mark.parametrize("words", COMMANDS, ids=" ".join)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with EmbeddedBroker() as broker, hurried():
        yield build(tmp_path_factory.mktemp("site"), broker)


def texts(words: tuple[str, ...]) -> list[Parameter]:
    """The parameters that take any text."""
    return [
        each for each in commands.parameters(COMMANDS[words]) if not each.flag and each.name not in commands.CHOICES
    ]


def test_every_command_is_tried(site: Site) -> None:
    assert commands.works(site).keys() == COMMANDS.keys()


@every_command
def test_each_command_does_what_it_is_for(words: tuple[str, ...], site: Site) -> None:
    with site.unchanged():
        ran = commands.run(commands.line(words, commands.works(site)[words], {}), site.folder)

    assert commands.problems(ran, None) == "", ran.err
    assert ran.code == commands.ENDS.get(words, 0), ran.err


@every_command
@pytest.mark.parametrize("value", ["a\0b", "\udcff.csv", "x" * 20_000], ids=["NUL", "bytes", "long"])
def test_no_option_takes_what_no_file_or_database_can_hold(words: tuple[str, ...], value: str, site: Site) -> None:
    for parameter in texts(words):
        ran = commands.run(commands.line(words, commands.works(site)[words], {parameter: value}), site.folder)

        assert ran.code == 2, (parameter, ran)
        assert commands.problems(ran, {parameter: value}) == "", (parameter, ran)


@every_command
@settings(max_examples=8)
@given(data=st.data())
def test_any_value_is_used_or_refused(words: tuple[str, ...], data: st.DataObject, site: Site) -> None:
    chosen = [each for each in commands.parameters(COMMANDS[words]) if words not in LASTING or not each.flag]
    parameter = data.draw(st.sampled_from(chosen))
    value = data.draw(HOSTILE | st.sampled_from(site.files).map(str))
    if commands.endless(parameter, value):
        return
    line = commands.line(words, commands.works(site)[words], {parameter: value})
    with site.unchanged():
        ran = commands.run(line, site.folder)

    named = dict.fromkeys(commands.parameters(COMMANDS[words]), "\0\0\0") | {parameter: value}
    blamed = named if commands.ENDS.get(words, 0) != 2 else None  # a file read otherwise may lack what another one asks
    assert commands.problems(ran, blamed) == "", (line, ran)
