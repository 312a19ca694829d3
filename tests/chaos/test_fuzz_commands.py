"""Hostile values for several options of a command at once, for a while: see tests/property/test_command_lines.py."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from monitor.sources.embedded import EmbeddedBroker
from tests.fuzzing import commands
from tests.fuzzing.budget import bounded_memory, rounds
from tests.fuzzing.site import Site, build, hurried
from tests.fuzzing.values import TEXTS

MIB = 2**20


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with EmbeddedBroker() as broker, hurried():
        yield build(tmp_path_factory.mktemp("site"), broker)


LASTING = {("run",), ("dispatch",)}  # a flag says whether they end by themselves


def value(chance: random.Random, site: Site) -> str:
    kind = chance.random()
    if kind < 0.3:
        return str(chance.choice(site.files))
    if kind < 0.8:
        return chance.choice(TEXTS)
    if kind < 0.9:
        return "".join(chance.choice(TEXTS)[:8] for _ in range(chance.randrange(1, 4)))
    return "".join(chr(chance.randrange(1, 0x110000)) for _ in range(chance.randrange(1, 12)))


@pytest.mark.timeout(3600)
def test_no_command_line_ends_with_a_mistake_of_ours(site: Site) -> None:
    known = dict(commands.leaves())
    bases = commands.works(site)
    for words in known:  # so that what is imported once is not counted below
        with site.unchanged():
            commands.run(commands.line(words, bases[words], {}), site.folder)
    for chance in rounds():
        words = chance.choice(list(known))
        chosen = [each for each in commands.parameters(known[words]) if words not in LASTING or not each.flag]
        some = chance.sample(chosen, chance.randint(1, min(3, len(chosen))))
        changed = {parameter: value(chance, site) for parameter in some}
        if any(commands.endless(*each) for each in changed.items()):
            continue
        line = commands.line(words, bases[words], changed)
        with site.unchanged(), bounded_memory(0, 0, 300 * MIB):
            ran = commands.run(line, site.folder)
        assert commands.problems(ran, None) == "", (line, ran)
