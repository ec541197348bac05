"""What bpftrace 0.17, 0.23 and 0.27 and pytrace print for the scripts of versions.case, kept in recorded/.

`python -m tests.compare.record`, as root, after `tests/conformance/reference` with bookworm, trixie and without an
argument, writes the folder anew; look at the change before it is committed.  In: the scripts.  Out: a JSON file a
script, with the facts that the comparison needs.  What a newcomer would get wrong: the tests read only what is kept.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from tests.harness import datafile, machine, process, programs
from tests.harness.process import Finished
from tests.harness.tracer import run_case

FOLDER = Path(__file__).parent / "recorded"
SCRIPTS = Path(__file__).parent / "versions.case"
SUITES = {"0.17.0": "bpftrace-bookworm", "0.23.2": "bpftrace-trixie"}


def recorded(case: datafile.Case) -> dict[str, Finished]:
    """By version, and for `pytrace`, how the case ended."""
    rows = json.loads((FOLDER / f"{case.name.replace(' ', '-')}.json").read_text())
    return {tool: Finished(**{**row, "pids": tuple(row["pids"])}) for tool, row in rows.items()}


def main() -> None:
    tools = {version: str(machine.cached() / name) for version, name in SUITES.items()}
    tools |= {"0.27.1": machine.reference(), "pytrace": process.pytrace_command()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = programs.build(folder)
        for case in datafile.read(SCRIPTS):
            rows = {}
            for tool, command in tools.items():
                done = run_case(case, f"exec {command}", built, folder)
                assert done.status == 0 and not done.timed_out, (case.name, tool, done.describe())
                keep = "".join(line for line in done.stderr.splitlines(True) if line.startswith("Attached"))
                shown = done.stdout.replace("ld-linux-x86-64", "bpftrace")  # its name where it is installed
                rows[tool] = asdict(replace(done, stdout=shown, stderr=keep))
            path = FOLDER / f"{case.name.replace(' ', '-')}.json"
            path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
