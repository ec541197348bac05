"""Every script in examples/ does what its header says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.harness import machine, process
from tests.harness.examples import FILES, FOLDER, example, fits
from tests.harness.machine import ROOT
from tests.harness.tracer import SCALE

pytestmark = pytest.mark.feature("root", "tracefs", "tracepoint", "uprobe", "perf_software")


def parameters() -> list[object]:
    """Those that need what CI's own kernel lacks are run in the virtual machine."""
    elsewhere = machine.declared_skips()
    return [
        pytest.param(path, id=path.stem, marks=[pytest.mark.smoke] if elsewhere & set(example(path).needs) else [])
        for path in FILES
    ]


@pytest.mark.usefixtures("nothing_left_behind")
@pytest.mark.parametrize("path", parameters())
def test_example(path: Path, pytrace: str, tmp_path: Path) -> None:
    described = example(path)
    machine.need(*described.needs)
    name, _, rest = described.command.partition(" ")
    tool = pytrace if name == "pytrace" else f"env PYTHONPATH={ROOT} {sys.executable}"
    env = process.environment(PYTRACE_CACHE_DIR=str(tmp_path / "cache"))
    done = process.run(f"{tool} {rest}", timeout=30 * SCALE, env=env, cwd=ROOT)
    assert done.status == 0 and not done.timed_out, done.describe()
    messages = [line for line in done.stderr.splitlines() if line.startswith(("WARNING", "ERROR")) or ": WARN" in line]
    assert all("RLIMIT_MEMLOCK" in line for line in messages), done.describe()
    assert fits(done.stdout, described.prints), done.describe()


def test_the_list_of_examples() -> None:
    listed = (FOLDER / "README.md").read_text()
    for path in FILES:
        assert f"({path.name})" in listed
        assert len(example(path).about.split()) > 8
        assert f"examples/{path.name}" in example(path).command
