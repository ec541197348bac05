"""Run a command to its end or a deadline, and see that it left nothing in the kernel.

In: a shell command.  Out: `Finished` with what it printed and how it ended.  What a newcomer would get wrong: the
command runs in a session of its own and is ended by pid, SIGINT first, so that a tracer which hangs still takes its
probes along.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pytrace.compare.tracer import last_pid
from tests.harness.machine import NR_BPF, ROOT, TRACING

NEXT_ID = {"prog": 11, "map": 12, "link": 31}
"""BPF_PROG_GET_NEXT_ID and so on, of enum bpf_cmd."""
ATTACHED = re.compile(r"^Attached \d+ probes?$", re.M)


@dataclass(frozen=True)
class Finished:
    """How a command ended.  `status` is negative for a signal, as subprocess has it.  `pid`: the shell's, or what it
    became; `pids`: the machine's last pid before and after; `began`: seconds of the monotonic clock."""

    stdout: str
    stderr: str
    status: int
    timed_out: bool
    seconds: float
    pid: int = 0
    pids: tuple[int, int] = (0, 0)
    began: float = 0.0

    def describe(self) -> str:
        """For a failed test's message."""
        end = "timed out" if self.timed_out else f"status {self.status}"
        return f"{end} after {self.seconds:.1f} s\n--- stdout\n{self.stdout}--- stderr\n{self.stderr}---"


def pytrace_command() -> str:
    """The shell words that start the pytrace of this checkout, with the Python that runs the tests."""
    return f"env PYTRACE_VENV={sys.prefix} {ROOT}/bin/pytrace"


def environment(**more: str) -> dict[str, str]:
    """A fixed environment: no BPFTRACE_ or PYTRACE_ variable of the caller's, C locale, UTC; test programs that
    wait for a tracer wait TIME_SCALE times as long."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BPFTRACE_", "PYTRACE_", "PYTHON"))}
    path = kept.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    kept["TIME_SCALE"] = os.environ.get("PYTRACE_TIME_SCALE", "1")
    return {**kept, "PATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "dumb", **more}


def run(
    command: str,
    *,
    timeout: float,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    when_attached: Callable[[int], None] | None = None,
) -> Finished:
    """Run `command` with bash.  `when_attached(pid)` is called once "Attached N probes" is on stderr."""
    began, before = time.monotonic(), last_pid()
    child = subprocess.Popen(
        ["bash", "-c", f"exec {command}" if when_attached else command],
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env or environment(),
        cwd=cwd,
        start_new_session=True,
    )
    seen = threading.Event()
    readers = [_Reader(child.stdout), _Reader(child.stderr, seen)]
    if stdin is not None and child.stdin:
        child.stdin.write(stdin.encode("latin-1"))
        child.stdin.close()
    if when_attached and seen.wait(timeout):
        time.sleep(0.05)
        when_attached(child.pid)
    timed_out = not _ends(child, timeout - (time.monotonic() - began))
    if timed_out:
        _end(child)
    for reader in readers:
        reader.thread.join(2)
    out, err = (reader.text() for reader in readers)
    seconds, pids = time.monotonic() - began, (before, last_pid())
    return Finished(out, err, child.returncode, timed_out, seconds, child.pid, pids, began)


class _Reader:
    """Reads one pipe in a thread; sets `seen` when the tracer says that it is attached."""

    def __init__(self, pipe: object, seen: threading.Event | None = None) -> None:
        self.pipe, self.seen, self.raw = pipe, seen, bytearray()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        while data := os.read(self.pipe.fileno(), 65536):  # type: ignore[attr-defined]
            self.raw += data
            if self.seen and ATTACHED.search(self.text()):
                self.seen.set()
        if self.seen:
            self.seen.set()

    def text(self) -> str:
        return self.raw.decode("latin-1")


def _ends(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(max(seconds, 0.01))
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(child: subprocess.Popen[bytes]) -> None:
    for sig in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(child.pid, sig)
        except ProcessLookupError:
            break
        if _ends(child, 3):
            break
    child.wait()


def kernel_objects() -> frozenset[str]:
    """Every BPF program, link and map of the kernel by id, and the trace events that tracers create."""
    found = {f"{kind} {number}" for kind, command in NEXT_ID.items() for number in _ids(command)}
    for events in ("uprobe_events", "kprobe_events"):
        path = TRACING / events
        if path.exists():
            found |= {f"{events} {line}" for line in path.read_text().splitlines()}
    return frozenset(found)


def _ids(command: int) -> Iterator[int]:
    """The ids of all objects of one kind, by bpf(2).  (Three runs of bpftool for each look are a second in a virtual
    machine, and every test looks twice.)"""
    libc, number = ctypes.CDLL(None, use_errno=True), 0
    while True:
        attr = ctypes.create_string_buffer(struct.pack("<III", number, 0, 0), 12)
        if libc.syscall(NR_BPF[platform.machine()], command, attr, 12):
            if ctypes.get_errno() == errno.ENOENT:
                return
            raise OSError(ctypes.get_errno(), "bpf(BPF_*_GET_NEXT_ID)")
        number = struct.unpack_from("<I", attr, 4)[0]
        yield number


def held_by_processes() -> set[str]:
    """The BPF objects that some running process has an fd of: they end with it, so nobody has left them behind."""
    held = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:  # processes and fds go while they are looked at
            found = os.listdir(folder / "fdinfo")
        except OSError:
            continue
        for fd in found:
            try:
                text = (folder / "fdinfo" / fd).read_text()
            except OSError:
                continue
            held |= {f"{kind} {number}" for kind, number in re.findall(r"^(prog|map|link)_id:\t(\d+)", text, re.M)}
    return held


def left_behind(before: frozenset[str], patience: float = 40.0) -> set[str]:
    """What is new in the kernel since `before` and belongs to no process, in every look until `patience` is over.

    The kernel frees late, and other tests come and go meanwhile: what one look does not show has not been left behind.
    """
    end = time.monotonic() + patience
    left = kernel_objects() - before
    while True:
        left = (left & kernel_objects()) - held_by_processes()
        if not left or time.monotonic() > end:
            return set(left)
        time.sleep(0.2)
