"""Processes, limits, clocks and files: what the runtime asks of the kernel besides bpf and perf.

Place in the pipeline: part of the seam (`Kernel`).  In: pids, paths.  Out: fds, numbers, text; failures are `OSError`.
What a newcomer would get wrong: "possible" CPUs (the size of a per-CPU value) are more than "online" ones (where a
perf event can be opened); mixing them up reads garbage or fails to attach.
"""

from __future__ import annotations

import mmap
import os
import time
from struct import pack, unpack_from

from pytrace.runtime.sys import calls

_PR_SET_PDEATHSIG = 1
_CPUS = "/sys/devices/system/cpu/"


def cpu_list(text: str) -> list[int]:
    """The numbers of a kernel CPU list such as `0-3,8`."""
    found: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            found += range(int(first), int(last or first) + 1)
    return found


class ProcessCalls:
    """Everything else."""

    page_size = mmap.PAGESIZE

    def read_text(self, path: str) -> str:
        """A small file of /sys or /proc."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = []
            while part := os.read(fd, 1 << 16):
                parts.append(part)
        finally:
            os.close(fd)
        return b"".join(parts).decode("latin-1")

    def possible_cpus(self) -> int:
        """How many CPUs there could ever be: the number of values in a per-CPU element."""
        return max(cpu_list(self.read_text(_CPUS + "possible"))) + 1

    def online_cpus(self) -> list[int]:
        return cpu_list(self.read_text(_CPUS + "online"))

    def threads(self, pid: int) -> list[int]:
        """The thread ids of a process."""
        return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))

    def pidfd_open(self, pid: int) -> int:
        """An fd that becomes readable when the process ends."""
        return calls.call("pidfd_open", pid, 0)

    def die_with_parent(self, signal: int) -> None:
        """In a child: be sent `signal` when the parent ends."""
        calls.prctl(_PR_SET_PDEATHSIG, signal)

    def ptrace(self, request: int, pid: int, address: int = 0, data: int = 0) -> int:
        return calls.ptrace(request, pid, address, data)

    def raise_memlock(self) -> None:
        """Let maps be of any size: before Linux 5.11 they count against RLIMIT_MEMLOCK.  Raises OSError."""
        import resource

        unlimited = resource.RLIM_INFINITY
        self._set_limit(resource.RLIMIT_MEMLOCK, unlimited, unlimited)

    def raise_nofile(self, needed: int) -> None:
        """Allow at least `needed` open files.  Raises OSError."""
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < needed:
            room = hard == resource.RLIM_INFINITY or hard >= needed
            self._set_limit(resource.RLIMIT_NOFILE, needed, hard if room else needed)

    def _set_limit(self, which: int, soft: int, hard: int) -> None:
        import resource

        try:
            resource.setrlimit(which, (soft, hard))
        except ValueError:  # Python's word for EPERM here
            import errno

            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM)) from None

    def capabilities(self) -> int:
        """The effective capabilities of this process as bits (capget(2))."""
        header = bytearray(pack("=Ii", 0x20080522, 0))
        data = bytearray(24)
        calls.call("capget", calls.address_of(header), calls.address_of(data))
        low, high = unpack_from("=I8xI", data, 0)
        return int(low) | int(high) << 32

    def niceness(self) -> int:
        """That of the calling thread; greater numbers get less of the CPU."""
        return os.getpriority(os.PRIO_PROCESS, 0)

    def set_niceness(self, value: int) -> None:
        """Of the calling thread.  Raises PermissionError."""
        os.setpriority(os.PRIO_PROCESS, 0, value)

    def boot_time_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def tai_offset_ns(self) -> int:
        """CLOCK_TAI minus CLOCK_BOOTTIME."""
        return time.clock_gettime_ns(time.CLOCK_TAI) - time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def pid_namespace(self) -> tuple[int, int]:
        """(device, inode) of this process's PID namespace."""
        found = os.stat("/proc/self/ns/pid")
        return found.st_dev, found.st_ino

    def available_memory(self) -> int:
        """Bytes that could be used without swapping (MemAvailable); 0 if unknown."""
        for line in self.read_text("/proc/meminfo").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return 0

    def map_shared(self, fd: int, length: int, *, writable: bool, offset: int = 0) -> mmap.mmap:
        """A shared mapping of `length` bytes."""
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        return mmap.mmap(fd, length, mmap.MAP_SHARED, protection, offset=offset)

    def close(self, fd: int) -> None:
        os.close(fd)
