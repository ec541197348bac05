"""The same script through the reference (real bpftrace) and through pytrace; what they print must be equal, and
`pytrace compare` must find it so.

Directives beside those of tests/harness/datafile.py: `compare` (stdout stderr status; default stdout and status) and
`normalise` / `normalise-stderr` (tests/harness/normalise.py).  PYTRACE_CONFORMANCE=reference runs the reference against
itself, which shows that a case is deterministic enough to compare.
"""

from __future__ import annotations

import os
import warnings
from difflib import unified_diff
from pathlib import Path

import pytest

from pytrace.compare.tokens import NOISE
from tests.harness import comparing, datafile, machine
from tests.harness.normalise import normalise, ties
from tests.harness.process import Finished
from tests.harness.tracer import run_case


@pytest.mark.feature("root", "btf", "reference")
@pytest.mark.parametrize("case", datafile.parameters(Path(__file__).parent))
@pytest.mark.usefixtures("nothing_left_behind")
def test_conformance(case: datafile.Case, pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    """Two tracers see two runs of a live system: what differs must differ twice to count."""
    machine.need(*case.words("needs"))
    if first := attempt(case, pytrace, test_programs, tmp_path):
        again = attempt(case, pytrace, test_programs, tmp_path)
        assert not again, again
        warnings.warn(f"{case.id} differed once, then no more:\n{first[:1500]}", stacklevel=1)


def attempt(case: datafile.Case, pytrace: str, test_programs: Path, tmp_path: Path) -> str:
    """What differs between the reference's run and ours, "" if nothing does."""
    subject = machine.reference() if os.environ.get("PYTRACE_CONFORMANCE") == "reference" else pytrace
    expected = run_case(case, machine.reference(), test_programs, tmp_path)
    if expected.timed_out:
        return "the reference did not end by itself:\n" + expected.describe()
    found = run_case(case, subject, test_programs, tmp_path)
    wrong = [part for part in case.words("compare") or ["stdout", "status"] if compared(case, part, expected, found)]
    difference = "".join(compared(case, part, expected, found) for part in wrong)
    where, theirs = f"{case.path.name}:{case.line}", f"the reference's stderr:\n{expected.stderr}"
    if not wrong and not found.timed_out and (judged := comparing.difference(case, expected, found)):
        wrong, difference = ["compare"], f"pytrace compare says of the two:\n{judged}"
    return f"{where}\n{difference}\n{found.describe()}\n{theirs}" if wrong or found.timed_out else ""


def compared(case: datafile.Case, part: str, expected: Finished, found: Finished) -> str:
    """A diff of one part of the two runs, "" where they agree."""
    if part == "status":
        same = expected.status == found.status
        return "" if same else f"status: the reference {expected.status}, here {found.status}\n"
    sides = [ties(run.stdout) if part == "stdout" else NOISE.sub("", run.stderr) for run in (expected, found)]
    names = case.words("normalise" if part == "stdout" else "normalise-stderr")
    one, two = (normalise(text, names).splitlines(keepends=True) for text in sides)
    return "".join(unified_diff(one, two, f"{part} of the reference", f"{part} here"))
