"""The bundled tools that look at functions: of programs and libraries here, of the kernel where it has kprobes."""

from __future__ import annotations

import ctypes
import os
import pty
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.harness import machine
from tests.harness.process import environment
from tests.harness.tools import direct_writes, ext4, finished, in_buckets, loop_device, traced
from tests.harness.tracer import SCALE

pytestmark = [
    pytest.mark.feature("root", "btf", "tracepoint", "uprobe"),
    pytest.mark.usefixtures("nothing_left_behind"),
]
OWN = os.getpid()
COMM = Path("/proc/self/comm").read_text().strip()


INTERVAL = 1.3 / min(SCALE, 5)
"""What `traced` has to settle until a tool that prints each second has printed."""


def ran(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)


# ---------------------------------------------------------------- funccount, stackcount, funclatency


def test_funccount_counts_functions_and_events(pytrace: str, test_programs: Path) -> None:
    program = test_programs / "calls"
    lines = traced(f"{pytrace} funccount 'uprobe:{program}:*us'", lambda: ran(program, 5))
    counts = dict(re.findall(rf"^@count\[uprobe:{program}:(\w+)\]: (\d+)$", "\n".join(lines), re.M))
    assert list(counts) == ["plus"] and int(counts["plus"]) >= 5
    act = test_programs / "act"
    lines = traced(f"{pytrace} funccount tracepoint:syscalls:sys_enter_getppi*", lambda: ran(act, "getppid", 23))
    assert int(lines[-1].removeprefix("@count[tracepoint:syscalls:sys_enter_getppid]: ")) >= 23
    lines = traced(
        f"{pytrace} funccount -p {OWN} t:syscalls:sys_enter_getppid", lambda: [os.getppid() for _ in range(9)]
    )
    assert lines == ["@count[tracepoint:syscalls:sys_enter_getppid]: 9"]


def test_funccount_needs_a_pattern(pytrace: str) -> None:
    done = finished(f"{pytrace} funccount -d 1", lambda: None)
    assert done.status == 1 and "funccount: pattern is missing" in done.stderr
    lines = traced(f"{pytrace} funccount -T -i 1 -d 2 t:syscalls:sys_enter_getppid", lambda: None, interrupt=False)
    assert len([line for line in lines if re.fullmatch(r"\d\d:\d\d:\d\d", line)]) in (1, 2)


def test_stackcount_counts_stacks(pytrace: str, test_programs: Path) -> None:
    program = test_programs / "calls"
    lines = traced(f"{pytrace} stackcount -P uprobe:{program}:inner", lambda: ran(program))
    text = "\n".join(lines)
    assert re.search(r"^@user_of\[\n        inner\+\d+\n(?: .*\n)*, calls, \d+\]: 1$", text, re.M), text
    for flags, title in (("", "@stacks["), ("-K", "@kernel["), ("-PK", "@kernel_of[")):
        command = f"{pytrace} stackcount t:syscalls:sys_enter_getppid -p {OWN} {flags}"
        lines = traced(command, lambda: [os.getppid() for _ in range(4)])
        counts = re.findall(r"\]: (\d+)$", "\n".join(lines), re.M)
        assert lines[0] == title and sum(map(int, counts)) == 4


def test_funclatency_measures_calls(pytrace: str, test_programs: Path) -> None:
    program = test_programs / "calls"
    lines = traced(f"{pytrace} funclatency --kind=u {program}:plus", lambda: ran(program, 6))
    assert lines[:2] == [f"Tracing {program}:plus... Hit Ctrl-C to end.", "@nsecs:"]
    calls = int(re.findall(r"\.count = (\d+)", "\n".join(lines))[0])
    assert calls >= 6 and in_buckets(lines) == calls
    lines = traced(f"{pytrace} funclatency --kind u -F -u '{program}:plus'", lambda: ran(program, 6))
    assert "@usecs_of[plus]:" in lines and in_buckets(lines) == calls


@pytest.mark.feature("kprobe")
def test_functions_of_the_kernel(pytrace: str) -> None:
    def act() -> None:
        for _ in range(50):
            os.unlink(os.fspath(touched))

            touched.touch()

    touched = Path(f"/tmp/pytrace-{OWN}")
    touched.touch()
    try:
        lines = traced(f"{pytrace} funccount -p {OWN} kprobe:vfs_unlink", act)
        assert lines[-1] == "@count[kprobe:vfs_unlink]: 50"
        lines = traced(f"{pytrace} funclatency -u -p {OWN} vfs_unlink", act)
        assert in_buckets(lines) == 50
        lines = traced(f"{pytrace} stackcount -K -p {OWN} kprobe:vfs_unlink", act)
        assert lines[0] == "@kernel[" and lines[-1] == "]: 50"
    finally:
        touched.unlink()


