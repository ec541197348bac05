"""Scripts that were altered on purpose (altered.case): `pytrace compare` says different, and where.

What a newcomer would get wrong: both tracers are asked to run the same script; the bpftrace that is compared with here
replaces it by the altered one, as a bpftrace with another answer would.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.harness import datafile, forked, machine
from tests.harness.tracer import SCALE

LIMIT = 60.0 * SCALE
CASES = datafile.read(Path(__file__).with_name("altered.case"))
WRAPPER = """#!/bin/sh
for word; do
    shift
    [ "$word" != "$(cat {folder}/script)" ] || word=$(cat {folder}/altered)
    set -- "$@" "$word"
done
exec {reference} "$@"
"""


def report_on(case: datafile.Case, script: str, altered: str, programs: Path, folder: Path) -> dict[str, Any]:
    """The JSON report of comparing `script` here with `altered` there."""
    (folder / "script").write_text(script)
    (folder / "altered").write_text(altered)
    wrapper = folder / "bpftrace"
    wrapper.write_text(WRAPPER.format(folder=folder, reference=machine.reference()))
    wrapper.chmod(0o755)
    options = case.one("options", "").replace("{programs}", str(programs)).replace("{folder}", str(folder))
    words = ["compare", "-f", "json", "--against", str(wrapper), *shlex.split(options), "-e", script]
    done = forked.call(words, timeout=LIMIT, folder=folder)
    assert not done.timed_out and done.status in (0, 1), done.describe()
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["status"] == done.status
    return found


def test_there_are_enough() -> None:
    assert len(CASES) >= 20 and len({case.name for case in CASES}) == len(CASES)


@pytest.mark.feature("root", "btf", "reference", "uprobe", "tracepoint")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_altered(case: datafile.Case, test_programs: Path, tmp_path: Path) -> None:
    script = case.script.replace("{programs}", str(test_programs)).rstrip("\n")
    old, arrow, new = case.one("change", "").partition(" =>")
    altered = script.replace(old, new.strip())
    assert arrow and altered != script
    found = report_on(case, script, altered, test_programs, tmp_path)
    assert found["verdict"] == "different", found
    assert found["different"][0]["place"] == case.one("place", ""), found
    sides = found["different"][0]
    assert sides["reference"] != sides["pytrace"]


@pytest.mark.feature("root", "btf", "reference", "uprobe", "tracepoint")
def test_unaltered(test_programs: Path, tmp_path: Path) -> None:
    """Without the change there is no difference: two of them, one of each way to run."""
    for name in ("a deeper stack", "the same activity, at the same time"):
        case = next(case for case in CASES if case.name == name)
        script = case.script.replace("{programs}", str(test_programs)).rstrip("\n")
        found = report_on(case, script, script, test_programs, tmp_path)
        assert found["verdict"] == "equal", found
