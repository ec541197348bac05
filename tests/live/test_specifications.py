"""trace and argdist beside what a data case can say: cgroups, threads, the generated scripts under the reference."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import machine, process
from tests.harness.tools import traced
from tests.harness.tracer import SCALE

pytestmark = [
    pytest.mark.feature("root", "btf", "tracepoint", "uprobe"),
    pytest.mark.usefixtures("nothing_left_behind"),
]
OWN = os.getpid()


@pytest.fixture
def cgroups(tmp_path: Path) -> Iterator[Path]:
    """A cgroup of the test's own, with another one below it."""
    mount = tmp_path / "cgroups"
    mount.mkdir()
    subprocess.run(["/usr/bin/mount", "-t", "cgroup2", "none", str(mount)], check=True)
    own = mount / f"pytrace-{OWN}"
    try:
        (own / "below").mkdir(parents=True)
        yield own
    finally:
        for folder in (own / "below", own):
            if folder.exists():
                folder.rmdir()
        subprocess.run(["/usr/bin/umount", str(mount)], check=True)


def test_trace_of_a_cgroup_and_those_below(pytrace: str, test_programs: Path, cgroups: Path) -> None:
    program = test_programs / "calls"

    def act() -> None:
        for folder, times in ((cgroups, 2), (cgroups / "below", 3), (cgroups.parent, 4)):
            command = f"echo $$ > {folder}/cgroup.procs; exec {program} {times}"
            subprocess.run(["bash", "-c", command], check=True)

    for folder, expected in ((cgroups, 5), (cgroups / "below", 3), (cgroups.parent, 9)):
        lines = traced(f"{pytrace} trace -c {folder} '{program}:plus'", act)
        assert len([line for line in lines if re.search(r" calls +plus +$", line)]) == expected


def test_one_thread_of_several(pytrace: str) -> None:
    ids: list[int] = []
    go, known = threading.Event(), threading.Event()

    def worker() -> None:
        ids.append(threading.get_native_id())
        known.set()
        go.wait()
        for _ in range(6):
            os.getppid()

    def act() -> None:
        os.getppid()
        go.set()
        thread.join()

    thread = threading.Thread(target=worker)
    thread.start()
    known.wait()
    lines = traced(f"{pytrace} trace -L {ids[0]} t:syscalls:sys_enter_getppid", act)
    assert [line.split()[:2] for line in lines[1:]] == [[str(OWN), str(ids[0])]] * 6

    go.clear()
    known.clear()
    ids.clear()
    thread = threading.Thread(target=worker)
    thread.start()
    known.wait()
    lines = traced(f"{pytrace} argdist -i 60 -t {ids[0]} -C 't:syscalls:sys_enter_getppid():u32,u32:$PID,$tid'", act)
    assert lines[3:] == [f"\t6          $PID = {OWN}, $tid = {ids[0]}"]


SCRIPTS = [
    "trace -C '{program}:plus(int a, int b) (a > 1) \"a=%d b=%5d|\", a, b' 'r:{program}:greet \"%s\", retval' -M 9",
    "trace -S -n call -f world '{program}:greet \"%s\", arg1' 't:syscalls:sys_enter_write \"world\"'",
    "trace -M 8 -A '{program}:times \"%lld\", arg1 * arg2' '{program}:six(int a, int b) \"%hd\", b'",
    "argdist -C 'p:{program}:plus(int a):int:a / 2:a != 3' -C 'r:{program}:greet(char *s):char*,int:$retval,$PID > 1'",
    "argdist -H 'r:{program}:fill(char *b, size_t n):u64:$entry(n) * 3:$latency > 1' -C 'p:{program}:inner()' -T 3",
]


@pytest.mark.feature("reference")
@pytest.mark.parametrize("words", SCRIPTS)
def test_generated_scripts_are_scripts_of_the_reference(
    words: str, pytrace: str, test_programs: Path, tmp_path: Path
) -> None:
    """Without a tool's own form of rows, both print the same, apart from numbers of processes, CPUs, and the time."""
    program = test_programs / "calls"
    given = words.format(program=program).partition(" ")
    made = process.run(f"{pytrace} {given[0]} --print-script {given[2]}", timeout=20 * SCALE)
    assert made.status == 0, made.describe()
    script = tmp_path / "made.bt"
    script.write_text(made.stdout)
    outputs = []
    for command in (pytrace, machine.reference()):
        done = process.run(f"{command} -q {script} -c '{program} 5'", timeout=40 * SCALE)
        assert done.status == 0 and not done.timed_out, done.describe()
        assert "ERROR" not in done.stderr, done.describe()
        text = re.sub(r"\d\d:\d\d:\d\d", "TIME", done.stdout)
        text = re.sub(r"(?m)^(\d +)?\d+ +\d+ +calls", "IDS calls", text)
        outputs.append(sorted(re.sub(r"\[\d+, \d+, calls", "[IDS, calls", text).splitlines()))
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 4