# ---------------------------------------------------------------- memleak, gethostlatency, bashreadline, capable


def test_memleak_shows_what_is_not_freed(pytrace: str) -> None:
    libc = ctypes.CDLL("libc.so.6")
    for function in (libc.malloc, libc.calloc, libc.realloc):
        function.restype = ctypes.c_void_p
    libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    kept: list[int] = []

    def act() -> None:
        blocks = [libc.malloc(54321) for _ in range(9)]
        for block in blocks[:4]:
            libc.free(block)
        kept.extend(blocks[4:])
        kept.append(libc.calloc(3, 18107))
        kept.append(libc.realloc(libc.malloc(77), 54321))

    lines = traced(f"{pytrace} -p {OWN} memleak -o 0 -z 54321 -Z 54321 2 1", act, interrupt=False)
    for block in kept:
        libc.free(block)
    text = "\n".join(lines)
    assert re.search(r"^\[\d\d:\d\d:\d\d\] Stacks with outstanding allocations:$", text, re.M)
    counts = re.findall(r"^@(bytes|allocations)\[\n(?: .*\n)*\]: (\d+)$", text, re.M)
    assert sum(int(n) for kind, n in counts if kind == "allocations") == 7
    assert sum(int(n) for kind, n in counts if kind == "bytes") == 7 * 54321


def test_gethostlatency_shows_each_look_up(pytrace: str) -> None:
    def act() -> None:
        for name in ("localhost", "127.0.0.9"):
            socket.getaddrinfo(name, 80)

    lines = traced(f"{pytrace} gethostlatency -p {OWN}", act)
    assert lines[0].split() == ["TIME", "PID", "COMM", "LATms", "HOST"]
    rows = [line.split() for line in lines[1:]]
    assert [[row[1], row[2], row[4]] for row in rows] == [[str(OWN), COMM, "localhost"], [str(OWN), COMM, "127.0.0.9"]]
    assert all(re.fullmatch(r"\d+\.\d{3}", row[3]) for row in rows)


def test_bashreadline_shows_each_line(pytrace: str) -> None:
    pids: list[int] = []

    def act() -> None:
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], environment(HISTFILE="/dev/null"))
        os.write(terminal, b"echo one two\n\nexit\n")
        try:
            while os.read(terminal, 1024):
                pass
        except OSError:  # the shell is gone
            pass
        os.waitpid(pid, 0)
        os.close(terminal)
        pids.append(pid)

    lines = traced(f"{pytrace} bashreadline -s /bin/bash", act)
    assert lines[0].split() == ["TIME", "PID", "COMMAND"]
    typed = [line.split(maxsplit=2)[1:] for line in lines[1:] if f" {pids[0]} " in line]
    assert typed == [[str(pids[0]), "echo one two"], [str(pids[0])], [str(pids[0]), "exit"]]


@pytest.mark.feature("capability")
def test_capable_shows_each_check(pytrace: str) -> None:
    def act() -> None:
        for _ in range(3):
            os.chroot("/")

    lines = traced(f"{pytrace} capable -p {OWN}", act)
    assert lines[0].split() == ["TIME", "UID", "PID", "COMM", "CAP", "NAME", "AUDIT"]
    rows = [line.split()[1:] for line in lines[1:] if "CAP_SYS_CHROOT" in line]
    audit = "-" if machine.missing("kprobe") else "1"
    assert rows == [["0", str(OWN), COMM, "18", "CAP_SYS_CHROOT", audit]] * 3
    lines = traced(f"{pytrace} capable -x --unique -p {OWN}", act)
    found = [line.split() for line in lines if "CAP_SYS_CHROOT" in line]
    assert len(found) == 1 and lines[0].split()[3] == "TID" and found[0][3] == str(OWN)


# ---------------------------------------------------------------- biotop and file systems


