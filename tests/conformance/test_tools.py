"""The bundled tools and the reference's own tools of the same names, both on the same activity, event by event.

Both run at once, and what they print of the activity's events must be equal after columns have been matched.  What a
newcomer would get wrong: the reference prints one line with several `printf`, so that what happens on another CPU may
stand in the middle of it, and a busy machine preempts where it likes: hence a comparison is made again before it fails.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.harness.tools import direct_writes, ext4, histogram, loop_device, reference_tool, together
from tests.harness.tracer import SCALE
from tests.harness.traffic import Lossy, Sessions

pytestmark = [
    pytest.mark.feature("root", "btf", "tracepoint", "rawtracepoint", "reference"),
    pytest.mark.usefixtures("nothing_left_behind"),
]
OWN = os.getpid()
COMM = Path("/proc/self/comm").read_text().strip()

Rows = list[tuple[str, ...]]


def agree(attempt: Callable[[], tuple[object, object]]) -> None:
    """What `attempt` finds in both outputs is equal, at the second attempt if not at the first."""
    with suppress(AssertionError):
        ours, theirs = attempt()
        assert ours == theirs
        return
    ours, theirs = attempt()
    assert ours == theirs


def columns(pattern: str, lines: list[str]) -> Rows:
    """The groups of `pattern` wherever it is found."""
    return [found.groups() for found in re.finditer(pattern, "\n".join(lines), re.M)]


# ---------------------------------------------------------------- programs, files, calls


def test_execsnoop(pytrace: str, tmp_path: Path) -> None:
    """Pid, parent's pid and arguments of each, those of grandchildren and of a call that fails among them."""
    program = tmp_path / "noted"
    program.symlink_to("/bin/true")
    nested = tmp_path / "nested"
    nested.write_text(f"#!/bin/sh\n{program} of the script\n{program}\n:\n")
    nested.chmod(0o755)

    def act() -> None:
        for i in range(5):
            subprocess.run([program, "word", str(i), "-x", "*"], check=True)
            subprocess.run([nested, str(i)], check=True)
        with suppress(FileNotFoundError):
            subprocess.run([tmp_path / "missing", "1"], check=False)

    def attempt() -> tuple[Rows, Rows]:
        ours, theirs = together(f"{pytrace} execsnoop -x", reference_tool("execsnoop"), act)
        path = re.escape(str(tmp_path))
        found = columns(rf"^\S+ +(\d+) +(\d+) +(-?\d+) ({path}/.*)$", ours)
        assert len(found) == 21 and [row[2] for row in found] == ["0"] * 20 + ["-2"]
        return [(a, b, d) for a, b, _, d in found], columns(rf"^ *[\d:.]+ (\d+) +(\d+) +({path}/.*)$", theirs)

    agree(attempt)


def test_opensnoop(pytrace: str, tmp_path: Path) -> None:
    """Pid, name, descriptor, error and path of each open by several processes: missing files, and relative paths, which
    the reference always completes."""
    for i in range(20):
        (tmp_path / f"file{i}").touch()

    def act() -> None:
        for i in range(20):
            os.close(os.open(tmp_path / f"file{i}", os.O_RDWR))
            with suppress(FileNotFoundError):
                os.open(tmp_path / f"missing{i}", os.O_RDONLY)
        for words in (["file0", "./file1", "../missing"], [tmp_path / "file2", "missing"]):
            subprocess.run(["/bin/cat", *words], check=False, stderr=subprocess.DEVNULL, cwd=tmp_path)

    def attempt() -> tuple[Rows, Rows]:
        ours, theirs = together(f"{pytrace} opensnoop -F", reference_tool("opensnoop"), act)
        pattern = rf"(\d+) +(\S+) +(-?\d+) +(\d+) +({re.escape(str(tmp_path))}\S*)"
        found = columns(pattern, ours)
        assert len(found) == 45 and {row[1] for row in found} == {COMM, "cat"}
        return found, columns(pattern, theirs)

    agree(attempt)


CALLER = """
import os, sys
for line in sys.stdin:
    for _ in range(int(line)):
        os.getppid()
        os.getpriority(os.PRIO_PROCESS, 0)
        os.close(os.open("/dev/null", os.O_RDONLY))
        try:
            os.rmdir("/no/such")
        except OSError:
            pass
    print("done", flush=True)
"""


