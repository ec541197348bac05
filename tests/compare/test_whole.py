"""`pytrace compare` as a user runs it on the conformance scripts: all of the command, both tracers started by it.

Every case is judged by the same code in tests/conformance, on runs that are made there anyway.  Here a few go all the
way; PYTRACE_COMPARE=all takes every case whose command line the command can have (`make compare`).  What a newcomer
would get wrong: what a case says of chance (`normalise`) becomes a tolerance, and its order of lines is left to the
command.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from pytrace.compare.arguments import request
from pytrace.diagnostics import UsageError
from tests.compare.record import SCRIPTS, SUITES
from tests.harness import comparing, datafile, forked, machine
from tests.harness.tracer import SCALE

LIMIT = 90.0 * SCALE
FOLDER = Path(__file__).parents[1] / "conformance"
SAMPLE = frozenset(
    """maps.counting maps.histograms-by-key oneliners.5-sizes-of-reads oneliners.8-events-of-the-scheduler
    printing.json-histograms probes.tracepoint-list printing.exit-statuses values.positional-parameters
    values.named-parameters errors.two-errors-in-one-run printing.time-and-strftime
    rows.offset-outside-of-a-function symbols.kernel-stacks-in-every-mode
    """.split()
)
WHOLE = os.environ.get("PYTRACE_COMPARE") == "all"
SHELL = frozenset(";|&<>$`")


def words(case: datafile.Case, programs: Path) -> list[str]:
    """The words behind `compare` for a case, [] if its command is more than one run of a script."""
    run = case.one("run", "{tool} {script}")
    if not run.startswith("{tool} ") or SHELL & set(run) or {"before", "after", "stdin"} & set(case.directives):
        return []
    script = case.script.replace("{programs}", str(programs))
    found = []
    for word in shlex.split(
        run.removeprefix("{tool} ").replace("-f json", "--as json").replace("{programs}", str(programs))
    ):
        found += ["-e", script] if word == "{script}" else [word]
    try:
        asked = request(found)
    except UsageError:
        return []
    tolerance = comparing.tolerance(case)
    return [*(["--tolerance", tolerance] if tolerance else []), *found] if asked.script else []


def older() -> list[Path]:
    """The older bpftrace that are installed, if all is asked for."""
    installed = [machine.cached() / name for name in SUITES.values()]
    return [path for path in installed if path.exists()] if WHOLE else []


OLDER = [(reference, case) for reference in older() for case in datafile.read(SCRIPTS)]


def cases() -> list[datafile.Case]:
    """Those that are asked for, and can be run so."""
    found = [case for path in sorted(FOLDER.glob("*.case")) for case in datafile.read(path) if words(case, Path("/"))]
    return found if WHOLE else [case for case in found if case.id in SAMPLE]


@pytest.mark.feature("root", "btf", "reference")
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_conformance_scripts_are_equal(case: datafile.Case, test_programs: Path, tmp_path: Path) -> None:
    machine.need(*case.words("needs"))
    command = ["compare", "--against", machine.reference(), *words(case, test_programs)]
    done = forked.call(command, timeout=LIMIT, folder=tmp_path, **case.environment())
    assert not done.timed_out and done.status == 0, done.describe()
    assert done.stdout.split("\n")[2] in ("equal", "equal within tolerance"), done.describe()


if WHOLE:

    @pytest.mark.feature("root", "btf", "tracepoint")
    @pytest.mark.parametrize(("reference", "case"), OLDER, ids=lambda value: getattr(value, "name", ""))
    def test_older_versions_are_equal(
        reference: Path, case: datafile.Case, test_programs: Path, tmp_path: Path
    ) -> None:
        command = ["compare", "--against", str(reference), *words(case, test_programs)]
        done = forked.call(command, timeout=LIMIT, folder=tmp_path)
        assert not done.timed_out and done.status == 0, done.describe()
        assert done.stdout.split("\n")[2] == "equal", done.describe()
