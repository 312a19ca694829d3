"""Different values give different names, whatever the template; ordinary values give the names they always gave."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.config.formats import Format
from monitor.config.key_templates import KeyTemplate, template_problems
from monitor.config.settings import parse
from monitor.errors import SettingsError

TEMPLATES = (
    "{a}/{b}", "{a}//{b}", "{a}/%/{b}", "{a}-a-{b}", "{a}aba{b}", "x{a}A{b}/", "{a}·{b}", "{a}é%{b}", "{b}/{a}",
    "{a}C2%B7{b}", "{a}F{b}", "/{a}/{b}/{c}/", "{a}/{b}/{a}", "{a}.{b}-{c}", "%{a}/{b}",
)  # fmt: skip
values = st.text("/%25F-aA4b.·éC1", min_size=1, max_size=6)
FIELDS = {template: KeyTemplate(template).fields for template in TEMPLATES}


@pytest.mark.parametrize("template", TEMPLATES)
@given(data=st.data())
def test_names_are_equal_only_where_all_values_are(template: str, data: st.DataObject) -> None:
    count = len(FIELDS[template])
    many = data.draw(st.lists(st.tuples(*[values] * count), min_size=2, max_size=30, unique=True))
    name = KeyTemplate(template).name
    assert len({name(each) for each in many}) == len(many)


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_two_of_all_short_values_have_one_name(template: str) -> None:
    name = KeyTemplate(template).name
    mark = re.sub(r"\{\w+\}", " ", template).split()[-1][:1]
    texts = _all(f"%2{mark}F", 3)
    seen: dict[str, Sequence[str]] = {}
    rest = ("z",) * (len(FIELDS[template]) - 2)
    for left in texts:
        for right in texts[:40]:
            made = name((left, right, *rest))
            assert seen.setdefault(made, (left, right)) == (left, right), made


def _all(alphabet: str, longest: int) -> list[str]:
    found = [""]
    for _ in range(longest):
        found += [text + char for text in found for char in alphabet]
    return sorted({text for text in found if text}, key=lambda text: (len(text), text))


@given(st.text("abcz019_.: -üß%", min_size=1), st.text("abcz019/_.:- ü%2F", min_size=1))
@example("100%", "50%2F")
@example("a%", "25")
def test_ordinary_values_make_the_names_that_they_always_made(site: str, machine: str) -> None:
    """No / in the first value, nor what would look like one."""
    if "%25" not in site:
        assert KeyTemplate("{site}/{machine}").name([site, machine]) == f"{site}/{machine}"


def test_the_two_streams_that_were_one() -> None:
    name = Format(key="{a}/{b}").name
    assert name(["a/b", "c"]) == "a%2Fb/c"
    assert name(["a", "b/c"]) == "a/b/c"


@pytest.mark.parametrize("key", ["{a}{b}", "x{a}{b}", "{a}1{b}", "{a}%{b}", "{a}/{b}{c}", "{a", "a}", "{a}/{}"])
def test_a_template_that_cannot_tell_values_apart_is_refused(key: str) -> None:
    assert list(template_problems(key))
    family = {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 8}, "format": {"key": key}}
    with pytest.raises(SettingsError, match=r"format\.key: "):
        parse({"families": {"f": family}})


@pytest.mark.parametrize("key", ["$key", "id", "machine.id", "{a}", "x-{a}-y", "{a}/{b}", "{a}·{b}", "100%{a}"])
def test_other_keys_are_fine(key: str) -> None:
    assert list(template_problems(key)) == []
