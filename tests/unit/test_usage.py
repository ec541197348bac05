"""The table of options, and the help text that is made from it."""

from __future__ import annotations

import re

import pytest

from pytrace.arguments import parse
from pytrace.diagnostics import UsageError
from pytrace.option_table import OPTIONS, SECTIONS, OptionDef
from pytrace.usage import EXAMPLES, SYNOPSIS, usage


def test_each_option_is_there_once() -> None:
    for names in ([o.long for o in OPTIONS if o.long], [o.short for o in OPTIONS if o.short]):
        assert len(names) == len(set(names))
    shown = [o for _, groups in SECTIONS for group in groups for o in group]
    assert all(o.doc for o in shown) and [o.name for o in OPTIONS if o not in shown] == ["btf"]


def test_the_help_text_has_every_option_with_its_meaning_and_values() -> None:
    text = usage()
    for option in OPTIONS:
        if option.doc:
            (found,) = re.findall(rf"^    {re.escape(option.spelling)}(\s.*(?:\n {{10,}}.*)*)", text, re.M)
            said = " ".join(found.split())
            assert said.startswith(option.doc)
            assert all(f"'{value}'" in said for value in option.values)
    assert all(words in text for words in SYNOPSIS) and all(words in text for words, _ in EXAMPLES)
    assert max(map(len, text.split("CONFIGURATION:")[0].splitlines())) <= 90


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.values], ids=lambda o: o.name)
def test_values_are_those_that_are_taken(option: OptionDef) -> None:
    name = f"--{option.long}" if option.long else f"-{option.short}"
    for value in option.values:
        parse([name, value, "-e", "begin {}"])
    if option.short != "f":  # which is looked at later, as in the reference
        with pytest.raises(UsageError):
            parse([name, "nothing-like-it", "-e", "begin {}"])


def test_abbreviations_that_mean_several() -> None:
    with pytest.raises(UsageError, match="ambiguous; possibilities: '--debug' '--debuginfo'"):
        parse(["--deb", "-e", "begin {}"])
    assert parse(["--debugi", "x", "-e", "begin {}"]).options.debuginfo == "x:"
