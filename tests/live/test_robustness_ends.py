"""However a trace ends, it ends soon, says what it has to say, and leaves nothing in the kernel.

What a newcomer would get wrong: a tracer that is killed cannot clean up, so all must hang on its file descriptors
and on nothing that survives them (no pinned object, no name in uprobe_events).
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import process
from tests.harness.process import Finished
from tests.harness.tracer import SCALE

pytestmark = [
    pytest.mark.feature("root", "tracefs", "btf", "tracepoint"),
    pytest.mark.usefixtures("nothing_left_behind"),
]

PROMPT = 5.0 * SCALE
"""Seconds within which every end must come.  It takes a tenth of that on a quiet machine."""
WAIT = 30.0 * SCALE

LOOP = "tracepoint:syscalls:sys_enter_getppid"
STORM = (
    f'{LOOP} /comm == "getppid_loop"/ {{ @n[comm] = count(); printf("%d %s\\n", pid, comm); }}'
    ' end { printf("the end\\n"); }'
)


@pytest.fixture
def storm(test_programs: Path) -> Iterator[None]:
    """A process that calls getppid() as fast as it can."""
    child = subprocess.Popen([test_programs / "getppid_loop", "2000000000"], stdin=subprocess.DEVNULL)
    yield
    child.kill()
    child.wait()


def trace(pytrace: str, script: str, *options: str, act: Callable[[int], None] | None) -> Finished:
    """Run `script`, with its output in a file; `act(pid)` once attached; the result's seconds count from then on."""
    began = 0.0

    def attached(pid: int) -> None:
        nonlocal began
        began = time.monotonic()
        if act:
            act(pid)
            began = time.monotonic()

    with tempfile.NamedTemporaryFile() as out:
        command = " ".join([pytrace, *map(shlex.quote, options), "-e", shlex.quote(script), ">" + out.name])
        done = process.run(command, timeout=WAIT, when_attached=attached)
        seconds = time.monotonic() - began
        text = out.read().decode("latin-1")
    return Finished(text, done.stderr, done.status, done.timed_out, seconds)


def shown(done: Finished) -> str:
    """For messages: the output of a storm is long."""
    return Finished(done.stdout[-500:], done.stderr[-1500:], done.status, done.timed_out, done.seconds).describe()


def after(seconds: float, *numbers: signal.Signals) -> Callable[[int], None]:
    def act(pid: int) -> None:
        for number in numbers:
            time.sleep(seconds)
            os.kill(pid, number)

    return act


def judge(done: Finished, status: int = 0) -> None:
    assert not done.timed_out, shown(done)
    assert done.status == status, shown(done)
    assert done.seconds < PROMPT, shown(done)
    for sign in ("Traceback", "BUG:", "Exception ignored", "Error:"):
        assert sign not in done.stderr, shown(done)


# ---------------------------------------------------------------- kill -9


@pytest.mark.parametrize("options", [(), ("-c", "sleep 60")])
def test_killed(pytrace: str, test_programs: Path, options: tuple[str, ...]) -> None:
    """Tracepoints, user probes, timers, maps, a ring buffer, a child: all go with the process."""
    script = (
        f"tracepoint:syscalls:sys_enter_get* {{ @[probe] = count(); }} interval:ms:10 {{ print(@); @t = hist(nsecs); }}"
        f" uprobe:{test_programs}/calls:t* {{ @u[kstack, ustack] = sum(1); }} profile:hz:99 {{ @p = avg(cpu); }}"
        f' uretprobe:{test_programs}/calls:main {{ printf("%d\\n", retval); }} rawtracepoint:sys_enter {{ @r++; }}'
        f" software:page-faults:100 {{ @f = count(); }}"
    )
    before, during = process.kernel_objects(), set[str]()

    def act(pid: int) -> None:
        subprocess.run([test_programs / "calls", "5"], check=True)
        time.sleep(0.3)
        during.update(process.kernel_objects() - before)
        os.kill(pid, signal.SIGKILL)

    done = trace(pytrace, script, *options, act=act)
    assert any(name.startswith("prog ") for name in during), "nothing was there to be left behind"
    assert not done.timed_out and done.status == -signal.SIGKILL, shown(done)
    assert not (process.TRACING / "uprobe_events").read_text(), "a name was left in uprobe_events"
    if options:
        time.sleep(0.3)
        assert "sleep 60" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


# ---------------------------------------------------------------- signals in a storm


def accounted(done: Finished) -> bool:
    """Whether what was delivered and what was reported as lost is all that the map has counted."""
    counted = int(re.findall(r"@n\[getppid_loop\]: (\d+)", done.stdout[-500:])[-1])
    lost = sum(map(int, re.findall(r"Total lost event count: (\d+)", done.stderr)))
    return done.stdout.count(" getppid_loop\n") + lost == counted


@pytest.mark.usefixtures("storm")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_in_a_storm(pytrace: str, number: signal.Signals) -> None:
    done = trace(pytrace, STORM, act=after(1.0, number))
    judge(done)
    assert "the end" in done.stdout[-500:], shown(done)
    all_there = accounted(done)
    assert all_there, shown(done)


