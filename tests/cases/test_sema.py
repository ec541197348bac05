"""Semantic messages (`errors/*.txt`) and inferred types (`types/*.txt`), as data.

A case is `===` (and, if need be, a remark), the script, `---`, what pytrace says: the messages, or the types of
maps and variables.  A remark of the form `args: …` gives positional parameters, words with `--` in front named ones.
`pytest --update` writes what pytrace gives now; look at the difference before you commit it.

The messages were compared with bpftrace 0.27.1; a remark `differs: …` says where pytrace means to be different.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from pytrace.defs import load_registry
from pytrace.diagnostics import Diagnostics, PytraceError, ScriptError
from pytrace.grammar.parser import parse
from pytrace.registry import Registry
from pytrace.sema.dump import map_line, variables
from pytrace.sema.pipeline import analyse
from pytrace.sema.typed import TypedScript
from pytrace.sema.unit import Options
from pytrace.source import Source
from tests.cases.test_syntax import Case, read
from tests.unit.recorded_target import RecordedTarget

HERE = Path(__file__).parent
ERRORS, TYPES = HERE / "errors", HERE / "types"
TARGET = RecordedTarget(features={"bpf_loop": True})


@cache
def registry() -> Registry:
    return load_registry()


def options_of(case: Case) -> Options:
    words = case.remark.partition("args:")[2].split()
    named = [w[2:].partition("=") for w in words if w.startswith("--")]
    return Options(
        positional=tuple(w for w in words if not w.startswith("--")),
        named={name: value if equals else True for name, equals, value in named},
        unsafe="unsafe" in case.remark,
    )


def analysed(case: Case) -> tuple[TypedScript | None, str]:
    """The typed script, None after errors, and what would be on stderr."""
    diagnostics = Diagnostics()
    try:
        script = parse(Source("stdin", case.script), diagnostics)
        typed = analyse(
            script, registry=registry(), target=TARGET, options=options_of(case), diagnostics=diagnostics
        )
    except ScriptError:
        return None, diagnostics.render()
    except PytraceError as error:
        return None, f"{error}\n"
    return typed, diagnostics.render()


def types_of(case: Case) -> str:
    typed, messages = analysed(case)
    if typed is None:
        return messages
    lines = [map_line(symbol) for symbol in typed.maps]
    lines += [f"${name}: {t}" for name, t in variables(typed)]
    return "".join(f"{line}\n" for line in lines)


def seen(case: Case) -> str:
    return types_of(case) if case.path.parent == TYPES else analysed(case)[1]


def write(path: Path, cases: list[Case]) -> None:
    before = path.read_text(encoding="latin-1").split("===")[0]
    text = "".join(f"==={case.remark}\n{case.script}\n---\n{seen(case)}" for case in cases)
    path.write_text(before + text, encoding="latin-1")


CASES = [case for folder in (ERRORS, TYPES) for path in sorted(folder.glob("*.txt")) for case in read(path)]


@pytest.mark.parametrize("case", CASES, ids=[f"{c.path.parent.name}-{c.path.stem}-{c.line}" for c in CASES])
def test_case(case: Case, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update"):
        write(case.path, read(case.path))
        return
    assert seen(case) == case.messages


def test_there_are_cases() -> None:
    assert len(CASES) > 150
