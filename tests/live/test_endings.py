"""How a trace ends when nobody is kind to it: killed while tracing, and flooded with events."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.harness import process

STORM = 2_000_000


@pytest.mark.feature("root", "btf", "tracepoint", "uprobe", "perf_software")
def test_a_killed_tracer_leaves_nothing_behind(pytrace: str, test_programs: Path) -> None:
    script = f"""
        tracepoint:syscalls:sys_enter_getppid {{ @calls[comm] = count(); printf("x\\n"); }}
        uprobe:{test_programs}/calls:plus, uretprobe:{test_programs}/calls:plus {{ @stacks[ustack(3)] = count(); }}
        profile:hz:49 {{ @on[cpu] = hist(pid); }}
        interval:ms:50 {{ print(@calls); }}
        software:page-faults:100 {{ @faults = count(); }}
    """
    before = process.kernel_objects()
    child = subprocess.Popen(
        ["bash", "-c", f"exec {pytrace} -e '{script}'"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=process.environment(),
    )
    assert child.stderr
    attached = any(line.startswith(b"Attached ") for line in child.stderr)
    during = process.kernel_objects() - before
    subprocess.run([str(test_programs / "calls"), "5"], check=True)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert attached and any(name.startswith("prog ") for name in during)
    assert not process.left_behind(before, patience=10)


@pytest.mark.feature("root", "btf", "tracepoint")
@pytest.mark.usefixtures("nothing_left_behind")
def test_every_event_of_a_storm_is_delivered_or_reported_lost(
    pytrace: str, test_programs: Path, tmp_path: Path
) -> None:
    script = 'tracepoint:syscalls:sys_enter_getppid /comm == "getppid_loop"/ { printf("%d %s\\n", pid, comm); }'
    command = f"{pytrace} -e '{script}' -c '{test_programs}/getppid_loop {STORM}' > {tmp_path}/out"
    done = process.run(command, timeout=120, cwd=tmp_path)
    with (tmp_path / "out").open("rb") as lines:
        delivered = sum(1 for line in lines if line.strip())
    lost = sum(map(int, re.findall(r"Total lost event count: (\d+)", done.stderr)))
    assert done.status == 0, done.describe()
    assert delivered + lost == STORM, done.stderr


@pytest.mark.feature("root", "btf", "tracepoint")
@pytest.mark.usefixtures("nothing_left_behind")
def test_the_end_is_not_waited_for(pytrace: str, tmp_path: Path) -> None:
    """Letting go of a tracepoint takes the kernel 70 ms; the user gets the prompt back before all of them are gone."""
    script = "tracepoint:syscalls:sys_enter_* { @[probe] = count(); } interval:ms:200 { exit(); }"
    done = process.run(f"{pytrace} -e '{script}' | tail -n 1; echo END $(date +%s%N) >&2", timeout=120, cwd=tmp_path)
    assert not done.timed_out and "END" in done.stderr, done.describe()
    end = int(re.findall(r"END (\d+)", done.stderr)[0]) / 1e9
    assert time.time() - end < 60
