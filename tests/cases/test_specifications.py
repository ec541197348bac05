"""Specifications of `trace` and `argdist`: command lines and the scripts or messages that come of them, as data.

A case in `specifications/*.txt` is `===` (and, if need be, a remark), the tool with its words as in a shell, `---`, the
script or the messages.  `pytest --update` writes what pytrace gives now; look at the difference before you commit it.
"""

from __future__ import annotations

import random
import shlex
from pathlib import Path

import pytest

from pytrace import toolbox
from pytrace.arguments import parse as parse_arguments
from pytrace.diagnostics import Diagnostics, PytraceError, ScriptError
from pytrace.grammar.parser import parse
from pytrace.source import Source, Span
from tests.cases.test_syntax import Case, read

FOLDER = Path(__file__).parent / "specifications"


def made(command: str) -> Source:
    """The script of a command line.  Raises ScriptError, UsageError."""
    inv = parse_arguments(shlex.split(command))
    return toolbox.generate(inv.file, inv.generator, inv.options.named, inv.options.positional).source


def outcome(command: str) -> str:
    try:
        return made(command).text
    except PytraceError as error:
        return f"{error}\n" if not isinstance(error, ScriptError) else str(error)


def write(path: Path, cases: list[Case]) -> None:
    before = path.read_text(encoding="latin-1").split("\n===")[0] + "\n"
    text = "".join(f"==={case.remark}\n{case.script}\n---\n{outcome(case.script)}" for case in cases)
    path.write_text(before + text, encoding="latin-1")


CASES = [case for path in sorted(FOLDER.glob("*.txt")) for case in read(path)]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.path.stem}-{case.line}" for case in CASES])
def test_outcome(case: Case, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update"):
        write(case.path, read(case.path))
        return
    assert outcome(case.script) == case.messages
    if case.path.stem != "errors":
        found = Diagnostics()
        parse(made(case.script), found)
        assert not list(found)


def test_errors_of_the_compiler_are_led_back() -> None:
    script = made("trace 'c:open \"%d %d\", arg1, nosuch->x' 'c:read (arg3 > 5)'")
    for text, origin in (
        ("nosuch->x", "nosuch->x"),
        ("arg0", "arg1"),
        ("arg2 > 5", "arg3 > 5"),
        ("uprobe:libc:read", "c:read"),
    ):
        start = script.text.index(text)
        place = script.origin(Span(script, start, start + len(text)))
        assert place is not None and place.text == origin
        assert place.source.name == ("probe 2" if "3" in origin or origin == "c:read" else "probe 1")
    assert script.origin(Span(script, 0, 5)) is None


def test_damaged_specifications_end_in_a_message() -> None:
    """Pieces of the cases, cut and put together at random: a script that parses, or a message, but nothing else."""
    chance = random.Random(5)
    texts = [word for case in CASES for word in shlex.split(case.script)[1:] if len(word) > 4]
    for _ in range(400):
        first, second = chance.choice(texts), chance.choice(texts)
        word = first[: chance.randrange(len(first))] + second[chance.randrange(len(second)) :]
        if word.startswith("-"):
            continue
        for command in (f"trace {shlex.quote(word)}", f"argdist -C {shlex.quote(word)}"):
            try:
                script = made(command)
            except PytraceError:
                continue
            parse(script, found := Diagnostics())
            assert not list(found), (word, found.render())
