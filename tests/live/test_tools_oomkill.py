"""oomkill, on processes that are killed in a memory cgroup of the test's own."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest

from tests.harness import machine
from tests.harness.memory import Limited, limited
from tests.harness.tools import reference_tool, together, traced

pytestmark = [
    pytest.mark.feature("root", "btf", "tracepoint", "memory_cgroup"),
    pytest.mark.usefixtures("nothing_left_behind"),
]
MEGABYTES = 32
NAMES = ("first", "second", "large", "asker")
LINE = re.compile(
    r'(?:\d\d:\d\d:\d\d )?Triggered by PID (\d+) \("(\w+)"\), .*?OOM kill of PID (\d+) \("(\w+)"\), (\d+|-) pages, '
    r"loadavg: \d+\.\d\d \d+\.\d\d \d+\.\d\d \d+/\d+ \d+"
)


class Kills:
    """Has processes killed, and keeps who asked for memory and who was killed."""

    def __init__(self) -> None:
        self.expected: list[tuple[str, ...]] = []

    def __call__(self) -> None:
        with limited(MEGABYTES) as group:
            for name in ("first", "second"):  # who asks is who is killed
                hog = group.take(name, 4 * MEGABYTES)
                assert hog.returncode == -signal.SIGKILL
                self.expected.append((str(hog.pid), name, str(hog.pid), name))
            assert group.take("modest", MEGABYTES // 4).returncode == 0
            while not self.one_for_another(group):
                pass
        with subprocess.Popen(["sleep", "60"]) as killed:  # by a signal, not for its memory
            os.kill(killed.pid, signal.SIGKILL)

    def one_for_another(self, group: Limited) -> bool:
        """Whether the large process was killed for another's sake, which is too if the memory is not back soon."""
        with group.process("large", MEGABYTES * 2 // 3) as large:
            assert large.stdout is not None and large.stdout.readline() == "has it\n"
            asker = group.take("asker", MEGABYTES // 2)
            large.communicate("\n")
        for process, name in ((large, "large"), (asker, "asker")):
            if process.returncode:
                assert process.returncode == -signal.SIGKILL
                self.expected.append((str(asker.pid), "asker", str(process.pid), name))
        assert large.returncode or asker.returncode
        return large.returncode != 0


def rows(lines: list[str]) -> list[tuple[str, ...]]:
    """Who asked, who was killed, and the pages, of kills in the test's cgroup."""
    found = [match for line in lines if (match := LINE.fullmatch(line))]
    return [match.groups() for match in found if match[4] in NAMES]


@pytest.mark.smoke
def test_oomkill_shows_each_kill(pytrace: str) -> None:
    act = Kills()
    lines = traced(f"{pytrace} oomkill", act)
    assert lines[0] == "Tracing OOM kills... Ctrl-C to stop."
    assert all(re.match(r"\d\d:\d\d:\d\d Triggered", line) and LINE.fullmatch(line) for line in lines[1:])
    pages = "-" if machine.missing("kprobe") else str(MEGABYTES << 8)
    assert len(act.expected) >= 3 and rows(lines) == [(*row, pages) for row in act.expected]


@pytest.mark.feature("kprobe")
@pytest.mark.smoke
def test_oomkill_agrees_with_the_reference(pytrace: str) -> None:
    ours, theirs = together(f"{pytrace} oomkill", reference_tool("oomkill"), Kills())
    assert len(rows(ours)) >= 3 and rows(ours) == rows(theirs)