@pytest.mark.usefixtures("storm")
def test_signal_in_a_storm_of_json(pytrace: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = f"timeout --preserve-status -s INT 3 {pytrace} -f json -o {out} -e {shlex.quote(STORM)}"
    done = process.run(command, timeout=WAIT)
    assert not done.timed_out and done.status == 0, shown(done)
    with out.open("rb") as lines:
        last = list(deque(lines, 3))
    assert b"the end" in b"".join(last) and b'"@n"' in last[-1], last


@pytest.mark.usefixtures("storm")
def test_slow_handlers_in_a_storm(pytrace: str) -> None:
    """Each event starts a process; those that are pending at the end are counted as lost."""
    script = f'{LOOP} {{ system("echo one"); }} end {{ printf("the end\\n"); }}'
    done = trace(pytrace, script, "--unsafe", act=after(0.5, signal.SIGINT))
    judge(done)
    assert "one" in done.stdout and "the end" in done.stdout, shown(done)
    assert "Total lost event count" in done.stderr


@pytest.mark.usefixtures("storm")
def test_two_signals(pytrace: str) -> None:
    """The second may end the process at once, but never leaves something behind or prints a traceback."""
    done = trace(pytrace, STORM, act=after(0.1, signal.SIGINT, signal.SIGINT))
    assert not done.timed_out and done.status in (0, -signal.SIGINT) and "Traceback" not in done.stderr, shown(done)


@pytest.mark.usefixtures("storm")
def test_exit_in_a_storm(pytrace: str) -> None:
    done = trace(pytrace, f'{LOOP} {{ printf("%d\\n", pid); @ = count(); }} interval:ms:300 {{ exit(7); }}', act=None)
    judge(done, 7)
    assert "@: " in done.stdout


def test_the_end_is_not_waited_for(pytrace: str) -> None:
    """Letting go of a tracepoint takes the kernel 70 ms; the prompt is back before hundreds of them are gone."""
    script = "tracepoint:syscalls:sys_enter_* { @[probe] = count(); } interval:ms:200 { exit(); }"
    done = process.run(f"{pytrace} -e '{script}' | tail -n 1; echo END $(date +%s%N) >&2", timeout=120 * SCALE)
    assert not done.timed_out and "END" in done.stderr, shown(done)
    assert time.time() - int(re.findall(r"END (\d+)", done.stderr)[0]) / 1e9 < 60


def test_signal_while_it_is_quiet(pytrace: str) -> None:
    done = trace(pytrace, "interval:s:100 { } end { print(5); } begin { @x = 3; }", act=after(0.1, signal.SIGINT))
    judge(done)
    assert done.stdout == "5\n\n\n@x: 3\n"


# ---------------------------------------------------------------- children and processes


@pytest.mark.parametrize("command", ["true", "false", "sleep 0.1"])
def test_child_ends(pytrace: str, command: str) -> None:
    judge(trace(pytrace, "begin { @x = 1; } interval:s:100 { }", "-c", command, act=None))


def test_child_that_ignores_sigterm(pytrace: str, tmp_path: Path) -> None:
    stubborn = tmp_path / "stubborn"
    stubborn.write_text("#!/bin/sh\ntrap '' TERM INT\nwhile :; do sleep 0.1; done\n")
    stubborn.chmod(0o755)
    judge(trace(pytrace, "interval:s:100 { }", "-c", str(stubborn), act=after(0.3, signal.SIGINT)))
    assert str(stubborn) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


@pytest.mark.parametrize("command", ["/no/such/command", "nosuchcommand", "/etc/passwd", "/tmp"])
def test_child_that_cannot_be_run(pytrace: str, command: str) -> None:
    done = process.run(f"{pytrace} -c {command} -e 'interval:s:100 {{ }}'", timeout=WAIT)
    assert done.status == 1 and "ERROR: Failed to fork child" in done.stderr, shown(done)


def test_child_that_is_no_program(pytrace: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF and nothing else")
    broken.chmod(0o755)
    done = process.run(f"{pytrace} -c {broken} -e 'interval:s:100 {{ }}'", timeout=WAIT)
    assert done.status in (1, 255) and "ERROR: " in done.stderr and "Traceback" not in done.stderr, shown(done)


def test_process_dies(pytrace: str) -> None:
    target = subprocess.Popen(["sleep", "100"])
    try:
        done = trace(
            pytrace, "interval:s:100 { } end { print(1); }", "-p", str(target.pid), act=lambda pid: target.kill()
        )
    finally:
        target.kill()
        target.wait()
    judge(done)
    assert done.stdout.startswith("1\n")


# ---------------------------------------------------------------- output that goes nowhere


@pytest.mark.usefixtures("storm")
@pytest.mark.parametrize("options", ["", "-f json", "-B none", "-B full"])
def test_reader_goes_away(pytrace: str, options: str) -> None:
    command = f"{pytrace} {options} -e {shlex.quote(STORM)} | head -1; exit ${{PIPESTATUS[0]}}"
    done = process.run(command, timeout=WAIT)
    assert not done.timed_out and done.stdout.count("\n") == 1, shown(done)
    assert "Traceback" not in done.stderr and "BUG:" not in done.stderr, shown(done)


@pytest.mark.parametrize("where", [">/dev/full", "-o /dev/full"])
def test_full_output(pytrace: str, where: str) -> None:
    script = 'begin { printf("hello\\n"); } interval:ms:10 { printf("%d\\n", nsecs); }'
    done = process.run(f"{pytrace} {where} -e {shlex.quote(script)}", timeout=WAIT)
    assert not done.timed_out and done.status in (1, 255), shown(done)
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr, shown(done)


@pytest.mark.parametrize("closed", ["<&-", "2>&-", ">&- 2>/dev/null"])
def test_closed_streams(pytrace: str, closed: str) -> None:
    """A descriptor 0, 1 or 2 that is not there must not be given to a map or program."""
    done = process.run(f"{pytrace} -e 'begin {{ printf(\"hello\\n\"); exit(); }}' {closed}", timeout=WAIT)
    assert not done.timed_out and "Traceback" not in done.stderr and "BUG:" not in done.stderr, shown(done)
