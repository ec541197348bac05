"""Damaged scripts end in a Program or in a diagnostic, never in an exception: against a recorded machine.

PYTRACE_MUTATIONS says which: a number, or `first:last` for the seeds of a part; `make mutations` tries 50,000, here and
on this kernel (tests/live/test_mutations.py).
"""

from __future__ import annotations

import os

import pytest

from pytrace import driver, types
from pytrace.diagnostics import InternalError, PytraceError
from pytrace.options import Options
from pytrace.source import Source
from pytrace.target import ElfSymbol, Function
from tests.harness import mutations
from tests.unit.recorded_target import RecordedTarget

PART = 100
LIMIT = 60.0


def seeds(default: str) -> range:
    """The seeds that PYTRACE_MUTATIONS names."""
    first, _, last = os.environ.get("PYTRACE_MUTATIONS", default).rpartition(":")
    return range(int(first or 0), int(last))


SEEDS = seeds("300")
PARTS = [SEEDS[at : at + PART] for at in range(0, len(SEEDS), PART)]
CALLS = ("plus", "times", "minus_one", "small", "greet", "take", "six", "inner", "outer", "fill", "main")


def target() -> RecordedTarget:
    """A machine that has the functions of tests/programs/calls.c and vfs_read."""
    read = Function("vfs_read", "vmlinux", (("pos", types.Pointer(types.INT64)),), types.INT64)
    symbols = [ElfSymbol(name, 0x1000 + 64 * n, 64, 0x1000 + 64 * n) for n, name in enumerate(CALLS)]
    return RecordedTarget(files={"/bin/calls": symbols}, kernel_functions={"vfs_read": read})


def judge(text: str) -> str:
    """Compile one text."""
    try:
        program = driver.compile_source(Source("stdin", text), Options(), target())  # type: ignore[arg-type]
    except InternalError:
        raise
    except PytraceError as error:
        assert str(error), "refused without a message"
        return "refused"
    program.to_plain()
    return "accepted"


def test_mutations_are_the_same_again() -> None:
    assert mutations.mutant(3) == mutations.mutant(3) != mutations.mutant(4)
    assert len(mutations.whole()) > 300 and len(mutations.broken()) > 300


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.start}-{part.stop - 1}")
def test_compiled_or_refused(part: range) -> None:
    found = mutations.outcomes(list(mutations.mutants(part, "/bin")), judge, LIMIT)
    wrong = [one for one in found if one.kind not in ("accepted", "refused")]
    assert not wrong, "\n".join(f"--- {one.kind}: {one.text}\n--- {one.detail}" for one in wrong)
    assert [one.kind for one in found].count("accepted") > len(part) // 50
