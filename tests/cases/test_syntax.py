"""Syntax errors: scripts and the exact messages for them, as data in `syntax/*.txt`.

A case is `===` (and, if need be, a remark), the script, `---`, the messages.  `pytest --update` writes the messages
that pytrace gives now; look at the difference before you commit it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from pytrace.diagnostics import Diagnostics, ScriptError
from pytrace.grammar.parser import parse
from pytrace.source import Source

FOLDER = Path(__file__).parent / "syntax"


class Case(NamedTuple):
    path: Path
    line: int
    remark: str
    script: str
    messages: str


def read(path: Path) -> list[Case]:
    """The cases of one file; the text before the first `===` is a comment."""
    before, *parts = re.split(r"(?m)^===(.*)\n", path.read_text(encoding="latin-1"))
    cases = []
    line = before.count("\n") + 1
    for remark, body in zip(parts[::2], parts[1::2], strict=True):
        script, _, messages = body.partition("\n---\n")
        cases.append(Case(path, line, remark, script, messages))
        line += body.count("\n") + 1
    return cases


def write(path: Path, cases: list[Case]) -> None:
    before = path.read_text(encoding="latin-1").split("\n===")[0] + "\n"
    text = "".join(f"==={case.remark}\n{case.script}\n---\n{messages_of(case.script)}" for case in cases)
    path.write_text(before + text, encoding="latin-1")


def messages_of(script: str) -> str:
    try:
        parse(Source("stdin", script), Diagnostics())
    except ScriptError as error:
        return str(error)
    return ""


CASES = [case for path in sorted(FOLDER.glob("*.txt")) for case in read(path)]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.path.stem}-{case.line}" for case in CASES])
def test_messages(case: Case, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update"):
        write(case.path, read(case.path))
        return
    assert messages_of(case.script) == case.messages


def test_there_are_cases() -> None:
    assert len(CASES) > 200
