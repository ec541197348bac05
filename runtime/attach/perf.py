"""Perf events: tracepoints, timers, software and hardware counters, watchpoints.

Place in the pipeline: see `runtime.attach`.  In: plain values of the probe rows.  Out: Links.  Raises KernelError.
What a newcomer would get wrong: a counter is opened once for each online CPU, with or without a process, because an
event for "any CPU" cannot be inherited by new threads and sampled at the same time.
"""

from __future__ import annotations

import errno

from pytrace.diagnostics import KernelError, MachineError
from pytrace.runtime.link import Link, join, refused
from pytrace.runtime.sys import PerfEvent, abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytrace.runtime.link import Attacher
    from pytrace.runtime.sys import Kernel

_TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")


def attach_tracepoint(session: Attacher, category: str, event: str, prog_fd: int) -> Link:
    """Attach to `tracepoint:CATEGORY:EVENT`."""
    kernel = session.kernel
    number = _tracepoint_id(kernel, category, event)
    what = f"Failed to attach to tracepoint {category}:{event}"
    return open_link(kernel, PerfEvent(abi.PERF_TYPE_TRACEPOINT, number, period=1), -1, [0], prog_fd, what)


def _tracepoint_id(kernel: Kernel, category: str, event: str) -> int:
    for folder in _TRACEFS:
        try:
            return int(kernel.read_text(f"{folder}/events/{category}/{event}/id"))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise refused(f"Failed to read {folder}/events/{category}/{event}/id", error) from None
    raise KernelError(
        f"tracepoint not found: {category}:{event}",
        errno.ENOENT,
        advice="if tracefs is not mounted: mount -t tracefs nodev /sys/kernel/tracing",
    )


def attach_perf_event(
    session: Attacher,
    kind: int,
    config: int,
    prog_fd: int,
    *,
    period: int = 0,
    frequency: int = 0,
    pid: int | None = None,
    cpus: Sequence[int] | None = None,
) -> Link:
    """Attach to a counter (`kind`, `config`: perf's type and number) on `cpus` (None: all online ones).

    Fires every `period` events (nanoseconds for clocks), or `frequency` times a second; `pid` restricts it to a
    process and what it will fork.
    """
    kernel = session.kernel
    event = PerfEvent(kind, config, period=period, frequency=frequency, inherit=pid is not None and pid > 0)
    where = list(cpus) if cpus is not None else kernel.online_cpus()
    none = "this machine has no such hardware counter, as most virtual machines; profile:hz:99 may do"
    advice = {
        errno.ENOENT: none,
        errno.ENODEV: none,
        errno.EOPNOTSUPP: none,
        errno.EINVAL: "the rate may be beyond kernel.perf_event_max_sample_rate",
        errno.ESRCH: f"there is no process {pid}",
    }
    what = "Failed to open a perf event"
    return open_link(kernel, event, -1 if pid is None else pid, where, prog_fd, what, advice, True)


def attach_profile(session: Attacher, prog_fd: int, *, period: int = 0, frequency: int = 0) -> Link:
    """A timer on every CPU, each `period` ns or `frequency` times a second; with a traced process only in that."""
    return attach_perf_event(
        session, abi.PERF_TYPE_SOFTWARE, abi.PERF_SW_CPU_CLOCK, prog_fd,
        period=period, frequency=frequency, pid=session.target_pid,
    )  # fmt: skip


def attach_interval(session: Attacher, prog_fd: int, *, period: int = 0, frequency: int = 0) -> Link:
    """A timer on one CPU, the first that is online, whatever runs there."""
    first = session.kernel.online_cpus()[:1] or [0]
    return attach_perf_event(
        session, abi.PERF_TYPE_SOFTWARE, abi.PERF_SW_CPU_CLOCK, prog_fd, period=period, frequency=frequency, cpus=first
    )


def attach_watchpoint(session: Attacher, prog_fd: int, address: int, length: int, mode: str) -> Link:
    """Watch `length` bytes at `address` for `mode` (letters of r, w, x): in all threads of the traced process, or
    everywhere.

    Threads that end and CPUs that go meanwhile are skipped with a warning; fails when nothing could be watched.
    """
    kernel, pid = session.kernel, session.target_pid
    bits = 0
    for letter in mode:
        bits |= abi.BREAKPOINT_MODES[letter]
    executes = bool(bits & abi.BREAKPOINT_MODES["x"])
    event = PerfEvent(
        abi.PERF_TYPE_BREAKPOINT, period=1, inherit=True,
        config1=address, config2=8 if executes else length, breakpoint=bits,
    )  # fmt: skip
    try:
        if pid is None:
            places = [(-1, cpu) for cpu in kernel.online_cpus()]
        else:
            places = [(tid, -1) for tid in kernel.threads(pid)]
    except OSError as error:
        raise refused(f"Failed to list the threads of process {pid}", error) from None
    link = Link(kernel, [], [], pausable=True)
    failure: KernelError | None = None
    for tid, cpu in places:
        try:
            _add(kernel, link, event, tid, cpu, prog_fd)
        except OSError as error:
            session.warn(f"Failed to create a perf event for cpu {cpu} tid {tid}: {error.strerror}")
            failure = refused("No more HW registers left" if error.errno == errno.ENOSPC else "Failed to watch", error)
    if not link.events:
        raise failure or MachineError("No thread to watch")
    return link


def open_link(
    kernel: Kernel, event: PerfEvent, pid: int, cpus: list[int], prog_fd: int, what: str,
    advice: dict[int, str] | None = None, pausable: bool = False, cookie: int = 0,
) -> Link:  # fmt: skip
    """Open `event` on each CPU and attach the program; all or nothing.  Raises KernelError."""
    link = Link(kernel, [], [], pausable=pausable)
    try:
        for cpu in cpus:
            _add(kernel, link, event, pid, cpu, prog_fd, cookie)
    except OSError as error:
        link.close()
        raise refused(what, error, advice) from None
    return link


def _add(kernel: Kernel, link: Link, event: PerfEvent, pid: int, cpu: int, prog_fd: int, cookie: int = 0) -> None:
    """Open one event and attach.  Raises OSError and leaves nothing of this one."""
    fd = kernel.perf_event_open(event, pid, cpu)
    try:
        joined = join(kernel, prog_fd, fd, cookie)
        if event.disabled:
            kernel.perf_enable(fd)
    except OSError:
        kernel.close(fd)
        raise
    if joined is None:
        link.links.append(fd)
    else:
        link.links.append(joined)
        link.events.append(fd)
