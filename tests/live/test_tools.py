"""The bundled tools on activity of known extent: files, system calls, signals, threads, disks."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.harness.tools import (
    direct_writes,
    finished,
    in_buckets,
    loop_device,
    traced,
)
from tests.harness.tracer import SCALE

pytestmark = [
    pytest.mark.feature("root", "btf", "tracepoint", "rawtracepoint"),
    pytest.mark.usefixtures("nothing_left_behind"),
]
OWN = os.getpid()
COMM = Path("/proc/self/comm").read_text().strip()


def times(count: int, act: Callable[[], object]) -> None:
    for _ in range(count):
        with suppress(OSError):
            act()


# ---------------------------------------------------------------- opensnoop, statsnoop, execsnoop


def opens(folder: Path) -> Callable[[], list[int]]:
    """Opens 4 files that are there, and asks for 3 that are not; the descriptors."""
    for i in range(4):
        (folder / f"there{i}").touch()

    def act() -> list[int]:
        found = []
        for i in range(4):
            found.append(os.open(folder / f"there{i}", os.O_RDWR))
            with suppress(FileNotFoundError):
                os.open(folder / f"missing{i}", os.O_RDONLY) if i < 3 else None
        for fd in found:
            os.close(fd)
        return found

    return act


def test_opensnoop_shows_each_open(pytrace: str, tmp_path: Path) -> None:
    act, found = opens(tmp_path), list[int]()
    lines = traced(f"{pytrace} opensnoop -p {OWN}", lambda: found.extend(act()))
    assert lines[0].split() == ["PID", "COMM", "FD", "ERR", "PATH"]
    rows = [line.split() for line in lines[1:] if str(tmp_path) in line]
    expected = []
    for i in range(4):
        expected.append([str(OWN), COMM, str(found[i]), "0", str(tmp_path / f"there{i}")])
        if i < 3:
            expected.append([str(OWN), COMM, "-1", "2", str(tmp_path / f"missing{i}")])
    assert rows == expected


@pytest.mark.parametrize(
    ("flags", "rows"),
    [("-x", 3), ("-t OWN", 7), ("-n no-such", 0), (f"-n {COMM[1:]}", 7), ("-u 12345", 0), ("-f 2", 4)],
)
def test_opensnoop_filters(pytrace: str, tmp_path: Path, flags: str, rows: int) -> None:
    lines = traced(f"{pytrace} opensnoop {flags.replace('OWN', str(OWN))}", opens(tmp_path))
    assert len([line for line in lines if str(tmp_path) in line]) == rows, lines


def test_opensnoop_columns_and_duration(pytrace: str, tmp_path: Path) -> None:
    lines = traced(f"{pytrace} opensnoop -TUe -p {OWN} -d 2", opens(tmp_path), interrupt=False)
    assert lines[0].split() == ["TIME(s)", "UID", "PID", "COMM", "FD", "ERR", "FLAGS", "PATH"]
    row = next(line for line in lines if "there0" in line)
    flags = os.O_RDWR | os.O_CLOEXEC
    assert re.fullmatch(rf" +0\.\d{{9}} 0 +{OWN} +{COMM} +\d+ +0 {flags:08o} {tmp_path}/there0", row)


def test_statsnoop_shows_each_question(pytrace: str, tmp_path: Path) -> None:
    def act() -> None:
        for name in ("", "one", "two"):
            with suppress(FileNotFoundError):
                os.stat(tmp_path / name)
        os.statvfs(tmp_path)

    lines = traced(f"{pytrace} statsnoop -p {OWN}", act)
    assert lines[0].split() == ["PID", "COMM", "FD", "ERR", "PATH"]
    rows = [line.split() for line in lines if str(tmp_path) in line]
    path = str(tmp_path)
    first = [str(OWN), COMM]
    assert rows == [
        [*first, "0", "0", path],
        [*first, "-1", "2", path + "/one"],
        [*first, "-1", "2", path + "/two"],
        [*first, "0", "0", path],
    ]
    failed = traced(f"{pytrace} statsnoop -x -t -p {OWN}", act)
    assert [line.split()[-1] for line in failed if path in line] == [path + "/one", path + "/two"]


def execs(folder: Path) -> Callable[[], None]:
    program = folder / "noted"
    program.symlink_to("/bin/true")

    def act() -> None:
        for i in range(5):
            subprocess.run([program, "word", str(i)], check=True)
        with suppress(FileNotFoundError):
            subprocess.run([folder / "missing"], check=False)

    return act


def test_execsnoop_shows_each_program(pytrace: str, tmp_path: Path) -> None:
    lines = traced(f"{pytrace} execsnoop -n noted -P {OWN}", execs(tmp_path))
    assert lines[0].split() == ["PCOMM", "PID", "PPID", "RET", "ARGS"]
    rows = [line.split() for line in lines[1:]]
    assert [[row[0], *row[2:]] for row in rows] == [
        ["noted", str(OWN), "0", str(tmp_path / "noted"), "word", str(i)] for i in range(5)
    ]
    failed = traced(f"{pytrace} execsnoop -x -l {tmp_path}/missing", execs(Path(make(tmp_path / "b"))))
    assert len(failed) == 1  # the other folder's programs are not asked for


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


# ---------------------------------------------------------------- syscount, killsnoop


def table(lines: list[str]) -> dict[str, list[str]]:
    """The rows below the last heading by their first word."""
    start = max(i for i, line in enumerate(lines) if re.match("SYSCALL|PID", line))
    return {line.split()[0]: line.split()[1:] for line in lines[start + 1 :] if line.strip()}


def test_syscount_counts_calls(pytrace: str) -> None:
    rows = table(traced(f"{pytrace} syscount -p {OWN} -T 40", lambda: times(77, os.getppid)))
    assert rows["getppid"] == ["77"]
    one = traced(f"{pytrace} syscount --syscall getppid -p {OWN}", lambda: times(13, os.getppid))
    assert one[0] == "Tracing syscalls, printing top 10... Ctrl+C to quit."
    assert one[2].split() == ["SYSCALL", "COUNT"]
    assert table(one) == {"getppid": ["13"]}


def test_syscount_counts_failures_and_processes(pytrace: str) -> None:
    rows = table(traced(f"{pytrace} syscount -x -p {OWN}", lambda: times(9, lambda: os.open("/no/such", 0))))
    assert rows["openat"] == ["9"]
    rows = table(traced(f"{pytrace} syscount -e 2 -p {OWN}", lambda: times(8, lambda: os.rmdir("/no/such"))))
    assert rows["rmdir"] == ["8"]
    command = f"{pytrace} syscount -P --syscall getppid -T 40 -c {os.getppid()}"
    rows = table(traced(command, lambda: times(31, os.getppid)))
    assert rows[str(OWN)] == [COMM, "31"]


def test_syscount_measures_time(pytrace: str) -> None:
    lines = traced(
        f"{pytrace} syscount -L -t {OWN} --syscall rt_sigtimedwait",
        lambda: times(3, lambda: signal.sigtimedwait([], 0.05)),
    )
    assert "TIME (us)" in lines[2]
    count, micros = table(lines)["rt_sigtimedwait"]
    assert count == "3" and 150_000 <= float(micros) < 150_000 * max(SCALE, 3)
    lines = traced(f"{pytrace} syscount -Lm -i 1 -d 2 -p {OWN} --syscall nosuch", lambda: None, interrupt=False)
    assert len([line for line in lines if line.startswith("SYSCALL")]) in (2, 3)


def test_killsnoop_shows_each_signal(pytrace: str) -> None:
    def act() -> None:
        child = subprocess.Popen(["/bin/sleep", "30"])
        pids.append(child.pid)
        os.kill(child.pid, 0)
        os.kill(child.pid, signal.SIGTERM)
        child.wait()
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGUSR1)

    pids: list[int] = []
    lines = traced(f"{pytrace} killsnoop -p {OWN}", act)
    assert lines[0].split() == ["TIME", "PID", "COMM", "SIG", "TPID", "RESULT"]
    rows = [line.split()[1:] for line in lines[1:] if f" {pids[0]} " in line]
    first, to = [str(OWN), COMM], str(pids[0])
    assert rows == [[*first, "0", to, "0"], [*first, "15", to, "0"], [*first, "10", to, "-3"]]
    pids.clear()
    lines = traced(f"{pytrace} killsnoop -x -s 10 -p {OWN}", act)
    assert [line.split()[3:] for line in lines[1:]] == [["10", str(pids[0]), "-3"]]


# ---------------------------------------------------------------- runqlat, cpudist, offcputime, profile


@contextmanager
def napper() -> Iterator[subprocess.Popen[str]]:
    """A process that naps 40 times for each line that it reads, and answers."""
    script = (
        "import sys, time\nfor line in sys.stdin:\n [time.sleep(.002) for _ in range(40)]\n print('done', flush=True)"
    )
    words = [sys.executable, "-S", "-c", script]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        nap(child)
        yield child
        assert child.stdin
        child.stdin.close()


UNTRACED = 3
"""So many of 40 switches the kernel may count without their tracepoint being reached: raw and other tracepoints then
agree with each other, and not with /proc."""


def nap(child: subprocess.Popen[str]) -> None:
    assert child.stdin and child.stdout
    child.stdin.write("go\n")
    child.stdin.flush()
    assert child.stdout.readline() == "done\n"
    time.sleep(0.05)  # until it waits for the next line


def arrivals(pid: int) -> int:
    """How often the thread got a CPU after waiting for it, as the kernel counts it."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[2])