def test_syscount_of_a_process(pytrace: str, tmp_path: Path) -> None:
    """Each system call of a process with its count; the reference's script with a filter, and without its limit."""
    theirs = reference_tool("syscount", tmp_path)
    script = tmp_path / "syscount.bt"
    original = script.read_text()
    words = [sys.executable, "-S", "-u", "-c", CALLER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        text = original.replace("raw_syscalls:sys_enter\n", f"raw_syscalls:sys_enter /pid == {child.pid}/\n")
        script.write_text(text.replace(", 10)", ")"))

        def act() -> None:
            assert child.stdin and child.stdout
            child.stdin.write("50\n")
            child.stdin.flush()
            assert child.stdout.readline() == "done\n"

        def attempt() -> tuple[dict[str, int], dict[str, int]]:
            ours, reference = together(f"{pytrace} syscount -T 1000 -p {child.pid}", f"{theirs} -- --sysname", act)
            start = next(i for i, line in enumerate(ours) if line.startswith("SYSCALL"))
            found = {line.split()[0]: int(line.split()[1]) for line in ours[start + 1 :]}
            assert found["getppid"] == found["getpriority"] == found["rmdir"] == found["openat"] == 50
            expected = {name: int(count) for name, count in columns(r"^@syscallname\[(\w+)\]: (\d+)$", reference)}
            return found, expected

        act()  # what it does the first time is over before it is looked at
        agree(attempt)
        assert child.stdin
        child.stdin.close()


def test_syscount_of_all(pytrace: str) -> None:
    """The reference's tool as it is: of a call that nobody makes so often."""

    def act() -> None:
        for _ in range(60_000):
            os.sched_get_priority_max(os.SCHED_FIFO)

    ours, theirs = together(f"{pytrace} syscount", reference_tool("syscount") + " -- --sysname", act)
    name = "sched_get_priority_max"
    found = [(line.split()[0], line.split()[1]) for line in ours if line.startswith(f"{name} ")]
    assert found == columns(rf"^@syscallname\[({name})\]: (\d+)$", theirs) == [(name, "60000")]


# ---------------------------------------------------------------- times


REAL_TIME = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(int(sys.argv[2])))
"""
BUCKETS = {1024: 4, 2048: 8, 4096: 4, 8192: 4}


class Waits:
    """A thread that waits for its CPU for known times.

    Two real-time processes share a CPU: the one that goes first wakes the other and does not let it run until a time
    in the middle of a histogram's bucket is over.  So each wait has a known bucket, whichever tracer measures it.
    """

    MICROSECONDS = (1450, 2900, 2900, 5800, 11600) * 4

    WAITER = REAL_TIME + """
while os.read(0, 1):
    pass
"""
    FIRST = REAL_TIME + """
for word in sys.argv[3:]:
    end = time.monotonic_ns() + int(word) * 1000
    os.write(1, b"x")
    while time.monotonic_ns() < end:
        pass
    time.sleep(0.01)
"""

    def __init__(self) -> None:
        self.child = subprocess.Popen(self._words(self.WAITER, 10), stdin=subprocess.PIPE)
        self.pid = self.child.pid

    def __call__(self) -> None:
        times = map(str, self.MICROSECONDS)
        subprocess.run([*self._words(self.FIRST, 20), *times], check=True, stdout=self.child.stdin)

    def close(self) -> None:
        assert self.child.stdin
        self.child.stdin.close()
        self.child.wait()

    @staticmethod
    def _words(script: str, priority: int) -> list[str]:
        cpu = max(os.sched_getaffinity(0))
        return [sys.executable, "-S", "-c", script, str(cpu), str(priority)]


def test_runqlat(pytrace: str, tmp_path: Path) -> None:
    """Each wait of a thread for its CPU, bucket by bucket; the reference's script with a key for the thread."""

    def attempt() -> tuple[dict[int, int], dict[int, int]]:
        with closing(Waits()) as act:
            theirs = reference_tool("runqlat", tmp_path, usecs=f"args.next_pid == {act.pid}")
            ours, reference = together(f"{pytrace} runqlat -L -p {act.pid}", theirs, act)
            found = histogram(ours, f"@usecs_of[{act.pid}]:")
        assert {k: n for k, n in found.items() if k >= 1024} == BUCKETS
        return found, histogram(reference, "@usecs[true]:")

    agree(attempt)


FIFREEZE, FITHAW = 0xC0045877, 0xC0045878


