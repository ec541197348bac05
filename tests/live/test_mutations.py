"""Damaged scripts on this machine: each is refused with a message, or its programs load, or the verifier refuses them
and the script's line is named.

Which ones: see tests/unit/test_mutations.py.  Nothing is attached and nothing runs.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from pytrace import driver
from pytrace.diagnostics import InternalError, MachineError, PytraceError, VerifierError
from pytrace.options import Options
from pytrace.program import Program
from pytrace.runtime import facts, loader
from pytrace.runtime.machine import Machine
from pytrace.runtime.sys import kernel
from pytrace.source import Source
from tests.harness import mutations
from tests.harness.tracer import SCALE
from tests.unit.test_mutations import PART, seeds

LIMIT = 60.0 * SCALE
OPTIONS = Options(unsafe=True)
SEEDS = seeds("200")
PARTS = [SEEDS[at : at + PART] for at in range(0, len(SEEDS), PART)]
FINE = {"loaded", "refused", "not for this kernel", "refused by the verifier"}


@cache
def machine() -> Machine:
    return Machine.from_options(OPTIONS)


def judge(text: str) -> str:
    """Compile and load one text."""
    try:
        program = driver.compile_source(Source("stdin", text), OPTIONS, machine())
    except InternalError:
        raise
    except PytraceError as error:
        assert str(error), "refused without a message"
        return "refused"
    return loading(program)


def loading(program: Program) -> str:
    """What the kernel says to a Program.  All that was made is closed again."""
    names = [row.source for row in program.globals]
    try:
        loaded = loader.load(program, kernel, facts.sources(kernel, None, None, names))
    except VerifierError as error:
        if error.line is None:
            return f"without a line: {error}: {error.cause}\n{error.log[-1500:]}"
        return f"refused by the verifier: {error.line.location}: {error.cause}"
    except MachineError as error:
        return f"not for this kernel: {error}"
    loaded.close(kernel)
    return "loaded"


@pytest.mark.feature("root", "tracefs", "btf", "tracepoint", "uprobe")
@pytest.mark.usefixtures("nothing_left_behind")
@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.start}-{part.stop - 1}")
def test_loaded_or_refused(part: range, test_programs: Path) -> None:
    found = mutations.outcomes(list(mutations.mutants(part, str(test_programs))), judge, LIMIT)
    wrong = [one for one in found if one.kind not in FINE]
    assert not wrong, "\n".join(f"--- {one.kind}: {one.text}\n--- {one.detail}" for one in wrong)
    kinds = Counter(one.kind for one in found)
    assert kinds["loaded"] > len(part) // 50, kinds
