"""Splitting attach text (spec 03 §1) and matching patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.sema.attach import AttachTextError, split
from pytrace.wildcard import has_wildcard, matcher


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("begin", ["begin"]),
        ("t:sched:switch", ["t", "sched", "switch"]),
        ("u:bin:", ["u", "bin", ""]),
        ("::", ["", "", ""]),
        ('u:bin:cpp:"foo::bar(int)"', ["u", "bin", "cpp", "foo::bar(int)"]),
        ('u:"a\\"b":f', ["u", 'a"b', "f"]),
        ("u:./a.out@main.c:12:3", ["u", "./a.out", "@", "main.c", "12", "3"]),
        ('"begin"', ["begin"]),
        ("i:s:$1", ["i", "s", "5"]),
        ("$2", ["t", "a", "b"]),
        ("i:s:$9", ["i", "s", ""]),
        ("i:s:$10", ["i", "s", ""]),
        ('u:"$1":f', ["u", "$1", "f"]),
    ],
)
def test_parts(text: str, parts: list[str]) -> None:
    assert split(text, ("5", "t:a:b")) == parts


@pytest.mark.parametrize("text", ["i:$a:1", "i:$:1", "i:$0:1", "i:s:$"])
def test_a_dollar_needs_a_number(text: str) -> None:
    with pytest.raises(AttachTextError):
        split(text, ("5",))


def test_a_parameter_that_names_itself_does_not_hang() -> None:
    with pytest.raises(AttachTextError):
        split("$1", ("$1",))


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        ("", ["", "x"], []),
        ("abc", ["abc"], ["ab", "abcd", ""]),
        ("*", ["", "x"], []),
        ("a*", ["a", "ab"], ["ba"]),
        ("*a", ["a", "ba", "aa", "xaxa"], ["ab"]),
        ("a*a", ["aa", "aba"], ["a", "ab"]),
        ("*a*b*", ["ab", "xaybz"], ["ba"]),
        ("a[bc]", ["a[bc]"], ["ab"]),
        ("ab*ba", ["abba"], ["aba"]),
    ],
)
def test_matcher(pattern: str, hits: list[str], misses: list[str]) -> None:
    matches = matcher(pattern)
    assert all(map(matches, hits))
    assert not any(map(matches, misses))


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_matcher_agrees_with_the_shell(pattern: str, text: str) -> None:
    from fnmatch import fnmatchcase

    assert matcher(pattern)(text) == (fnmatchcase(text, pattern) if pattern else True)


def test_brackets_count_as_a_wildcard() -> None:
    assert has_wildcard("a[b]") and has_wildcard("a*") and not has_wildcard("a]b[c"[:3])
