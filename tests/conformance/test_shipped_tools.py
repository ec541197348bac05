"""The reference's own tools, unchanged: what it runs on this kernel, pytrace runs too; the rest is refused alike.

Those that the reference loads (`--dry-run`) run, with both at once, while something happens that they look at
(shipped_activity.py); of the others the error must be the same.  What a newcomer would get wrong: on a kernel without
kprobes half of them end in that error.  PYTRACE_SHIPPED_TOOLS names the folder, if not the package's.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.conformance.shipped_activity import ACTIVITY, ADDS_UP, NOTHING
from tests.conformance.test_generated import first_error
from tests.harness import machine, process
from tests.harness.tools import together
from tests.harness.tracer import SCALE

LIMIT = 60.0 * SCALE
TOOLS = machine.shipped_tools()

pytestmark = [
    pytest.mark.feature("root", "btf", "reference", "shipped_tools"),
    pytest.mark.parametrize("tool", TOOLS or [None], ids=[tool.stem for tool in TOOLS] or ["none"]),
    pytest.mark.usefixtures("nothing_left_behind"),
]


def test_shipped_tool(tool: Path, pytrace: str, tmp_path: Path) -> None:
    words = f"--dry-run {shlex.quote(str(tool))}"
    expected = process.run(f"{machine.reference()} {words}", timeout=LIMIT, cwd=tmp_path)
    assert not expected.timed_out
    if expected.status == 0:
        different = differs(tool, pytrace, tmp_path / "first") and differs(tool, pytrace, tmp_path / "second")
        assert not different, different
    else:
        found = process.run(f"{pytrace} --no-cache {words}", timeout=LIMIT, cwd=tmp_path)
        assert (found.status, first_error(found)) == (expected.status, first_error(expected)), found.describe()
        assert found.stdout == expected.stdout


def differs(tool: Path, pytrace: str, folder: Path) -> str:
    """Runs the tool with both on its activity in a new `folder`; how the outputs differ, "" if they do not."""
    folder.mkdir()
    act, wanted, least = ACTIVITY.get(tool.stem) or ADDS_UP.get(tool.stem, NOTHING)
    pattern = re.compile(wanted.replace("{folder}", re.escape(str(folder))), re.M)
    ours, theirs = together(f"{pytrace} {tool}", f"{machine.reference()} {tool}", lambda: act(folder), warns=True)
    heading = [re.sub(r"\d\d:\d\d:\d\d", "TIME", line) for line in ours[:1] + theirs[:1]]
    both = "\n".join(["pytrace:", *ours, "the reference:", *theirs])
    if heading[:1] != heading[1:]:
        return f"the headings differ\n{both}"
    mine, other = (pattern.findall("\n".join(lines)) for lines in (ours, theirs))
    if tool.stem in ACTIVITY:
        return "" if mine == other and len(mine) == least else f"{mine}\nis not\n{other}\nof {least}\n{both}"
    counts = sum(map(int, mine)), sum(map(int, other))
    return "" if counts[0] >= counts[1] >= least else f"of {least} {counts[0]} were counted, there {counts[1]}\n{both}"