@contextmanager
def slow_device(folder: Path) -> Iterator[tuple[str, Callable[[int, float], None]]]:
    """A block device and a function that writes a block to it so that the request takes so many seconds.

    It is a loop device over a file of a file system that is frozen for that time.
    """
    with ext4(folder) as place:
        inner = place / "inner"
        inner.mkdir()
        with loop_device(inner) as device:
            mounted = os.open(place, os.O_RDONLY)

            def write(block: int, seconds: float) -> None:
                writer = threading.Thread(target=direct_writes, args=(device, [block]))
                fcntl.ioctl(mounted, FIFREEZE, 0)
                try:
                    writer.start()
                    time.sleep(seconds)
                finally:
                    fcntl.ioctl(mounted, FITHAW, 0)
                writer.join()

            try:
                yield device, write
            finally:
                os.close(mounted)


@pytest.mark.feature("loop", "ext4")
def test_biolatency(pytrace: str, tmp_path: Path) -> None:
    """Each request of a disk, bucket by bucket; the reference's script with a key for the disk."""
    seconds = [0.012, 0.024, 0.024, 0.048] * 5

    def attempt() -> tuple[dict[int, int], dict[int, int]]:
        with slow_device(tmp_path) as (device, write):
            numbers = os.stat(device).st_rdev
            theirs = reference_tool("biolatency", tmp_path, usecs="args.dev")

            def act() -> None:
                for i, time_ in enumerate(seconds):
                    write(100 + 17 * i, time_)  # not the first one: flushes say that they are at sector 0

            ours, reference = together(f"{pytrace} biolatency -D -d {device.removeprefix('/dev/')}", theirs, act)
            found = histogram(ours, f"@usecs_of[{device.removeprefix('/dev/')}]:")
            assert sum(found.values()) == len(seconds) and {8192, 16384, 32768} <= set(found)
            return found, histogram(reference, f"@usecs[{os.major(numbers) << 20 | os.minor(numbers)}]:")

    agree(attempt)


# ---------------------------------------------------------------- TCP: the reference's tools need kprobes


@pytest.mark.smoke
@pytest.mark.feature("kprobe")
@pytest.mark.parametrize("words", ["tcpconnect -L", "tcpaccept"])
def test_connections(pytrace: str, words: str) -> None:
    """Pid, name, both addresses and ports of each connection."""

    def attempt() -> tuple[Rows, Rows]:
        act = Sessions(3, "127.0.0.1", "::1")
        ours, theirs = together(f"{pytrace} {words}", reference_tool(words.split()[0]), act)
        found = columns(rf"^({OWN}) +(\S+) +[46] +(\S+) +(\d+) +(\S+) +(\d+)", ours)
        assert [(row[2], row[3], row[5]) for row in found] == [(a, str(c), str(s)) for a, c, s in act.pairs]
        return found, columns(rf"^[\d:]+ ({OWN}) +(\S+) +(\S+) +(\d+) +(\S+) +(\d+)", theirs)

    agree(attempt)


@pytest.mark.smoke
@pytest.mark.feature("kprobe")
def test_tcplife(pytrace: str) -> None:
    """Pid, name, addresses, ports and kilobytes of both ends of each session, and its length."""

    def attempt() -> tuple[Rows, Rows]:
        act = Sessions(3, "127.0.0.1", "::1", sent=64 << 10, answered=16 << 10)
        ours, theirs = together(f"{pytrace} tcplife", reference_tool("tcplife"), act)
        pattern = rf"^({OWN}) +(\S+) +(\S+) +(\d+) +(\S+) +(\d+) +(\d+) +(\d+) +([\d.]+)"
        found, expected = columns(pattern, ours), columns(pattern, theirs)
        ports = sorted(int(port) for _, client, server in act.pairs for port in (client, server))
        assert sorted(int(row[3]) for row in found) == ports
        for mine, other in zip(found, expected, strict=True):
            assert abs(float(mine[8]) - int(other[8])) <= 1 + 2 * SCALE
        return [row[:8] for row in found], [row[:8] for row in expected]

    agree(attempt)


@pytest.mark.feature("netns", "kprobe")
def test_tcpretrans(pytrace: str) -> None:
    """Addresses, ports and state of each segment sent again: of tail loss probes the reference knows nothing."""

    def attempt() -> tuple[Rows, Rows]:
        act = Lossy("neighbour")
        ours, theirs = together(f"{pytrace} tcpretrans -l", reference_tool("tcpretrans"), act)
        again = columns(r"^[\d:]+ \d+ +4 +(10\.99\.0\.1:\d+) +([RL])> +(\S+) +(\S+)", ours)
        assert len(again) == act.again
        found: Rows = [(here, there, state) for here, kind, there, state in again if kind == "R"]
        return found, columns(r"^[\d:]+ +\d+ +(10\.99\.0\.1:\d+) +(\S+) +(\S+)", theirs)

    agree(attempt)
