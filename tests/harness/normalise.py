"""What two runs of the same script may differ in, taken out by name.  The forms are those of `pytrace.compare.tokens`.

In: output and the names that a test declares.  Out: output to compare byte for byte.  What a newcomer would get wrong:
nothing is normalised unless the test says so; a test that declares too much compares nothing.  `ties` alone is for all:
entries of a map come in the order of their values; which of two equal ones is first is chance, in the reference too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby

from pytrace.compare.tokens import ADDRESS, BUCKET, TIME

ROW = re.compile(f"^{BUCKET.pattern}$", re.M)
ENTRY = re.compile(r"(@\w*)\[.*\]: (.*)\n")
JSON_BUCKET = re.compile(r'\{"(min|max)": ?-?\d+, ?("max": ?-?\d+, ?)?"count": ?\d+\}')


def _lines(change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    return lambda text: "".join(change(text.splitlines(keepends=True)))


def _uniq(lines: list[str]) -> list[str]:
    return [line for at, line in enumerate(lines) if at == 0 or line != lines[at - 1]]


def ties(text: str) -> str:
    """Put neighbouring entries of one map that have the same value in the order of their keys."""

    def shared(line: str) -> tuple[str, ...]:
        entry = ENTRY.fullmatch(line)
        return entry.groups() if entry else ()

    lines = text.splitlines(keepends=True)
    return "".join(line for same, group in groupby(lines, shared) for line in (sorted(group) if same else group))


def _bars(text: str) -> str:
    text = ROW.sub("BUCKET", text)
    return re.sub(r"(BUCKET\n)+", "BUCKETS\n", text)


NORMALISERS: dict[str, Callable[[str], str]] = {
    # every run of digits, with its sign
    "numbers": lambda text: re.sub(r"-?\b\d+(\.\d+)?", "N", text),
    # clock times and dates
    "times": lambda text: re.sub(TIME, "TIME", text),
    # 0x… and bare kernel addresses
    "addresses": lambda text: re.sub(ADDRESS, "ADDRESS", text),
    # the +N behind a symbol
    "offsets": lambda text: re.sub(r"\+\d+", "+N", text),
    # lines in any order
    "sort": _lines(sorted),
    # the same line again, right after itself
    "uniq": _lines(_uniq),
    # the rows of histograms: that there are some, not how many
    "bars": _bars,
    "json-buckets": lambda text: re.sub(r"(BUCKET(, ?)?)+", "BUCKETS", JSON_BUCKET.sub("BUCKET", text)),
    # white space: runs become one space (column widths that follow from numbers)
    "spaces": lambda text: re.sub(r"[ \t]+", " ", text),
    # the tool's own name, where it speaks of itself
    "tool": lambda text: re.sub(r"\b(bpftrace|pytrace)\b", "TOOL", text),
    # only the first line counts (a list or a trace of unknown length follows)
    "first-line": lambda text: text.split("\n", 1)[0] + "\n",
    # only the first three lines
    "head": _lines(lambda lines: lines[:3]),
    # how many lines there are is not determined, that there are some is
    "any": lambda text: "SOME\n" if text.strip() else "NONE\n",
    # map entries with a stack as key: that there are some, not which and how many
    "stacks": lambda text: re.sub(r"(@\w*\[\n(?: +\S.*\n)+(?:, .*)?\]: .*\n+)+", "STACKS\n", text),
    # empty stack frames of unknown depth: only that there is an indented line
    "frames": lambda text: re.sub(r"((?:^|\n)[ ]{4,}\S[^\n]*)+", "\n    FRAMES", text),
}


def normalise(text: str, names: list[str]) -> str:
    """Apply the named normalisers in the order given."""
    for name in names:
        text = NORMALISERS[name](text)
    return text