def switches(pid: int) -> int:
    """How often the thread left the CPU."""
    return sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()))


@pytest.mark.parametrize(("flags", "title"), [("", "@usecs:"), ("-m", "@msecs:"), ("-P", "@usecs_of[PID]:")])
def test_runqlat_counts_every_wait(pytrace: str, flags: str, title: str) -> None:
    with napper() as child:
        counts: list[int] = []

        def act() -> None:
            before = arrivals(child.pid)
            nap(child)
            counts.append(arrivals(child.pid) - before)

        lines = traced(f"{pytrace} runqlat {flags} -p {child.pid}", act)
        assert title.replace("PID", str(child.pid)) in lines
        assert counts[0] >= 40 and counts[0] - UNTRACED <= in_buckets(lines) <= counts[0]


@pytest.mark.parametrize("flags", ["", "-O"])
def test_cpudist_counts_every_time(pytrace: str, flags: str) -> None:
    with napper() as child:
        counts: list[int] = []

        def act() -> None:
            before = switches(child.pid)
            nap(child)
            counts.append(switches(child.pid) - before)

        lines = traced(f"{pytrace} cpudist {flags} -p {child.pid}", act)
        # Off the CPU: the wait that was going on at the start is not measured, nor is the last one.
        expected = counts[0] - (1 if flags else 0)
        assert expected - UNTRACED <= in_buckets(lines) <= expected


