"""The reference's own tools: what it compiles and loads on this kernel, pytrace does too; the rest is refused alike.

What a newcomer would get wrong: nothing is attached (`--dry-run`), but everything is loaded; on a kernel without
kprobes half of them end in the same first error.  PYTRACE_SHIPPED_TOOLS names the folder, if not the package's.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.conformance.test_generated import first_error
from tests.harness import machine, process
from tests.harness.tracer import SCALE

LIMIT = 60.0 * SCALE
TOOLS = machine.shipped_tools()


@pytest.mark.feature("root", "btf", "reference", "shipped_tools")
@pytest.mark.parametrize("tool", TOOLS or [None], ids=[tool.stem for tool in TOOLS] or ["none"])
@pytest.mark.usefixtures("nothing_left_behind")
def test_shipped_tool(tool: Path, pytrace: str, tmp_path: Path) -> None:
    script = tmp_path / tool.name
    script.write_bytes(tool.read_bytes())
    words = f"--dry-run {shlex.quote(tool.name)}"
    expected = process.run(f"{machine.reference()} {words}", timeout=LIMIT, cwd=tmp_path)
    found = process.run(f"{pytrace} --no-cache {words}", timeout=LIMIT, cwd=tmp_path)
    assert not expected.timed_out and not found.timed_out
    assert (found.status, first_error(found)) == (expected.status, first_error(expected)), found.describe()
    assert found.stdout == expected.stdout