def test_biotop_adds_up(pytrace: str, tmp_path: Path) -> None:
    with loop_device(tmp_path) as device:
        disk = device.removeprefix("/dev/")
        act = lambda: direct_writes(device, [7, 100, 3, 300, 51, 900], 8192 // 2)
        lines = traced(f"{pytrace} biotop -C -p {OWN} 3 1", act, interrupt=False)
    assert lines[0] == "Tracing... Output every 3 secs. Hit Ctrl-C to end"
    assert re.fullmatch(r"\d\d:\d\d:\d\d loadavg: [\d. /]+", lines[1])
    assert lines[2].split() == ["PID", "COMM", "D", "MAJ", "MIN", "DISK", "I/O", "Kbytes", "AVGms"]
    row = next(line for line in lines[3:] if f" {disk} " in line).split()
    assert row[:3] == [str(OWN), COMM, "W"] and row[3] == "7" and row[5:8] == [disk, "6", "24"]
    kilobytes = [int(line.split()[7]) for line in lines[3:]]
    assert kilobytes == sorted(kilobytes, reverse=True)


def write_and_read(place: Path) -> None:
    """On 5 files: open, write 4096 bytes, sync, open, read."""
    for i in range(5):
        fd = os.open(place / f"file{i}", os.O_CREAT | os.O_WRONLY)
        os.write(fd, bytes(4096))
        os.fsync(fd)
        os.close(fd)
        fd = os.open(place / f"file{i}", os.O_RDONLY)
        os.read(fd, 8192)
        os.close(fd)


@pytest.mark.smoke
@pytest.mark.feature("kprobe", "loop", "ext4")
def test_ext4slower_shows_each_operation(pytrace: str, tmp_path: Path) -> None:
    with ext4(tmp_path) as place:
        lines = traced(f"{pytrace} ext4slower -p {OWN} 0", lambda: write_and_read(place))
    assert lines[0] == "Tracing ext4 operations slower than 0 ms"
    assert lines[1].split() == ["TIME", "COMM", "PID", "T", "BYTES", "OFF_KB", "LAT(ms)", "FILENAME"]
    rows = [line.split()[1:] for line in lines[2:] if " file" in line]
    assert [[*row[:5], row[6]] for row in rows] == [
        [COMM[:14], str(OWN), letter, size, "0", f"file{i}"]
        for i in range(5)
        for letter, size in (("O", "0"), ("W", "4096"), ("S", "0"), ("O", "0"), ("R", "4096"))
    ]


@pytest.mark.feature("kprobe", "loop", "ext4")
def test_ext4dist_counts_operations(pytrace: str, tmp_path: Path) -> None:
    with ext4(tmp_path) as place:
        lines = traced(f"{pytrace} ext4dist -p {OWN}", lambda: write_and_read(place))
    for kind, count in (("read", 5), ("write", 5), ("open", 10), ("fsync", 5)):
        assert in_buckets(lines, f"@usecs[{kind}]:") == count


@pytest.mark.feature("kprobe")
def test_vfsstat_counts_calls(pytrace: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(10))

    def act() -> None:
        fd = os.open(file, os.O_RDWR)
        for _ in range(4000):
            os.pread(fd, 1, 0)
        for _ in range(2000):
            os.pwrite(fd, b"x", 0)
        for _ in range(3):
            os.fsync(fd)
        os.close(fd)

    lines = traced(f"{pytrace} vfsstat", act, settle=INTERVAL)
    assert lines[0].split() == ["TIME", "READ/s", "WRITE/s", "FSYNC/s", "OPEN/s", "CREATE/s"]
    rows = [[int(text) for text in line.split()[1:]] for line in lines[1:]]
    sums = [sum(column) for column in zip(*rows, strict=True)]
    assert 4000 <= sums[0] < 8000 and 2000 <= sums[1] < 4000 and sums[2] == 3 and sums[3] >= 1 and len(sums) == 5


@pytest.mark.smoke
@pytest.mark.feature("kprobe", "loop", "ext4")
def test_cachestat_counts_pages(pytrace: str, tmp_path: Path) -> None:
    """A file of 256 pages is read four times: once from the disk, three times from the cache."""
    with ext4(tmp_path) as place:
        fd = os.open(place / "file", os.O_CREAT | os.O_RDWR)
        os.write(fd, bytes(1 << 20))
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        lines = traced(f"{pytrace} cachestat -T", lambda: [os.pread(fd, 1 << 20, 0) for _ in range(4)], settle=INTERVAL)
        os.close(fd)
    assert lines[0].split() == "TIME HITS MISSES DIRTIES HITRATIO BUFFERS_MB CACHED_MB".split()
    rows = [line.split() for line in lines[1:]]
    for row in rows:
        hits, misses = int(row[1]), int(row[2])
        assert abs(float(row[4].rstrip("%")) - 100 * hits / max(hits + misses, 1)) < 0.02
    memory = dict(re.findall(r"^(\w+): +(\d+) kB$", Path("/proc/meminfo").read_text(), re.M))
    for value, name in zip(rows[-1][5:], ("Buffers", "Cached"), strict=True):
        assert abs(int(value) - int(memory[name]) // 1024) <= 8
    assert 256 <= sum(int(row[2]) for row in rows) < 512, lines
    assert 3 * 256 <= sum(int(row[1]) for row in rows) < 5 * 256, lines