def test_runqlat_intervals(pytrace: str) -> None:
    lines = traced(f"{pytrace} runqlat -T 1 2", lambda: None, interrupt=False)
    assert lines[0] == "Tracing run queue latency... Hit Ctrl-C to end."
    assert len([line for line in lines if re.fullmatch(r"\d\d:\d\d:\d\d", line)]) == 2
    assert lines.count("@usecs:") == 2


def test_offcputime_adds_up_waits(pytrace: str) -> None:
    lines = traced(f"{pytrace} offcputime -K -t {OWN}", lambda: times(4, lambda: time.sleep(0.05)))
    text = "\n".join(lines)
    sums = [
        int(n) for n in re.findall(rf"nanosleep(?:(?!@kernel).)*?\n, {re.escape(COMM)}, {OWN}\]: (\d+)", text, re.S)
    ]
    assert 200_000 <= sum(sums) < 200_000 * max(SCALE, 3)


@pytest.mark.feature("perf_software")
def test_profile_samples_a_busy_process(pytrace: str, test_programs: Path) -> None:
    words = ["taskset", "-c", "0", test_programs / "act", "busy", "1000"]
    lines = traced(f"{pytrace} profile -U -F 99 -C 0", lambda: subprocess.run(words, check=True))
    assert lines[0] == "Sampling at 99 Hertz of all threads... Hit Ctrl-C to end."
    seen = sum(int(n) for n in re.findall(r"^, act, \d+\]: (\d+)$", "\n".join(lines), re.M))
    assert 20 <= seen <= 110
    assert any(line.startswith("        busy+") for line in lines)


