"""Generated programs (generated.py) through the reference and through pytrace: standard output, exit status and, when
refused, the first error must be equal.

PYTRACE_PROPERTY says which: a number of programs, or `first:last` for the seeds of a part; `make property` runs the
2,000 of a release.  What a newcomer would get wrong: a failing seed means the same program only as long as the
generator stays as it is, so the message shows the program itself, shrunk to the statements that matter.
"""

from __future__ import annotations

import os
import re
import shlex
import warnings
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path

import pytest

from pytrace.compare.tokens import NOISE
from tests.conformance.generated import Program, program
from tests.harness import forked, machine, process
from tests.harness.process import Finished
from tests.harness.tracer import SCALE

DEFAULT = "60"
PART = 20
LIMIT = 60.0 * SCALE
RULE = re.compile(r'DIFFERENCE "([A-Z][^"]+)"')
REFUSED = (
    "Looks like the BPF stack limit is exceeded",  # DIFFERENCE "More variables than the stack has room for"
    "on expression of type 'int8'",  # DIFFERENCE "Fields of a record that is made of macros"
    "Error code: -13",  # DIFFERENCE "Bounds that the compiler knows and the verifier does not"
)
"""Where the reference gives up, ours has to run, unless it is too much for the verifier: texts that are put together in
loops within loops."""
TOO_LARGE = "BPF program is too large"


def seeds(asked: str) -> range:
    """The seeds that PYTRACE_PROPERTY names."""
    first, colon, last = asked.rpartition(":")
    return range(int(first) if colon else 0, int(last))


ASKED = seeds(os.environ.get("PYTRACE_PROPERTY", DEFAULT))
PARTS = [ASKED[at : at + PART] for at in range(0, len(ASKED), PART)]


def first_error(done: Finished) -> str:
    """The first message of a refusal, "" without one."""
    return next((line for line in NOISE.sub("", done.stderr).splitlines() if "ERROR: " in line), "")


def both(made: Program, folder: Path) -> tuple[Finished, Finished]:
    """The reference's run and ours."""
    words = [*made.options.split(), "-e", made.text]
    expected = process.run(f"{machine.reference()} {shlex.join(words)}", timeout=LIMIT, cwd=folder)
    return expected, forked.call(["--no-cache", *words], timeout=LIMIT, folder=folder)


def difference(expected: Finished, found: Finished) -> str:
    """What differs, "" if nothing does."""
    if any(text in expected.stderr for text in REFUSED) and (not found.status or TOO_LARGE in found.stderr):
        return ""
    sides = [[f"status {run.status}\n", f"{first_error(run)}\n", *_lines(run.stdout)] for run in (expected, found)]
    return "".join(unified_diff(*sides, "the reference", "pytrace"))


def _lines(text: str) -> list[str]:
    """The output.  DIFFERENCE "The warning about a part of a value comes behind the value": warnings in JSON apart."""
    lines = text.splitlines(keepends=True)
    return sorted(lines, key=lambda line: line.startswith('{"type": "runtime_error"'))


def shrunk(failing: Program, folder: Path) -> Program:
    """The program without the statements that the difference does not need.  Both must end as they did."""
    statuses = [run.status for run in both(failing, folder)]
    for line in reversed(failing.lines):
        fewer = replace(failing, lines=tuple(other for other in failing.lines if other is not line))
        runs = both(fewer, folder)
        if difference(*runs) and [run.status for run in runs] == statuses:
            failing = fewer
    return failing


def verdict(seed: int, folder: Path) -> tuple[str, bool]:
    """What is wrong with the program of a seed ("" if nothing is), and whether the reference runs it."""
    made = program(seed)
    expected, found = both(made, folder)
    first = difference(expected, found)
    if not first:
        return "", not expected.status
    expected, found = both(made, folder)  # a busy machine's chance does not come twice
    if not difference(expected, found):
        warnings.warn(f"seed {seed} differed once, then no more:\n{first[:1500]}", stacklevel=1)
        return "", not expected.status
    small = shrunk(made, folder)
    expected, found = both(small, folder)
    return f"seed {seed}: {small.options}\n{small.text}{difference(expected, found)}{found.stderr}", not expected.status


def test_a_seed_is_a_program() -> None:
    assert program(7) == program(7) != program(8)
    assert {line.count("\n") for line in program(7).lines} == {0}


def test_rules_name_listed_differences() -> None:
    """The generator keeps out what is listed, and no more."""
    files = [*Path(__file__).parent.glob("generated*.py"), Path(__file__)]
    named = {re.sub(r"\s+", " ", title) for path in files for title in RULE.findall(path.read_text())}
    listed = re.findall(r"(?m)^## \d+\. (.+)$", (machine.ROOT / "docs" / "differences.md").read_text())
    assert len(named) >= 5 and named <= set(listed)


def test_what_is_asked_for() -> None:
    assert (seeds("3"), seeds("5:7")) == (range(3), range(5, 7))


@pytest.mark.feature("root", "btf", "reference")
@pytest.mark.usefixtures("nothing_left_behind")
@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.start}-{part.stop - 1}")
def test_generated(part: range, tmp_path: Path) -> None:
    verdicts = [verdict(seed, tmp_path) for seed in part]
    wrong = [text for text, _ in verdicts if text]
    assert not wrong, "\n".join(wrong)
    assert len(part) < PART or sum(runs for _, runs in verdicts) >= 0.8 * PART, "too many of the programs are refused"
