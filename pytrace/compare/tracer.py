"""One tracer's process: started, watched until it has attached, ended, and what it printed and cost.

Place in the pipeline: under `runs`.  In: its arguments.  Out: `Ended`.  What a newcomer would get wrong: "attached" is
known from the line that bpftrace prints for its own tests (NOTIFICATION), since "Attaching 2 probes..." of old versions
comes before the work; and pytrace, which starts sooner, can be held ready until the other one is there.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

from pytrace.compare.versions import NOTIFICATION
from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from selectors import BaseSelector

HOLD = "__PYTRACE_ATTACH_WHEN_TOLD"
"""Environment variable of a tracer that is held: the number of a socket, on which it says when it is ready to attach
and is told to go on.  `pytrace.runtime.session` answers to it."""
_PIECE = 1 << 16


@record
class Ended:
    """What is known of a tracer that has ended.

    `out`, `err`: all it printed.  `arrival`: (offset in `out`, when all before it had been read).  `status`: negative
    for a signal.  Times are seconds of the monotonic clock; `attach_seconds`: from the start until attached, without
    what it was held, None if it never was.  `cpu_seconds`, `peak_bytes` (resident, of the largest process): its own and
    its children's, as wait4(2) has them.  `pids`: (last pid of the machine before its start, at its end); `comm`: the
    name that its own processes show.  `interrupted`: it was ended by us.
    """

    out: str
    err: str
    arrival: tuple[tuple[int, float], ...]
    status: int
    pid: int
    comm: str
    pids: tuple[int, int]
    started: float
    ended: float
    attached: float | None
    attach_seconds: float | None
    cpu_seconds: float
    peak_bytes: int
    interrupted: bool


def last_pid() -> int:
    """The pid that the machine gave out last (proc(5), loadavg)."""
    with open("/proc/loadavg") as f:
        return int(f.read().split()[-1])


def own_command() -> list[str]:
    """The words that start this pytrace again: the same Python and modules, by the name of pytrace."""
    path = [os.path.abspath(folder) for folder in sys.path]
    code = (
        f"import sys; sys.path[:] = {path!r}; sys.argv[0] = 'pytrace'\n"
        "with open('/proc/self/comm', 'w') as f: f.write('pytrace')\n"
        "from pytrace.cli import command; command()"
    )
    return [sys.executable, "-I", *(["-S"] if sys.flags.no_site else []), "-c", code]


class Tracer:
    """A tracer at work.  `hold`: it waits before attaching until `release`."""

    def __init__(self, command: list[str], hold: bool = False) -> None:
        self.command = command
        self.hold = hold
        self.attached: float | None = None
        self.ready: float | None = None
        self.is_over = False
        self.interrupted = False
        self._released: float | None = None
        self._raw: dict[int, bytearray] = {}
        self._arrival: list[tuple[int, float]] = []
        self._ours: socket.socket | None = None
        self._comm = ""

    def start(self, selector: BaseSelector) -> None:
        """Raises OSError when it cannot be started."""
        env = {**os.environ, NOTIFICATION: "1"}
        passed: tuple[int, ...] = ()
        theirs = None
        if self.hold:
            self._ours, theirs = socket.socketpair()
            passed = (theirs.fileno(),)
            env[HOLD] = str(theirs.fileno())
        self._pids = last_pid()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
            start_new_session=True, pass_fds=passed,
        )  # fmt: skip
        self._pidfd = os.pidfd_open(self.process.pid)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe
            os.set_blocking(pipe.fileno(), False)
            self._raw[pipe.fileno()] = bytearray()
            self._watch(selector, pipe.fileno(), self._read)
        self._watch(selector, self._pidfd, self._end)
        if theirs and self._ours:
            theirs.close()
            self._watch(selector, self._ours.fileno(), self._is_ready)

    def _watch(self, selector: BaseSelector, fd: int, act: Callable[[BaseSelector, int], None]) -> None:
        from selectors import EVENT_READ

        selector.register(fd, EVENT_READ, act)

    def _is_ready(self, selector: BaseSelector, fd: int) -> None:
        selector.unregister(fd)
        self.ready = time.monotonic()

    def release(self) -> None:
        """Let it attach."""
        if self._ours and not self._released:
            self._released = time.monotonic()
            with suppress(OSError):  # it is over
                self._ours.send(b".")

    def _read(self, selector: BaseSelector, fd: int) -> None:
        try:
            data = os.read(fd, _PIECE)
        except BlockingIOError:
            return
        if not data:
            selector.unregister(fd)
            return
        raw = self._raw[fd]
        raw += data
        now = time.monotonic()
        if fd == self._stdout():
            self._arrival.append((len(raw), now))
        if self.attached is None and NOTIFICATION.encode() in raw:
            self.attached = now
            self._comm = self._name()

    def _stdout(self) -> int:
        assert self.process.stdout
        return self.process.stdout.fileno()

    def _name(self) -> str:
        try:
            with open(f"/proc/{self.process.pid}/comm") as f:
                return f.read().rstrip("\n")
        except OSError:
            return ""

    def waits_for_events(self) -> bool:
        """Whether it sleeps in epoll_wait(2), as a tracer does that goes on; not while it lets go of its probes."""
        try:
            with open(f"/proc/{self.process.pid}/wchan") as f:
                return "ep" in f.read().replace("epoll", "ep").split("_")
        except OSError:
            return False

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        self.interrupted = True
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """It and what it has started."""
        if not self.is_over:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    def _signal(self, number: int) -> None:
        if not self.is_over:
            signal.pidfd_send_signal(self._pidfd, number)

    def _end(self, selector: BaseSelector, fd: int) -> None:
        selector.unregister(fd)
        self._pids_end = last_pid()
        self.ended = time.monotonic()
        _, status, self._usage = os.wait4(self.process.pid, 0)
        self.status = self.process.returncode = os.waitstatus_to_exitcode(status)
        self.is_over = True

    def close(self, selector: BaseSelector) -> Ended:
        """Read what is left, and let go.  The tracer must be over."""
        for fd in [key.fd for key in selector.get_map().values() if key.fd in self._raw]:
            while fd in selector.get_map():
                before = len(self._raw[fd])
                self._read(selector, fd)
                if len(self._raw[fd]) == before:  # a process that it has left behind holds the pipe: not waited for
                    break
        for fd in self._raw:
            if fd in selector.get_map():
                selector.unregister(fd)
        os.close(self._pidfd)
        if self._ours:
            if self._ours.fileno() in selector.get_map():
                selector.unregister(self._ours.fileno())
            self._ours.close()
        out, err = (raw.decode("latin-1") for raw in self._raw.values())
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()
        return Ended(
            out=out, err=err, arrival=tuple(self._arrival), status=self.status, pid=self.process.pid,
            comm=self._comm, pids=(self._pids, self._pids_end), started=self.started, ended=self.ended,
            attached=self.attached, attach_seconds=self._attach_seconds(),
            cpu_seconds=self._usage.ru_utime + self._usage.ru_stime, peak_bytes=1024 * self._usage.ru_maxrss,
            interrupted=self.interrupted,
        )  # fmt: skip

    def _attach_seconds(self) -> float | None:
        if self.attached is None:
            return None
        held = self._released - self.ready if self._released and self.ready else 0.0
        return self.attached - self.started - held