# ---------------------------------------------------------------- biolatency, biosnoop, hardirqs, softirqs

BLOCKS = [7, 100, 3, 300, 50, 51, 900, 20]


def test_biolatency_counts_requests(pytrace: str, tmp_path: Path) -> None:
    with loop_device(tmp_path) as device:
        disk = device.removeprefix("/dev/")
        lines = traced(f"{pytrace} biolatency -d {disk}", lambda: direct_writes(device, BLOCKS * 5))
        assert lines[:2] == ["Tracing block device I/O... Hit Ctrl-C to end.", "@usecs:"]
        assert in_buckets(lines) == 40
        lines = traced(f"{pytrace} biolatency -Dem -d {disk}", lambda: direct_writes(device, BLOCKS))
        assert f"@msecs_of[{disk}]:" in lines and in_buckets(lines) == 8
        assert any(line.startswith(f"@total_of[{disk}]: {{ .count = 8, .average = ") for line in lines)
        lines = traced(f"{pytrace} biolatency -F -d {disk}", lambda: direct_writes(device, BLOCKS))
        assert any(re.fullmatch(r"@usecs_of\[.*Sync-Write\]:", line) for line in lines) and in_buckets(lines) == 8


def test_biosnoop_shows_each_request(pytrace: str, tmp_path: Path) -> None:
    with loop_device(tmp_path) as device:
        disk = device.removeprefix("/dev/")
        lines = traced(f"{pytrace} biosnoop -QP -d {disk}", lambda: direct_writes(device, BLOCKS))
    assert lines[0].split() == "TIME(s) COMM PID DISK T SECTOR BYTES P QUE(ms) LAT(ms)".split()
    rows = [line.split() for line in lines[1:]]
    assert [row[1:8] for row in rows] == [
        [COMM[:14], str(OWN), disk, "W", str(8 * block), "4096", "S" if block == 51 else "R"] for block in BLOCKS
    ]
    assert all(re.fullmatch(r"\d+\.\d{3}", text) for row in rows for text in row[8:10])


def test_hardirqs_and_softirqs_make_tables(pytrace: str) -> None:
    def act() -> None:
        ours, theirs = socket.socketpair()
        end = time.monotonic() + 1
        while time.monotonic() < end:
            ours.send(b"x")
            theirs.recv(1)

    for tool, title in (("hardirqs", "HARDIRQ"), ("softirqs", "SOFTIRQ")):
        lines = traced(f"{pytrace} {tool}", act)
        assert lines[1].split() == [title, "TOTAL_usecs"]
        values = [int(line.split()[-1]) for line in lines[2:]]
        assert values == sorted(values)
        lines = traced(f"{pytrace} {tool} -C -c 0 1 1", lambda: None, interrupt=False)
        assert lines[1].split() == [title, "TOTAL_count"]
    assert any(line.split()[0] in ("timer", "sched", "rcu", "hrtimer") for line in lines[2:])


# ---------------------------------------------------------------- the command line of tools


def test_unknown_options_are_refused(pytrace: str) -> None:
    done = finished(f"{pytrace} opensnoop --nosuch", lambda: None)
    assert done.status == 1 and "--nosuch" in done.stderr
    done = finished(f"{pytrace} biolatency 1 2 3", lambda: None)
    assert done.status == 1 and "biolatency: unexpected argument '3'" in done.stderr


def test_execsnoop_columns(pytrace: str, tmp_path: Path) -> None:
    lines = traced(f"{pytrace} execsnoop -TtUqx -l {tmp_path} --max-args=2", execs(tmp_path))
    assert lines[0].split() == ["TIME", "TIME(s)", "UID", "PCOMM", "PID", "PPID", "RET", "ARGS"]
    program = str(tmp_path / "noted")
    shown = [line.split(maxsplit=7)[6:] for line in lines[1:]]
    assert shown == [["0", f'"{program}" "word" ...']] * 5 + [["-2", f'"{tmp_path / "missing"}"']]
