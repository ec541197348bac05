"""Scripts with expectations: every case of tests/live/*.case runs pytrace on this kernel.

Directives beside those of tests/harness/datafile.py: `expect` (a whole line of stdout, in this order), `regex` (found
in stdout), `absent` (not found in stdout or stderr), `stderr` (a regex found there), `status` (default 0); and `lacks`:
the case shows what is said where a feature is missing.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.harness import datafile, machine
from tests.harness.process import Finished
from tests.harness.tracer import run_case


@pytest.mark.feature("root", "btf")
@pytest.mark.parametrize("case", datafile.parameters(Path(__file__).parent))
@pytest.mark.usefixtures("nothing_left_behind")
def test_script(case: datafile.Case, pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    machine.need(*case.words("needs"))
    machine.lack(*case.words("lacks"))
    done = run_case(case, pytrace, test_programs, tmp_path)
    wrong = differences(case, done)
    assert not wrong, "\n".join([*wrong, done.describe()])


def differences(case: datafile.Case, done: Finished) -> list[str]:
    """What the run did not fulfil, in words."""
    wrong = ["it did not end by itself"] if done.timed_out else []
    if not done.timed_out and done.status != int(case.one("status", "0")):
        wrong.append(f"status {done.status}, expected {case.one('status', '0')}")
    lines = iter(done.stdout.splitlines())
    for expected in case.directives.get("expect", []):
        if expected not in (line.strip() for line in lines):
            wrong.append(f"no line {expected!r} (in this place)")
            break
    for regex in case.directives.get("regex", []):
        if not re.search(regex, done.stdout, re.M):
            wrong.append(f"stdout does not match {regex!r}")
    for regex in case.directives.get("stderr", []):
        if not re.search(regex, done.stderr, re.M):
            wrong.append(f"stderr does not match {regex!r}")
    for regex in case.directives.get("absent", []):
        if re.search(regex, done.stdout + done.stderr, re.M):
            wrong.append(f"output has {regex!r}")
    if "Traceback (most recent call last)" in done.stderr:
        wrong.append("a Python traceback reached the user")
    return wrong
