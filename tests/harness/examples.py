"""The scripts in examples/: what their headers say.

In: a file.  Out: `Example`.  What a newcomer would get wrong: `…` in what is printed stands for anything, alone on a
line for any lines.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.harness.machine import ROOT

FOLDER = ROOT / "examples"
FILES = sorted([*FOLDER.glob("*.pt"), *FOLDER.glob("*.py")])


@dataclass(frozen=True)
class Example:
    """`about`: what it shows; `command`: how to try it; `needs`: features of the kernel; `prints`: what then."""

    about: str
    command: str
    needs: tuple[str, ...]
    prints: str


def example(path: Path) -> Example:
    """ValueError for a header that lacks a part."""
    text = path.read_text()
    found = re.search(r'(?:^/\*|""")(.*?)\n*(?:^\*/|""")', text, re.M | re.S)
    if not found:
        raise ValueError(f"{path.name} has no header")
    parts = dict(re.findall(r"(?ms)^([A-Z]+)\n((?: {4}.*?\n|\n)+)", found[1] + "\n"))
    if not {"TRY", "PRINTS"} <= set(parts):
        raise ValueError(f"{path.name} has {sorted(parts)}")
    about = found[1].strip().split("\n\n")[0]
    needs, prints = parts.get("NEEDS", "").split(), textwrap.dedent(parts["PRINTS"]).strip("\n")
    return Example(about, parts["TRY"].strip(), tuple(needs), prints)


def fits(printed: str, expected: str) -> bool:
    """Whether `printed` is what `expected` says, white space at the end of lines and empty lines around it apart."""
    regex = ""
    for line in expected.split("\n"):
        regex += r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n"
    lines = "".join(f"{line.rstrip()}\n" for line in printed.strip().splitlines())
    return re.fullmatch(regex, lines) is not None
