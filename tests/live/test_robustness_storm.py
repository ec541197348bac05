"""Two million printf events at full speed of one core: what arrives and what is reported as lost is all of them."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import machine, process
from tests.harness.tracer import SCALE

pytestmark = [
    pytest.mark.feature("root", "tracefs", "btf", "tracepoint"),
    pytest.mark.usefixtures("nothing_left_behind"),
]

CALLS = round(2_000_000 / SCALE)
PROBE = "tracepoint:syscalls:sys_enter_getppid /pid == cpid/"


def storm(tool: list[str], loop: Path, body: str, calls: int) -> tuple[int, int]:
    """(lines that arrived, losses that were reported) of `calls` events; the loop is pinned to one core."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = [*tool, "-e", f"{PROBE} {{ {body} }}", "-c", f"taskset -c 0 {loop} {calls}"]
        subprocess.run(command, stdout=out, stderr=err, timeout=120 * SCALE, check=True, env=process.environment())
        out.seek(0)
        arrived = sum(1 for line in out if line != b"\n")
        err.seek(0)
        return arrived, sum(map(int, re.findall(rb"Total lost event count: (\d+)", err.read())))


Storm = Callable[[str, int], tuple[int, int]]


@pytest.fixture
def ours(pytrace: str, test_programs: Path) -> Storm:
    return lambda body, calls: storm(pytrace.split(), test_programs / "getppid_loop", body, calls)


def test_storm(ours: Storm, test_programs: Path) -> None:
    body = 'printf("%d %d\\n", pid, nsecs);'
    arrived, lost = ours(body, CALLS)
    assert arrived + lost == CALLS, (arrived, lost)
    machine.need("reference")
    theirs, _ = storm([machine.reference()], test_programs / "getppid_loop", body, CALLS)
    assert arrived >= theirs * 0.98, (arrived, lost, theirs)


@pytest.mark.parametrize(
    ("body", "events"),
    [
        ('printf("%s %d\\n", comm, pid);', 1),
        ('printf("%d\\n", pid); printf("%s %d\\n", comm, pid);', 2),  # lengths that change with each record
        ('printf("%c\\n", 7); printf("%d\\n", pid); print((pid, comm));', 3),
        ('print(nsecs); if (nsecs % 3 == 0) { printf("now and then\\n"); }', 0),
    ],
)
def test_every_event_is_accounted_for(ours: Storm, body: str, events: int) -> None:
    calls = round(100_000 / SCALE)
    arrived, lost = ours(body, calls)
    if events:
        assert arrived + lost == calls * events, (arrived, lost)
    else:
        assert calls < arrived + lost < 2 * calls, (arrived, lost)


def test_order_is_kept(pytrace: str, test_programs: Path) -> None:
    """Records of several events are formatted by event, and come out in the order of the program."""
    script = f'{PROBE} {{ $n = @n; printf("a %d\\n", $n); print($n); printf("c %d %s\\n", $n, comm); @n = $n + 1; }}'
    with tempfile.TemporaryFile() as out:
        command = [*pytrace.split(), "-e", script, "-c", f"taskset -c 0 {test_programs}/getppid_loop 3000"]
        subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, timeout=60 * SCALE, check=True)
        out.seek(0)
        lines = out.read().decode().splitlines()[:9000]
    expected = [line for n in range(3000) for line in (f"a {n}", str(n), f"c {n} getppid_loop")]
    assert lines == expected
